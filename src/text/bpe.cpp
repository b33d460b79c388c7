#include "bpe.hpp"

#include <algorithm>
#include <utility>

#include "../core/utf8.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"
#include "spm.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

char32_t last_code_point(std::string_view text) {
  std::size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return next_code_point(text, at);
}

}  // namespace

BpeModel::BpeModel(ModelPieces pieces, std::span<const Merge> merges, bool last_of_equal_counts, BpeRules rules,
                   std::string source)
    : pieces_(pieces),
      rules_(std::move(rules)),
      source_(std::move(source)),
      merges_(merges, last_of_equal_counts, pieces.index().seed()) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::string spelling;
    const char raw = static_cast<char>(byte);
    if (rules_.byte_level)
      append_byte_letters(std::string_view(&raw, 1), spelling);
    else
      spelling = byte_spelling(byte);
    byte_tokens_[byte] = rules_.keep_holes ? pieces_.index().find(spelling) : pieces_.find(spelling);
    if (byte < ascii_.size()) ascii_[byte] = pieces_.find(std::string_view(&raw, 1));
  }
  if (!rules_.unknown.empty()) unknown_ = pieces_.find(rules_.unknown);
  prepare_cuts(merges);
}

/// A long text without a pre-tokenizer is one word. Where no merge joins some character with a space mark behind it,
/// the two sides of the place between them are merged without each other, and may as well be two words.
void BpeModel::prepare_cuts(std::span<const Merge> merges) {
  const bool vanishing = rules_.unknown.empty() && !rules_.byte_fallback;
  if (rules_.byte_level || rules_.ignore_merges || !rules_.continuing_prefix.empty() || !rules_.end_suffix.empty() ||
      pieces_.find(kSpaceMark) == kNoToken)
    return;
  // Byte tokens and the unknown token are not spelled as the text is.
  enum class Kind : std::uint8_t { text, begins_with_mark, no_text };
  std::vector<Kind> kinds;
  kinds.reserve(static_cast<std::size_t>(pieces_.index().size()));
  for (Token token = 0; token < pieces_.index().size(); ++token) {
    const std::string_view spelling = pieces_.index().spelling(token);
    kinds.push_back(token == unknown_ || byte_of_spelling(spelling) >= 0 ? Kind::no_text
                    : spelling.starts_with(kSpaceMark)                   ? Kind::begins_with_mark
                                                                         : Kind::text);
  }
  const auto kind = [&](Token token) { return kinds[static_cast<std::size_t>(token)]; };
  for (const Merge& merge : merges) {
    if (kind(merge.left) == Kind::no_text || kind(merge.right) == Kind::no_text) return;
    if (kind(merge.right) == Kind::begins_with_mark)
      joined_to_mark_.push_back(last_code_point(pieces_.index().spelling(merge.left)));
  }
  std::sort(joined_to_mark_.begin(), joined_to_mark_.end());
  joined_to_mark_.erase(std::unique(joined_to_mark_.begin(), joined_to_mark_.end()), joined_to_mark_.end());
  // Characters that vanish bring their neighbours together.
  cuts_ = !vanishing || joined_to_mark_.empty();
}

void BpeModel::cut_before_marks(std::string_view word, std::vector<std::string_view>& parts) const {
  parts.clear();
  std::size_t begin = 0;
  for (std::size_t at = word.find(kSpaceMark, 1); at != std::string_view::npos;
       at = word.find(kSpaceMark, at + kSpaceMark.size())) {
    const char32_t before = last_code_point(word.substr(0, at));
    if (std::binary_search(joined_to_mark_.begin(), joined_to_mark_.end(), before)) continue;
    parts.push_back(word.substr(begin, at - begin));
    begin = at;
  }
  parts.push_back(word.substr(begin));
}

void BpeModel::encode(std::span<const std::string_view> words, std::vector<Token>& out) const {
  std::size_t bytes = 0;
  for (const std::string_view word : words) bytes += word.size();
  constexpr std::size_t kUsualWord = 6;
  WordCache cache(cuts_ ? bytes / kUsualWord : words.size(), pieces_.index().seed());
  Scratch scratch;
  const auto encode_cached = [&](std::string_view word) {
    cache.encode(word, out, [&] {
      const Token whole = rules_.ignore_merges ? whole_word(word, scratch) : kNoToken;
      if (whole != kNoToken)
        out.push_back(whole);
      else
        encode_word(word, scratch, out);
    });
  };
  for (const std::string_view word : words) {
    if (!cuts_) {
      encode_cached(word);
      continue;
    }
    cut_before_marks(word, scratch.parts);
    for (const std::string_view part : scratch.parts) encode_cached(part);
  }
}

Token BpeModel::whole_word(std::string_view word, Scratch& scratch) const {
  if (!rules_.byte_level) return pieces_.find(word);
  if (word.size() > pieces_.index().longest()) return kNoToken;
  scratch.spelling.clear();
  append_byte_letters(word, scratch.spelling);
  return pieces_.find(scratch.spelling);
}

void BpeModel::encode_word(std::string_view word, Scratch& scratch, std::vector<Token>& out) const {
  scratch.merges.clear();
  if (rules_.byte_level)
    add_bytes(word, scratch.merges);
  else
    add_characters(word, scratch);
  merges_.merge(scratch.merges, out);
}

void BpeModel::add_bytes(std::string_view word, MergeScratch& merges) const {
  for (const char c : word) {
    const Token token = byte_tokens_[static_cast<unsigned char>(c)];
    if (token != kNoToken || rules_.keep_holes) merges.add(token);
  }
}

bool BpeModel::add_fallback(std::string_view spelling, MergeScratch& merges) const {
  const auto token_of = [&](char c) { return byte_tokens_[static_cast<unsigned char>(c)]; };
  if (std::any_of(spelling.begin(), spelling.end(), [&](char c) { return token_of(c) == kNoToken; })) return false;
  for (const char c : spelling) merges.add(token_of(c));
  return true;
}

void BpeModel::add_characters(std::string_view word, Scratch& scratch) const {
  MergeScratch& merges = scratch.merges;
  const bool decorated = !rules_.continuing_prefix.empty() || !rules_.end_suffix.empty();
  // An unknown character waits for the next known one. What byte fallback spells meanwhile goes before it: so the
  // library does.
  bool waiting = false;
  for (std::size_t at = 0; at < word.size();) {
    const std::size_t begin = at;
    at += utf8_announced_length(word[at]);
    std::string_view spelling = word.substr(begin, at - begin);
    Token token = kNoToken;
    if (decorated) {
      scratch.spelling = begin > 0 ? rules_.continuing_prefix : std::string();
      scratch.spelling += spelling;
      if (at >= word.size()) scratch.spelling += rules_.end_suffix;
      spelling = scratch.spelling;
      token = pieces_.find(spelling);
    } else {
      token = spelling.size() == 1 ? ascii_[static_cast<unsigned char>(spelling[0])] : pieces_.find(spelling);
    }
    if (token != kNoToken) {
      if (std::exchange(waiting, false)) merges.add(unknown_);
      merges.add(token);
      continue;
    }
    if (rules_.byte_fallback && add_fallback(spelling, merges)) continue;
    if (rules_.unknown.empty()) continue;
    if (unknown_ == kNoToken)
      throw Error(ErrorCode::bad_tokenizer,
                  source_ + ": unknown token " + quote(rules_.unknown) + " is not in the vocabulary");
    if (waiting && !rules_.fuse_unknown) merges.add(unknown_);
    waiting = true;
  }
  if (waiting) merges.add(unknown_);
}

}  // namespace plumb
