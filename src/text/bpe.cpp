#include "bpe.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"
#include "utf8.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

bool spells_itself(unsigned char byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

/// Code point -> byte for the alphabet, which ends at U+0143; -1 for the holes in it.
std::array<int, 0x144> make_code_point_to_byte() {
  std::array<int, 0x144> bytes{};
  bytes.fill(-1);
  for (int byte = 0; byte < 256; ++byte) bytes[byte_to_code_point(static_cast<unsigned char>(byte))] = byte;
  return bytes;
}

const PretokenizerFamily& known_family(const Vocabulary& vocabulary) {
  if (const PretokenizerFamily* family = find_pretokenizer(vocabulary.pre)) return *family;
  throw Error(ErrorCode::unsupported_tokenizer,
              vocabulary.source + ": pre-tokenizer " + quote(vocabulary.pre) + " is not known");
}

std::uint64_t pair_key(Token left, Token right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
}

/// Control tokens are no text: what the text spells by chance must not become one.
bool is_text(std::span<const TokenType> types, Token token) {
  if (types.empty()) return true;
  const TokenType type = types[static_cast<std::size_t>(token)];
  return type != TokenType::control && type != TokenType::unknown;
}

}  // namespace

unsigned byte_to_code_point(unsigned char byte) {
  if (spells_itself(byte)) return byte;
  if (byte <= 0x20) return 0x100u + byte;
  if (byte <= 0xA0) return 0x100u + 0x21u + (byte - 0x7Fu);
  return 0x143u;  // 0xAD, the last one
}

std::string decode_byte_spelling(std::string_view spelling) {
  static const std::array<int, 0x144> kBytes = make_code_point_to_byte();
  std::string bytes;
  for (std::size_t at = 0; at < spelling.size();) {
    const Utf8Step step = utf8_step(spelling, at);
    const auto lead = static_cast<unsigned char>(spelling[at]);
    unsigned code_point = lead;
    if (step.length == 2) code_point = (lead & 0x1Fu) << 6 | (static_cast<unsigned char>(spelling[at + 1]) & 0x3Fu);
    const bool in_alphabet = step.kind == Utf8Kind::valid && step.length <= 2 && code_point < kBytes.size();
    if (in_alphabet && kBytes[code_point] >= 0)
      bytes += static_cast<char>(kBytes[code_point]);
    else
      bytes += spelling.substr(at, step.length);
    at += step.length;
  }
  return bytes;
}

BpeEncoder::BpeEncoder(const Vocabulary& vocabulary, const PieceIndex& index)
    : index_(index),
      types_(vocabulary.types),
      pretokenizer_(known_family(vocabulary).steps),
      ignore_merges_(vocabulary.ignore_merges) {
  for (std::size_t byte = 0; byte < 256; ++byte) {
    std::string spelling;
    append_utf8(byte_to_code_point(static_cast<unsigned char>(byte)), spelling);
    byte_tokens_[byte] = index.find(spelling);
  }
  build_merges(vocabulary);
}

void BpeEncoder::build_merges(const Vocabulary& vocabulary) {
  merges_.resize(std::bit_ceil(vocabulary.merges.size() * 3 / 2 + 1));
  mask_ = merges_.size() - 1;
  const auto fail = [&](std::size_t rank, const std::string& problem) {
    throw Error(ErrorCode::bad_tokenizer, vocabulary.source + ": key 'tokenizer.ggml.merges': merge " +
                                              std::to_string(rank) + " " + quote(vocabulary.merges[rank]) + " " +
                                              problem);
  };
  std::string joined;
  for (std::size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    const std::string_view merge = vocabulary.merges[rank];
    const std::size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos || space + 1 == merge.size()) fail(rank, "is not two spellings");
    const std::string_view left = merge.substr(0, space), right = merge.substr(space + 1);
    joined.assign(left).append(right);
    const Merge entry{index_.find(left), index_.find(right), static_cast<std::int32_t>(rank), index_.find(joined)};
    if (entry.left == kNoToken) fail(rank, "joins " + quote(left) + ", which is no token");
    if (entry.right == kNoToken) fail(rank, "joins " + quote(right) + ", which is no token");
    if (entry.joined == kNoToken) fail(rank, "makes " + quote(joined) + ", which is no token");
    std::size_t slot = 0;
    for (slot = hash_key(pair_key(entry.left, entry.right), index_.seed()) & mask_; merges_[slot].left != kNoToken;
         slot = (slot + 1) & mask_)
      if (merges_[slot].left == entry.left && merges_[slot].right == entry.right) break;
    if (merges_[slot].left == kNoToken) merges_[slot] = entry;  // of equal merges the first counts
  }
}

const BpeEncoder::Merge* BpeEncoder::find_merge(Token left, Token right) const {
  for (std::size_t slot = hash_key(pair_key(left, right), index_.seed()) & mask_; merges_[slot].left != kNoToken;
       slot = (slot + 1) & mask_)
    if (merges_[slot].left == left && merges_[slot].right == right) return &merges_[slot];
  return nullptr;
}

void BpeEncoder::encode(std::string_view text, std::vector<Token>& out) const {
  std::string repaired;
  Scratch scratch;
  for (const std::string_view word : pretokenizer_.split(valid_utf8(text, repaired))) {
    const Token whole = ignore_merges_ ? whole_word(word, scratch) : kNoToken;
    if (whole != kNoToken)
      out.push_back(whole);
    else
      encode_word(word, scratch, out);
  }
}

Token BpeEncoder::whole_word(std::string_view word, Scratch& scratch) const {
  if (word.size() > index_.longest()) return kNoToken;
  scratch.spelling.clear();
  for (const char c : word) append_utf8(byte_to_code_point(static_cast<unsigned char>(c)), scratch.spelling);
  const Token token = index_.find(scratch.spelling);
  return token != kNoToken && is_text(types_, token) ? token : kNoToken;
}

void BpeEncoder::consider(std::int32_t left, Scratch& scratch) const {
  if (left < 0) return;
  const Symbol& symbol = scratch.symbols[static_cast<std::size_t>(left)];
  if (symbol.next < 0) return;
  const Token right = scratch.symbols[static_cast<std::size_t>(symbol.next)].token;
  const Merge* merge = find_merge(symbol.token, right);
  if (!merge) return;
  scratch.heap.push_back({merge->rank, left, symbol.token, right, merge->joined});
  std::push_heap(scratch.heap.begin(), scratch.heap.end());
}

void BpeEncoder::encode_word(std::string_view word, Scratch& scratch, std::vector<Token>& out) const {
  auto& symbols = scratch.symbols;
  symbols.clear();
  const auto count = static_cast<std::int32_t>(word.size());
  for (std::int32_t i = 0; i < count; ++i)
    symbols.push_back({byte_tokens_[static_cast<unsigned char>(word[static_cast<std::size_t>(i)])], i - 1,
                       i + 1 < count ? i + 1 : -1});
  scratch.heap.clear();
  for (std::int32_t i = 0; i < count; ++i) consider(i, scratch);
  while (!scratch.heap.empty()) {
    std::pop_heap(scratch.heap.begin(), scratch.heap.end());
    const Candidate best = scratch.heap.back();
    scratch.heap.pop_back();
    Symbol& left = symbols[static_cast<std::size_t>(best.left)];
    if (left.token != best.left_token || left.next < 0) continue;
    Symbol& right = symbols[static_cast<std::size_t>(left.next)];
    if (right.token != best.right_token) continue;
    left.token = best.joined;
    right.token = kNoToken;
    left.next = right.next;
    if (right.next >= 0) symbols[static_cast<std::size_t>(right.next)].previous = best.left;
    consider(left.previous, scratch);
    consider(best.left, scratch);
  }
  for (std::int32_t at = count > 0 ? 0 : -1; at >= 0; at = symbols[static_cast<std::size_t>(at)].next)
    if (symbols[static_cast<std::size_t>(at)].token != kNoToken)
      out.push_back(symbols[static_cast<std::size_t>(at)].token);
}

}  // namespace plumb
