#pragma once
/// @file
/// A session: one conversation (or several side by side) with a model. Owns what the sequences remember and the memory
/// of a pass.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <utility>
#include <vector>

#include "plumb/blocks/batch.hpp"
#include "plumb/blocks/observer.hpp"
#include "plumb/core/trace.hpp"
#include "plumb/model/embedding.hpp"
#include "plumb/model/generation.hpp"
#include "plumb/model/model.hpp"

namespace plumb::inline PLUMB_ABI {

/// How to run a model.
struct SessionOptions {
  int context = 0;                   ///< positions that each sequence may hold; 0 = the model's own context
  int threads = 0;                   ///< 0 = OMP_NUM_THREADS or all processors
  int sequences = 1;                 ///< sequences side by side
  int batch = 512;                   ///< most rows of one forward pass; longer prompts are cut
  DType kv = DType::f32;             ///< type of keys and values: f32, f16 or i8
  ActivationObserver observer = {};  ///< sees the input of every matrix product; empty: nobody looks
  /// Recurrent state cannot be cut back. Copies of it let a sequence that is cut, or whose pass is stopped, read again
  /// from the last copy only: so many of each sequence at most, made as they are needed; 0: from the beginning.
  int checkpoints = kCheckpoints;
  int checkpoint_every = kCheckpointEvery;  ///< tokens from one copy to the next, at least
};

/// How a reading ended that could be stopped.
enum class ReadResult { done, stopped };

/// Runs forward passes and remembers what the model has read. Not for use from several threads at once; any number of
/// sessions may share a model.
///
/// **Stopping.** Where a function takes a stop token, a request from any thread ends the pass that runs after its
/// current layer, on all threads. Sequences then hold what the passes before have read, whole: going on gives the bits
/// of a session that was never stopped. After a stopped pass recurrent state is read again from its last checkpoint
/// when the sequence is next used.
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
  /// Tokens of sequence s: what was read, and at the end a token that was generated and is read when more is asked for.
  /// @throws Error{out_of_range}.
  std::span<const Token> tokens(int s = 0) const;
  /// How many these are: at most context(), and one more where a generated token was the last that fitted.
  int length(int s = 0) const { return static_cast<int>(tokens(s).size()); }
  /// Bytes of what all sequences may remember, checkpoints so far included. Memory is touched as positions are read.
  std::size_t state_bytes() const;
  /// Bytes of what they remember now, in blocks of 256 positions; what copies share counts once.
  std::size_t held_bytes() const;
  /// Bytes of that and of the memory of a pass.
  std::size_t bytes() const;
  /// Rows of all whole passes so far, tokens that were read again included.
  std::uint64_t rows_read() const;

  /// One forward pass. The rows of each sequence continue where it ends, in order; rows of different sequences may
  /// alternate. @throws Error{out_of_range} for a token or sequence that does not exist, Error{context_overflow},
  /// Error{invalid_argument} for no rows, more than batch() rows or positions that do not follow on, and for logits of
  /// a model without a head. Nothing changes then. Where attention sees later positions a pass must hold whole texts.
  void forward(std::span<const BatchRow> rows, PassOutput output = PassOutput::logits);
  /// The same, until `cancel` asks for an end: nothing of the pass counts then.
  [[nodiscard]] ReadResult forward(std::span<const BatchRow> rows, PassOutput output, const std::stop_token& cancel);
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
  /// attention sees later positions; Error{context_overflow} that says by how many tokens the context is too short;
  /// Error{out_of_range}. Nothing changes then.
  void prefill(std::span<const Token> tokens, int s = 0);
  /// The same, until `cancel` asks for an end: tokens(s) then says what was read. `progress` hears the fraction read
  /// after every pass, from the calling thread.
  [[nodiscard]] ReadResult prefill(std::span<const Token> tokens, int s, const std::stop_token& cancel,
                                   const std::function<void(double fraction)>& progress = {});
  /// Reads one token; logits() are its.
  void decode(Token token, int s = 0) { prefill({&token, 1}, s); }
  [[nodiscard]] ReadResult decode(Token token, int s, const std::stop_token& cancel) {
    return prefill({&token, 1}, s, cancel);
  }

  /// Tokens that follow what sequence s has read, as a range to walk once.
  /// @throws Error{invalid_argument} when s has read nothing or an option is bad; Error{missing_key} for stop texts
  /// where the model has no tokenizer; Error{unsupported_architecture} for a model without a head, or whose attention
  /// sees later positions.
  [[nodiscard]] Generation generate(const GenerateOptions& options, int s = 0);

  /// Books the time of the passes that follow, phase by phase (Op), on `trace`, which must outlive them; null: no more.
  /// @throws std::bad_alloc.
  void set_trace(Trace* trace);

  /// Forgets all but the first `length` tokens of sequence s. Layers with a window keep no more than they need to go on
  /// from the end, and recurrent ones nothing else but checkpoints: where they have lost what they would see at
  /// `length`, tokens are read again when the sequence is next used, from the last checkpoint or from the beginning.
  /// That gives the same bits. @throws Error{out_of_range}.
  void truncate(int s, int length);
  /// Forgets sequence s.
  void clear(int s = 0) { truncate(s, 0); }
  /// Makes sequence `to` equal to the first `length` tokens of `from`, which are read again later where truncate would.
  /// Keys and values of every position are shared, in blocks of 256 positions, until one of the two writes to a block:
  /// only the last, unfinished one is copied, with rings and recurrent values, whose size is fixed. So a prompt read
  /// once may be continued in many sequences. @throws Error{out_of_range}.
  void copy(int from, int to, int length);
  /// Forgets tokens [first, last) of sequence s and moves those that follow into their place. Where attention keeps
  /// every position, their keys are rotated by as much: what follows was computed in sight of what is forgotten, and
  /// stays so; int8 keys are rounded once more. With windows, latent attention, recurrent state, positions that are
  /// learned or in chunks, and norms after the rotation, it is read again in its new place when the sequence is next
  /// used, which takes the time of a prefill. @throws Error{out_of_range}.
  void remove(int s, int first, int last);

  /// Sequence s as bytes: its tokens, all that the layers remember, the logits of its last token; with the model's
  /// fingerprint and a checksum. Size: about bytes per position times positions. What it has lost is read again first.
  /// @throws Error{out_of_range}, std::bad_alloc.
  std::vector<std::byte> save(int s = 0);
  /// The same as a file, which is complete or as it was. @throws Error{io}, a full disk included.
  void save(const std::filesystem::path& path, int s = 0);
  /// Puts what save() gave in the place of sequence s, which then goes on bit for bit as the saved one would. The model
  /// and the type of keys and values must be the same; context, batch and sequences may differ.
  /// @throws Error{bad_magic, unsupported_version, truncated, bad_value, bad_shape} for bytes that are no session or
  /// are damaged, Error{invalid_argument} for one of another model or other keys and values, Error{out_of_range},
  /// Error{context_overflow} where it is longer than this context. Nothing changes then.
  void restore(std::span<const std::byte> bytes, int s = 0);
  /// The same from a file. @throws Error{io}.
  void load(const std::filesystem::path& path, int s = 0);

 private:
  std::unique_ptr<SessionEngine> engine_;  // does not move with the session
};

}  // namespace plumb
