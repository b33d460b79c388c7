#include "plumb/model/generation.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "plumb/text/stop_texts.hpp"
#include "plumb/text/tokenizer.hpp"
#include "session_engine.hpp"

namespace plumb::inline PLUMB_ABI {

/// Looks for stop texts in what is generated.
struct Generation::Watch {
  Watch(const Tokenizer& tokenizer, const std::vector<std::string>& stop, std::span<const Token> before)
      : decoder(tokenizer), texts(stop) {
    if (!before.empty()) decoder.push(before.back());  // what follows continues a text
  }
  StreamDecoder decoder;
  StopTexts texts;
};

Generation Session::generate(const GenerateOptions& options, int s) {
  const SpecChecker check{model().source() + ": "};
  if (engine_->at_once)
    check.fail(ErrorCode::unsupported_architecture,
               "attention sees later positions, so that nothing can be generated; supported: embeddings");
  if (!model().spec().output.head)
    check.fail(ErrorCode::unsupported_architecture,
               "the model has no head, so that nothing can be generated; supported: embeddings");
  return Generation(*engine_, options, s);
}

Generation::Generation(SessionEngine& engine, const GenerateOptions& options, int s)
    : engine_(&engine),
      s_(s),
      max_tokens_(options.max_tokens),
      stop_at_end_(options.stop_at_end),
      cancel_(options.cancel),
      when_full_(options.when_full),
      keep_(options.keep),
      n_tokens_(engine.model.has_tokenizer()
                    ? std::min<std::int64_t>(engine.spec().vocab_size, engine.model.tokenizer().size())
                    : engine.spec().vocab_size),
      sampler_(options.sampling, n_tokens_) {
  const std::span<const Token> read = engine.sequence(s).read;
  if (read.empty())
    throw Error(ErrorCode::invalid_argument,
                "nothing to continue: sequence " + std::to_string(s) + " has read no token");
  if (max_tokens_ < -1)
    throw Error(ErrorCode::invalid_argument, "max_tokens " + std::to_string(max_tokens_) + ": expected -1 or more");
  if (keep_ < -1) throw Error(ErrorCode::invalid_argument, "keep " + std::to_string(keep_) + ": expected -1 or more");
  if (keep_ == -1) keep_ = static_cast<int>(read.size());
  if (!options.stop.empty()) watch_ = std::make_unique<Watch>(engine.model.tokenizer(), options.stop, read);
  for (const Token token : read)
    if (token < n_tokens_) sampler_.accept(token);
}
Generation::Generation(Generation&&) noexcept = default;
Generation& Generation::operator=(Generation&&) noexcept = default;
Generation::~Generation() = default;

Generation::Iterator Generation::begin() {
  advance();
  return Iterator(this);
}

void Generation::advance() {
  if (stop_ == StopReason::none) stop_ = step();
}

/// Forgets the older half of what may be forgotten; false where nothing may.
bool Generation::make_room() {
  const int forgotten = (engine_->context() - keep_) / 2;
  if (when_full_ == ContextFull::stop || forgotten < 1) return false;
  engine_->remove(s_, keep_, keep_ + forgotten);
  shifted_ += forgotten;
  return true;
}

/// Draws the next token; or says why there is none.
StopReason Generation::step() {
  if (watch_ && watch_->texts.found()) return StopReason::stop_text;
  if (max_tokens_ >= 0 && made_ >= max_tokens_) return StopReason::max_tokens;
  if (cancel_.stop_requested()) return StopReason::cancelled;
  SessionEngine& engine = *engine_;
  if (engine.length(s_) > engine.context() && !make_room()) return StopReason::context_full;
  if (engine.read_to_continue(s_, cancel_) == ReadResult::stopped) return StopReason::cancelled;
  token_ = sampler_.sample(engine.last_logits(engine.sequence(s_)).first(static_cast<std::size_t>(n_tokens_)));
  if (stop_at_end_ && engine.model.has_tokenizer() && engine.model.tokenizer().is_end(token_))
    return StopReason::end_token;
  engine.sequence(s_).read.push_back(token_);
  ++made_;
  if (watch_) watch_->texts.push(watch_->decoder.push(token_));
  return StopReason::none;
}

}  // namespace plumb
