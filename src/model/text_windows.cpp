#include "plumb/model/text_windows.hpp"

#include <algorithm>
#include <string>

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr int kLeastContext = 4;
/// Rows of one pass: each has vocab_size logits, and 64 rows of a large vocabulary are 40 MB a model.
constexpr int kRowsAtOnce = 64;

void check_models(std::span<const Model> models) {
  if (models.empty()) throw Error(ErrorCode::invalid_argument, "no model to evaluate");
  for (const Model& model : models)
    if (model.spec().vocab_size != models.front().spec().vocab_size)
      throw Error(ErrorCode::invalid_argument,
                  model.source() + ": a vocabulary of " + std::to_string(model.spec().vocab_size) + ", expected " +
                      std::to_string(models.front().spec().vocab_size) + " as in " + models.front().source());
}

}  // namespace

int window_context(const WindowOptions& options, const ModelSpec& spec) {
  const int context = options.context > 0 ? options.context : std::min(spec.context, kUsualWindow);
  if (options.context < 0 || context < kLeastContext)
    throw Error(ErrorCode::invalid_argument, "windows of " + std::to_string(options.context) +
                                                 " tokens, expected at least " + std::to_string(kLeastContext));
  if (context > spec.context)
    throw Error(ErrorCode::context_overflow, "windows of " + std::to_string(context) +
                                                 " tokens, the model's context is " + std::to_string(spec.context));
  if (options.stride < 0 || options.stride > context)
    throw Error(ErrorCode::invalid_argument, "a stride of " + std::to_string(options.stride) + ", expected 0 to " +
                                                 std::to_string(context) + ", the tokens of a window");
  return context;
}

std::vector<TextWindow> text_windows(std::size_t tokens, int context, int stride) {
  const auto length = static_cast<std::size_t>(context);
  const std::size_t step = stride > 0 ? static_cast<std::size_t>(stride) : length;
  if (tokens < length)
    throw Error(ErrorCode::invalid_argument, "a text of " + std::to_string(tokens) + " tokens, expected at least " +
                                                 std::to_string(context) + " for one window");
  std::vector<TextWindow> windows;
  for (std::size_t begin = 0; tokens - begin >= length; begin += step) {
    const std::size_t seen = stride == 0 ? begin + length / 2 + 1 : windows.empty() ? 0 : windows.back().end;
    windows.push_back({begin, begin + length, std::max(begin + 1, seen)});
  }
  return windows;
}

std::vector<Token> window_tokens(std::span<const Token> text, const TextWindow& window, const WindowOptions& options,
                                 const Model& reader) {
  const std::span<const Token> part = text.subspan(window.begin, window.end - window.begin);
  std::vector<Token> tokens(part.begin(), part.end());
  if (options.bos && reader.has_tokenizer()) {
    const Vocabulary& vocabulary = reader.tokenizer().vocabulary();
    if (vocabulary.add_bos && vocabulary.bos != kNoToken) tokens.front() = vocabulary.bos;
  }
  return tokens;
}

void for_each_scored_token(std::span<const Model> models, std::span<const Token> text, const WindowOptions& options,
                           SessionOptions session, const ScoredToken& visit, const WindowProgress& progress) {
  check_models(models);
  session.context = window_context(options, models.front().spec());
  session.sequences = 1;
  session.batch = std::min(session.context, kRowsAtOnce);
  const std::vector<TextWindow> windows = text_windows(text.size(), session.context, options.stride);
  std::vector<Session> sessions;
  sessions.reserve(models.size());
  for (const Model& model : models) sessions.emplace_back(model, session);

  std::vector<BatchRow> rows;
  std::vector<std::span<const float>> logits(models.size());
  for (std::size_t w = 0; w < windows.size(); ++w) {
    const TextWindow& window = windows[w];
    const std::vector<Token> tokens = window_tokens(text, window, options, models.front());
    for (Session& each : sessions) each.clear();
    // The last token predicts none of this window.
    for (std::size_t done = 0; done + 1 < tokens.size(); done += rows.size()) {
      rows.clear();
      const std::size_t end = std::min(tokens.size() - 1, done + static_cast<std::size_t>(session.batch));
      for (std::size_t i = done; i < end; ++i)
        rows.push_back({tokens[i], static_cast<int>(i), 0, window.begin + i + 1 >= window.scored});
      for (Session& each : sessions) each.forward(rows);
      int asked = 0;
      for (std::size_t i = done; i < end; ++i) {
        if (!rows[i - done].logits) continue;
        for (std::size_t m = 0; m < sessions.size(); ++m) logits[m] = sessions[m].logits(asked);
        visit(tokens[i + 1], logits);
        ++asked;
      }
    }
    if (progress) progress(static_cast<double>(w + 1) / static_cast<double>(windows.size()));
  }
}

}  // namespace plumb
