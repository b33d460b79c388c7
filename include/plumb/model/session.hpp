#pragma once
/// @file
/// A session: one conversation (or several side by side) with a model. Owns what the sequences remember and the memory
/// of a pass.

#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "plumb/blocks/batch.hpp"
#include "plumb/blocks/observer.hpp"
#include "plumb/core/trace.hpp"
#include "plumb/model/embedding.hpp"
#include "plumb/model/model.hpp"
#include "plumb/text/sampler.hpp"

namespace plumb::inline PLUMB_ABI {

/// How to run a model.
struct SessionOptions {
  int context = 0;                   ///< positions that each sequence may hold; 0 = the model's own context
  int threads = 0;                   ///< 0 = OMP_NUM_THREADS or all processors
  int sequences = 1;                 ///< sequences side by side
  int batch = 512;                   ///< most rows of one forward pass; longer prompts are cut
  DType kv = DType::f32;             ///< type of keys and values: f32, f16 or i8
  ActivationObserver observer = {};  ///< sees the input of every matrix product; empty: nobody looks
};

class Generation;
struct GenerateOptions;

/// Runs forward passes and remembers what the model has read. Not for use from several threads at once; any number of
/// sessions may share a model.
class PLUMB_API Session {
 public:
  /// @throws Error{invalid_argument} naming a bad option, Error{out_of_memory, overflow}.
  explicit Session(Model model, const SessionOptions& options = {});
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  const Model& model() const;
  int context() const;
  int threads() const;
  int sequences() const;
  /// Rows of one forward pass at most.
  int batch() const;
  DType kv_type() const;
  /// Tokens that sequence s has read. @throws Error{out_of_range}.
  std::span<const Token> tokens(int s = 0) const;
  int length(int s = 0) const { return static_cast<int>(tokens(s).size()); }
  /// Bytes of what all sequences remember.
  std::size_t state_bytes() const;
  /// Bytes of that and of the memory of a pass.
  std::size_t bytes() const;

  /// One forward pass. The rows of each sequence continue where it ends, in order; rows of different sequences may
  /// alternate. @throws Error{out_of_range} for a token or sequence that does not exist, Error{context_overflow},
  /// Error{invalid_argument} for no rows, more than batch() rows or positions that do not follow on, and for logits of
  /// a model without a head. Nothing changes then. Where attention sees later positions a pass must hold whole texts.
  void forward(std::span<const BatchRow> rows, PassOutput output = PassOutput::logits);
  /// Rows of the last pass that asked for logits.
  int logit_rows() const;
  /// Logits of the i-th row of the last pass that asked, valid until the next pass. [vocab_size].
  /// @throws Error{out_of_range}.
  std::span<const float> logits(int i = 0) const;
  /// The stream after the last norm at the i-th row of the last pass that asked, if that made states; valid until the
  /// next pass. [width]. @throws Error{out_of_range}.
  std::span<const float> state(int i = 0) const;

  /// Embeddings of texts, as many in a pass as batch() and sequences() allow; each is the same in any company. Forgets
  /// all sequences. @throws Error{invalid_argument} for a text without tokens, or longer than batch() where attention
  /// sees later positions; Error{out_of_range, context_overflow}.
  std::vector<Embedding> embed(std::span<const std::vector<Token>> texts, const EmbedOptions& options = {});

  /// Reads tokens at the end of sequence s, in as many passes as it takes; logits() are those of the last token, if the
  /// model has a head. @throws Error{invalid_argument} for no tokens, or more than batch() or for a second time where
  /// attention sees later positions; Error{out_of_range, context_overflow}. Nothing changes then.
  void prefill(std::span<const Token> tokens, int s = 0);
  /// Reads one token; logits() are its.
  void decode(Token token, int s = 0) { prefill({&token, 1}, s); }

  /// Tokens that follow what sequence s has read, as a range to walk once.
  /// @throws Error{invalid_argument} when s has read nothing or an option is bad; Error{unsupported_architecture} for a
  /// model without a head, or whose attention sees later positions.
  Generation generate(const GenerateOptions& options, int s = 0);

  /// Books the time of the passes that follow, phase by phase (Op), on `trace`, which must outlive them; null: no more.
  /// @throws std::bad_alloc.
  void set_trace(Trace* trace);

  /// Forgets all but the first `length` tokens of sequence s. Layers with a window keep no more than they need to go on
  /// from the end, and recurrent ones nothing else: where they have lost what they would see at `length`, the tokens
  /// are read again, which takes the time of a prefill and gives the same bits. @throws Error{out_of_range}.
  void truncate(int s, int length);
  /// Forgets sequence s.
  void clear(int s = 0) { truncate(s, 0); }
  /// Makes sequence `to` equal to the first `length` tokens of `from`, reading them again where truncate would.
  /// @throws Error{out_of_range}.
  void copy(int from, int to, int length);

 private:
  friend class Generation;
  struct Engine;
  std::unique_ptr<Engine> engine_;
};

/// How to continue a sequence.
struct GenerateOptions {
  SamplerOptions sampling = {};  ///< temperature, filters, penalties, seed
  int max_tokens = -1;           ///< stop after this many; -1: until the model ends or the context is full
  bool stop_at_end = true;       ///< stop at the tokens that end a text, and do not hand them out
};

/// Why a generation came to its end.
enum class StopReason { none, max_tokens, end_token, context_full };

/// The continuation of a sequence, one token at a time: a single-pass range. The session reads a token when the next
/// one is asked for (or when it is next prefilled), so that the last token costs no pass.
class PLUMB_API Generation {
 public:
  class Iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using difference_type = std::ptrdiff_t;
    using value_type = Token;
    Iterator() = default;
    explicit Iterator(Generation* owner) : owner_(owner) {}
    Token operator*() const { return owner_->token_; }
    Iterator& operator++() {
      owner_->advance();
      return *this;
    }
    void operator++(int) { owner_->advance(); }
    bool operator==(std::default_sentinel_t) const { return owner_->stop_ != StopReason::none; }

   private:
    Generation* owner_ = nullptr;
  };

  /// Draws the first token.
  Iterator begin();
  std::default_sentinel_t end() const { return {}; }
  /// Why the range ended; none while it runs.
  StopReason stop_reason() const { return stop_; }
  /// Its log-probabilities, if asked for.
  const Sampler& sampler() const { return sampler_; }

 private:
  friend class Session;
  Generation(Session& session, const GenerateOptions& options, int s);
  void advance();

  Session* session_;
  int s_;
  int max_tokens_;
  bool stop_at_end_;
  Sampler sampler_;
  int made_ = 0;
  Token token_ = kNoToken;
  StopReason stop_ = StopReason::none;
};

}  // namespace plumb
