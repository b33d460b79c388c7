#include "json_merges.hpp"

#include <array>
#include <utility>

#include "json_scanner.hpp"
#include "plumb/core/printable.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Reads merges in blocks, so that the vocabulary is asked for many spellings at once.
class MergeReader {
 public:
  MergeReader(std::string_view json, const std::string& source, const ModelPieces& pieces, std::string_view prefix)
      : scanner_(json, source + ": model.merges"), source_(source), pieces_(pieces), prefix_(prefix) {
    constexpr std::size_t kUsualMerge = 24;
    merges_.reserve(json.size() / kUsualMerge);
  }

  std::vector<Merge> run() {
    scanner_.open('[');
    while (scanner_.more(']')) {
      if (!read_pair()) continue;
      if (++pairs_ == kBlock) finish_block();
    }
    finish_block();
    scanner_.finish();
    return std::move(merges_);
  }

 private:
  static constexpr std::size_t kBlock = 32;

  [[noreturn]] void bad(std::size_t rank, const std::string& problem) const {
    throw Error(ErrorCode::bad_tokenizer, source_ + ": model.merges: merge " + std::to_string(rank) + " " + problem);
  }

  /// The next two spellings. Returns false for a line that is none.
  bool read_pair() {
    std::string& left_text = texts_[2 * pairs_];
    std::string& right_text = texts_[2 * pairs_ + 1];
    std::string_view left, right;
    const std::size_t rank = merges_.size() + pairs_;
    if (scanner_.peek() == '[') {
      scanner_.open('[');
      if (!scanner_.more(']')) bad(rank, "is not two spellings");
      left = scanner_.string(left_text);
      if (!scanner_.more(']')) bad(rank, "is not two spellings");
      right = scanner_.string(right_text);
      if (scanner_.more(']')) bad(rank, "is not two spellings");
    } else {
      const std::string_view merge = scanner_.string(left_text);
      if (merge.starts_with("#version")) return false;
      const std::size_t space = merge.find(' ');
      if (space == std::string_view::npos || merge.find(' ', space + 1) != std::string_view::npos)
        bad(rank, quote(merge) + " is not two spellings");
      left = merge.substr(0, space);
      right = merge.substr(space + 1);
    }
    if (!right.starts_with(prefix_)) bad(rank, "joins " + quote(right) + ", which is no continuation");
    spellings_[2 * pairs_] = left;
    spellings_[2 * pairs_ + 1] = right;
    return true;
  }

  void finish_block() {
    std::array<Token, 2 * kBlock> tokens{};
    pieces_.index().find_all(std::span(spellings_).first(2 * pairs_), tokens);
    for (std::size_t i = 0; i < pairs_; ++i) {
      const std::string_view left = spellings_[2 * i], right = spellings_[2 * i + 1];
      const std::size_t rank = merges_.size();
      const Merge merge{pieces_.own(tokens[2 * i]), pieces_.own(tokens[2 * i + 1]), static_cast<std::int32_t>(rank),
                        find_joined(left, right)};
      if (merge.left == kNoToken) bad(rank, "joins " + quote(left) + ", which is no token");
      if (merge.right == kNoToken) bad(rank, "joins " + quote(right) + ", which is no token");
      if (merge.joined == kNoToken) bad(rank, "makes " + quote(joined_) + ", which is no token");
      merges_.push_back(merge);
    }
    pairs_ = 0;
  }

  /// Tokens are mostly in the order of the merges that make them.
  Token find_joined(std::string_view left, std::string_view right) {
    joined_.assign(left).append(right.substr(prefix_.size()));
    const Token last = merges_.empty() ? kNoToken : merges_.back().joined;
    if (last != kNoToken)
      for (const Token guess : {last, last + 1})
        if (guess < pieces_.index().size() && pieces_.has(guess) && pieces_.index().spelling(guess) == joined_)
          return guess;
    return pieces_.find(joined_);
  }

  JsonScanner scanner_;
  const std::string& source_;
  const ModelPieces& pieces_;
  std::string_view prefix_;
  std::vector<Merge> merges_;
  std::size_t pairs_ = 0;  // of the block
  std::array<std::string, 2 * kBlock> texts_;
  std::array<std::string_view, 2 * kBlock> spellings_;
  std::string joined_;
};

}  // namespace

std::vector<Merge> read_json_merges(std::string_view json, const std::string& source, const ModelPieces& pieces,
                                    std::string_view continuing_prefix) {
  return MergeReader(json, source, pieces, continuing_prefix).run();
}

}  // namespace plumb
