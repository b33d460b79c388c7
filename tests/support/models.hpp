#pragma once
/// Models for tests: built in memory, and their logits.

#include <random>
#include <span>
#include <string>
#include <vector>

#include "plumb/io/gguf.hpp"
#include "plumb/model/session.hpp"
#include "tests/support/aligned_copy.hpp"
#include "tests/support/gguf_builder.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::test {

/// A GGUF file in memory and the model in it.
struct BuiltModel {
  explicit BuiltModel(const GgufBuilder& builder, const LoadOptions& options = {.exact = true})
      : bytes(builder.bytes()),
        file(GgufFile::from_memory(bytes.bytes(), "built")),
        model(Model::from_file(file, options)) {}
  AlignedCopy bytes;
  GgufFile file;
  Model model;
};

/// Rows of one sequence, all asking for logits.
inline std::vector<BatchRow> rows_of(std::span<const Token> tokens, int first_position = 0, int sequence = 0) {
  std::vector<BatchRow> rows;
  for (const Token token : tokens)
    rows.push_back({token, first_position + static_cast<int>(rows.size()), sequence, true});
  return rows;
}

/// Appends the logits of the last pass.
inline void append_logits(const Session& session, std::vector<float>& all) {
  for (int i = 0; i < session.logit_rows(); ++i)
    all.insert(all.end(), session.logits(i).begin(), session.logits(i).end());
}

/// Logits of every token of a fresh sequence, [tokens, vocab_size], read `chunk` tokens at a time.
inline std::vector<float> all_logits(const Model& model, std::span<const Token> tokens, std::size_t chunk = 64,
                                     SessionOptions options = {.threads = 1}) {
  if (options.context == 0) options.context = static_cast<int>(tokens.size());
  Session session(model, options);
  std::vector<float> all;
  for (std::size_t done = 0; done < tokens.size(); done += chunk) {
    session.forward(rows_of(tokens.subspan(done, std::min(chunk, tokens.size() - done)), static_cast<int>(done)));
    append_logits(session, all);
  }
  return all;
}

/// Logits of every token of `texts`, each read as the sequence of its index, in passes of up to `most` rows of random
/// sequences in random order.
inline std::vector<std::vector<float>> alternating_logits(Session& session, std::span<const std::vector<Token>> texts,
                                                          int most, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::vector<float>> all(texts.size());
  std::vector<std::size_t> done(texts.size(), 0);
  std::size_t left = 0;
  for (const auto& text : texts) left += text.size();
  while (left > 0) {
    std::vector<BatchRow> rows;
    for (int i = 0; i < most; ++i) {
      const std::size_t s = random() % texts.size();
      if (done[s] >= texts[s].size()) continue;
      rows.push_back({texts[s][done[s]], static_cast<int>(done[s]), static_cast<int>(s), true});
      ++done[s];
    }
    if (rows.empty()) continue;
    left -= rows.size();
    session.forward(rows);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto row = session.logits(static_cast<int>(i));
      auto& own = all[static_cast<std::size_t>(rows[i].sequence)];
      own.insert(own.end(), row.begin(), row.end());
    }
  }
  return all;
}

}  // namespace plumb::test
