#include "plumb/model/write_logits.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "plumb/io/atomic_file.hpp"

namespace plumb::inline PLUMB_ABI {

void for_each_logits(const Model& model, std::span<const Token> tokens, SessionOptions options,
                     const std::function<void(std::size_t, std::span<const float>)>& visit) {
  constexpr int kRowsAtOnce = 64;  // every row has vocab_size logits: 64 rows of a large vocabulary are 40 MB
  if (tokens.empty()) throw Error(ErrorCode::invalid_argument, "no tokens: expected at least one");
  const auto limit = static_cast<std::size_t>(options.context > 0 ? options.context : model.spec().context);
  if (tokens.size() > limit)
    throw Error(ErrorCode::context_overflow,
                std::to_string(tokens.size()) + " tokens for a context of " + std::to_string(limit));
  if (options.context == 0) options.context = static_cast<int>(tokens.size());
  options.batch = std::min(options.batch, kRowsAtOnce);
  Session session(model, options);
  std::vector<BatchRow> rows;
  for (std::size_t done = 0; done < tokens.size(); done += rows.size()) {
    rows.clear();
    for (std::size_t i = done; i < tokens.size() && rows.size() < static_cast<std::size_t>(session.batch()); ++i)
      rows.push_back({tokens[i], static_cast<int>(i), 0, true});
    session.forward(rows);
    for (std::size_t i = 0; i < rows.size(); ++i) visit(done + i, session.logits(static_cast<int>(i)));
  }
}

void write_logits(const Model& model, std::span<const Token> tokens, const SessionOptions& options,
                  const std::filesystem::path& path) {
  AtomicFile file(path);
  for_each_logits(model, tokens, options,
                  [&](std::size_t, std::span<const float> logits) { file.write(std::as_bytes(logits)); });
  file.commit();
}

}  // namespace plumb
