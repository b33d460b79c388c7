#pragma once
/// @file
/// How a session continues a sequence.

#include <cstddef>
#include <iterator>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "plumb/text/sampler.hpp"

namespace plumb::inline PLUMB_ABI {

struct SessionEngine;

/// What happens when the context is full.
enum class ContextFull {
  stop,   ///< the generation ends
  shift,  ///< half of what follows the first `keep` tokens is forgotten, the oldest half (Session::remove)
};

/// How to continue a sequence.
struct GenerateOptions {
  SamplerOptions sampling = {};  ///< temperature, filters, penalties, seed
  int max_tokens = -1;           ///< stop after this many; -1: until the model ends or the context is full
  bool stop_at_end = true;       ///< stop at the tokens that end a text, and do not hand them out
  /// Texts that end the generation once what it has made contains one. The token that completes it is the last that is
  /// handed out; StopTexts cuts the text itself. Not empty.
  std::vector<std::string> stop = {};
  std::stop_token cancel = {};  ///< ends the generation within a layer; what was handed out stays
  ContextFull when_full = ContextFull::stop;
  /// Of shift: tokens at the beginning that stay. The first few draw much of all attention, whatever they are, and
  /// models break without them (attention sinks, Xiao et al. 2023). -1: all that the sequence has now.
  int keep = 4;
};

/// Why a generation came to its end.
enum class StopReason { none, max_tokens, end_token, context_full, stop_text, cancelled };

/// The continuation of a sequence, one token at a time: a single-pass range. The session reads a token when the next
/// one is asked for (or when it is next prefilled), so that the last token costs no pass. Not copyable; must not
/// outlive the session, which may be moved.
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

  Generation(Generation&&) noexcept;
  Generation& operator=(Generation&&) noexcept;
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;
  ~Generation();

  /// Draws the first token.
  Iterator begin();
  std::default_sentinel_t end() const { return {}; }
  /// Why the range ended; none while it runs.
  StopReason stop_reason() const { return stop_; }
  /// Tokens that were forgotten to make room.
  int shifted() const { return shifted_; }
  /// Its log-probabilities, if asked for.
  const Sampler& sampler() const { return sampler_; }

 private:
  friend class Session;
  struct Watch;
  Generation(SessionEngine& engine, const GenerateOptions& options, int s);
  void advance();
  StopReason step();
  bool make_room();

  SessionEngine* engine_;
  int s_;
  int max_tokens_;
  bool stop_at_end_;
  std::stop_token cancel_;
  ContextFull when_full_;
  int keep_;
  std::unique_ptr<Watch> watch_;  // of stop texts; null: none
  std::int64_t n_tokens_;         // of the vocabulary, where the model has rows for more: those are no tokens to draw
  Sampler sampler_;
  int made_ = 0;
  int shifted_ = 0;
  Token token_ = kNoToken;
  StopReason stop_ = StopReason::none;
};

}  // namespace plumb
