#include "plumb/model/generate_text.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "plumb/text/stop_texts.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Positions of a session whose caller did not say: those that prompt and continuation need, or 4096 when the
/// continuation has no bound, but never more than the model was trained for.
int needed_context(const ModelSpec& spec, std::size_t prompt, int max_tokens) {
  constexpr std::int64_t kUnbounded = 4096;
  const auto tokens = static_cast<std::int64_t>(prompt);
  const std::int64_t wanted = max_tokens >= 0 ? tokens + max_tokens : std::max(tokens + 1, kUnbounded);
  return static_cast<int>(std::clamp<std::int64_t>(wanted, 1, spec.context));
}

}  // namespace

TextReport generate_text(const Model& model, std::string_view prompt, const TextOptions& options,
                         const std::function<void(std::string_view)>& sink) {
  const Tokenizer& tokenizer = model.tokenizer();
  const std::vector<Token> tokens =
      tokenizer.encode(prompt, {.add_special = true, .add_end = false, .parse_special = options.parse_special});
  if (tokens.empty()) throw Error(ErrorCode::invalid_argument, "the prompt is empty");

  SessionOptions session_options = options.session;
  if (session_options.context == 0)
    session_options.context = needed_context(model.spec(), tokens.size(), options.generate.max_tokens);
  Session session(model, session_options);

  TextReport report;
  report.prompt_tokens = static_cast<int>(tokens.size());
  report.context = session.context();
  report.threads = session.threads();
  report.kv = session.kv_type();
  report.weight_bytes = model.weight_bytes();
  report.kv_bytes = session.state_bytes();

  StreamDecoder decoder(tokenizer, {.render_special = options.render_special});
  StopTexts texts(options.generate.stop);
  const auto emit = [&](std::string_view text) {
    if (!text.empty() && sink) sink(text);
  };
  for (const Token token : tokens) {  // also without echo: what follows continues a text
    const std::string_view text = decoder.push(token);
    if (options.echo) emit(text);
  }

  const Clock::time_point start = Clock::now();
  const ReadResult read = session.prefill(tokens, 0, options.generate.cancel, options.progress);
  report.prefill_seconds = seconds_since(start);
  if (read == ReadResult::stopped) {
    report.stop = StopReason::cancelled;
    report.prompt_tokens = session.length();
    return report;
  }
  const Clock::time_point decoding = Clock::now();
  Generation generation = session.generate(options.generate);
  for (const Token token : generation) {
    emit(texts.push(decoder.push(token)));
    report.tokens.push_back(token);
    if (texts.found()) break;
  }
  if (!texts.found()) {
    emit(texts.push(decoder.flush()));
    emit(texts.flush());
  }
  report.decode_seconds = seconds_since(decoding);
  report.new_tokens = static_cast<int>(report.tokens.size());
  report.stop = texts.found() ? StopReason::stop_text : generation.stop_reason();
  report.forgotten = generation.shifted();
  return report;
}

}  // namespace plumb
