#include "json_merges.hpp"

#include <algorithm>
#include <array>
#include <future>
#include <utility>
#include <vector>

#include "background.hpp"
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

  LargeList<Merge> run() {
    scanner_.open('[');
    while (scanner_.more(']')) read_merge();
    finish_block();
    scanner_.finish();
    return std::move(merges_);
  }
  /// Of some elements without the brackets. Ranks count from 0.
  LargeList<Merge> run_elements() {
    while (scanner_.more()) read_merge();
    finish_block();
    return std::move(merges_);
  }

 private:
  static constexpr std::size_t kBlock = 32;

  [[noreturn]] void bad(std::size_t rank, const std::string& problem) const {
    throw Error(ErrorCode::bad_tokenizer, source_ + ": model.merges: merge " + std::to_string(rank) + " " + problem);
  }

  void read_merge() {
    if (read_pair() && ++pairs_ == kBlock) finish_block();
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
  LargeList<Merge> merges_;
  std::size_t pairs_ = 0;  // of the block
  std::array<std::string, 2 * kBlock> texts_;
  std::array<std::string_view, 2 * kBlock> spellings_;
  std::string joined_;
};

/// The elements of an array in about equal parts for the threads there are; one part if it cannot be cut.
std::vector<std::string_view> parts_of(std::string_view json, std::span<const std::size_t> commas) {
  constexpr std::size_t kMostParts = 4;  // beyond, other things take the time
  const std::size_t count = std::min({static_cast<std::size_t>(default_threads()), kMostParts, commas.size() + 1});
  if (!json.starts_with('[') || !json.ends_with(']')) return {};
  std::vector<std::string_view> parts;
  std::size_t begin = 1;
  for (std::size_t part = 1; part < count; ++part) {
    const std::size_t comma = commas[commas.size() * part / count];
    parts.push_back(json.substr(begin, comma - begin));
    begin = comma + 1;
  }
  parts.push_back(json.substr(begin, json.size() - 1 - begin));
  return parts;
}

LargeList<Merge> read_parts(std::span<const std::string_view> parts, const std::string& source,
                            const ModelPieces& pieces, std::string_view prefix) {
  const auto read = [&](std::string_view part) { return MergeReader(part, source, pieces, prefix).run_elements(); };
  std::vector<std::future<LargeList<Merge>>> others;
  for (const std::string_view part : parts.subspan(1))
    others.push_back(in_background([&read, part] { return read(part); }));
  LargeList<Merge> merges = read(parts[0]);
  for (auto& other : others) {
    const auto before = static_cast<std::int32_t>(merges.size());
    for (const Merge& merge : other.get())
      merges.push_back({merge.left, merge.right, before + merge.rank, merge.joined});
  }
  return merges;
}

}  // namespace

LargeList<Merge> read_json_merges(std::string_view json, std::span<const std::size_t> commas, const std::string& source,
                                  const ModelPieces& pieces, std::string_view continuing_prefix) {
  const std::vector<std::string_view> parts = parts_of(json, commas);
  if (parts.size() > 1) try {
      return read_parts(parts, source, pieces, continuing_prefix);
    } catch (const Error&) {  // found again below, with its place in the whole
    }
  return MergeReader(json, source, pieces, continuing_prefix).run();
}

}  // namespace plumb
