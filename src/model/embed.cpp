// Session::embed: texts side by side in as few passes as the session's batch and sequences allow.

#include <algorithm>
#include <string>

#include "plumb/model/project_embeddings.hpp"
#include "plumb/model/session.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

using Texts = std::span<const std::vector<Token>>;

void check_texts(const Session& session, Texts texts) {
  const bool at_once = reads_at_once(session.model().spec());
  for (std::size_t t = 0; t < texts.size(); ++t) {
    const std::string name = "text " + std::to_string(t + 1) + ": ";
    const std::size_t tokens = texts[t].size();
    if (tokens == 0) throw Error(ErrorCode::invalid_argument, name + "no tokens, expected at least one");
    if (tokens > static_cast<std::size_t>(session.context()))
      throw Error(ErrorCode::context_overflow,
                  name + std::to_string(tokens) + " tokens for a context of " + std::to_string(session.context()));
    if (at_once && tokens > static_cast<std::size_t>(session.batch()))
      throw Error(ErrorCode::invalid_argument,
                  name + std::to_string(tokens) + " tokens for a batch of " + std::to_string(session.batch()) +
                      ": attention sees later positions, so that a text is read in one pass");
  }
}

/// Texts [0, n) that are read together, each as the sequence of its number.
class Reading {
 public:
  Reading(Session& session, Texts texts, Pooling pooling, bool all_rows)
      : session_(session), texts_(texts), pooling_(pooling), all_rows_(all_rows), width_(session.model().spec().width) {
    sums_.resize(texts.size(), std::vector<double>(static_cast<std::size_t>(width_)));
    rows_.resize(texts.size());
  }

  void run() {
    std::vector<BatchRow> rows;
    for (std::size_t t = 0; t < texts_.size(); ++t)
      for (std::size_t i = 0; i < texts_[t].size(); ++i)
        rows.push_back({texts_[t][i], static_cast<int>(i), static_cast<int>(t), wanted(t, i)});
    const auto batch = static_cast<std::size_t>(session_.batch());
    for (std::size_t done = 0; done < rows.size(); done += batch)
      pass(std::span(rows).subspan(done, std::min(batch, rows.size() - done)));
  }

  std::vector<Embedding> take() {
    Rows pooled(static_cast<std::int64_t>(texts_.size()), width_);
    for (std::size_t t = 0; t < texts_.size(); ++t) {
      const double count = pooling_ == Pooling::mean ? static_cast<double>(texts_[t].size()) : 1.0;
      float* const row = pooled.row(static_cast<std::int64_t>(t));
      for (std::size_t i = 0; i < sums_[t].size(); ++i) row[i] = static_cast<float>(sums_[t][i] / count);
    }
    const Model& model = session_.model();
    project_embeddings(model.transformer(), session_.threads(), pooled);
    std::vector<Embedding> embeddings(texts_.size());
    for (std::size_t t = 0; t < texts_.size(); ++t) {
      const float* const row = pooled.row(static_cast<std::int64_t>(t));
      embeddings[t].pooled.assign(row, row + model.spec().embedding_width());
      embeddings[t].rows = std::move(rows_[t]);
    }
    return embeddings;
  }

 private:
  /// Whether row i of text t takes part in its embedding.
  bool pooled(std::size_t t, std::size_t i) const {
    if (pooling_ == Pooling::cls) return i == 0;
    if (pooling_ == Pooling::last) return i + 1 == texts_[t].size();
    return true;
  }
  bool wanted(std::size_t t, std::size_t i) const { return all_rows_ || pooled(t, i); }

  void pass(std::span<const BatchRow> rows) {
    session_.forward(rows, PassOutput::states);
    int index = 0;  // of a row among those that asked
    for (const BatchRow& row : rows) {
      if (!row.logits) continue;
      const std::span<const float> state = session_.state(index++);
      const auto t = static_cast<std::size_t>(row.sequence);
      if (pooled(t, static_cast<std::size_t>(row.position)))
        for (std::size_t i = 0; i < state.size(); ++i) sums_[t][i] += static_cast<double>(state[i]);
      if (all_rows_) rows_[t].insert(rows_[t].end(), state.begin(), state.end());
    }
  }

  Session& session_;
  Texts texts_;
  Pooling pooling_;
  bool all_rows_;
  int width_;
  std::vector<std::vector<double>> sums_;  // [texts][D]
  std::vector<std::vector<float>> rows_;   // [texts][tokens * D]
};

/// Empties the sequences before and after, also where a pass throws.
struct EmptySequences {
  explicit EmptySequences(Session& of) : session(of) { clear(); }
  ~EmptySequences() { clear(); }
  EmptySequences(const EmptySequences&) = delete;
  EmptySequences& operator=(const EmptySequences&) = delete;
  void clear() const {
    for (int s = 0; s < session.sequences(); ++s) session.clear(s);
  }
  Session& session;
};

}  // namespace

std::vector<Embedding> Session::embed(std::span<const std::vector<Token>> texts, const EmbedOptions& options) {
  check_texts(*this, texts);
  const Pooling pooling = options.pooling == Pooling::none ? pooling_of(model().spec()) : options.pooling;
  std::vector<Embedding> all;
  for (std::size_t first = 0; first < texts.size();) {
    std::size_t end = first + 1, rows = texts[first].size();
    while (end < texts.size() && end - first < static_cast<std::size_t>(sequences()) &&
           rows + texts[end].size() <= static_cast<std::size_t>(batch()))
      rows += texts[end++].size();
    const EmptySequences empty(*this);
    Reading reading(*this, texts.subspan(first, end - first), pooling, options.rows);
    reading.run();
    for (Embedding& embedding : reading.take()) all.push_back(std::move(embedding));
    first = end;
  }
  return all;
}

}  // namespace plumb
