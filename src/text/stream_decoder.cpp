#include <utility>

#include "../core/utf8.hpp"
#include "plumb/text/tokenizer.hpp"

namespace plumb::inline PLUMB_ABI {

StreamDecoder::StreamDecoder(Tokenizer tokenizer, DecodeOptions options)
    : tokenizer_(std::move(tokenizer)), options_(options) {}

std::string_view StreamDecoder::push(Token token) {
  pending_ += tokenizer_.render(token, options_, at_start_);
  ready_.clear();
  std::size_t at = 0;
  while (at < pending_.size()) {
    const Utf8Step step = utf8_step(pending_, at);
    if (step.kind == Utf8Kind::incomplete) break;
    if (step.kind == Utf8Kind::valid)
      ready_.append(pending_, at, step.length);
    else
      ready_ += kReplacementCharacter;
    at += step.length;
  }
  pending_.erase(0, at);
  return ready_;
}

std::string_view StreamDecoder::flush() {
  ready_ = pending_.empty() ? std::string_view() : kReplacementCharacter;
  pending_.clear();
  at_start_ = true;
  return ready_;
}

}  // namespace plumb
