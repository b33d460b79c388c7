#include "spm.hpp"

#include <algorithm>

#include "../core/utf8.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string unescaped_rwkv(std::string_view spelling) {
  std::string out;
  for (std::size_t i = 0; i < spelling.size(); ++i) {
    if (spelling[i] != '\\' || i + 1 == spelling.size()) {
      out += spelling[i];
      continue;
    }
    const char letter = spelling[++i];
    const bool hex =
        letter == 'x' && i + 2 < spelling.size() && hex_digit(spelling[i + 1]) >= 0 && hex_digit(spelling[i + 2]) >= 0;
    if (hex) {
      out += static_cast<char>(hex_digit(spelling[i + 1]) * 16 + hex_digit(spelling[i + 2]));
      i += 2;
    } else {
      out += letter == 't' ? '\t' : letter == 'n' ? '\n' : letter == 'r' ? '\r' : letter;
    }
  }
  return out;
}

std::string byte_spelling(unsigned byte) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  return {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
}

int byte_of_spelling(std::string_view spelling) {
  if (spelling.size() != 6 || spelling.substr(0, 3) != "<0x" || spelling[5] != '>') return -1;
  const int high = hex_digit(spelling[3]), low = hex_digit(spelling[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

SpmModel::SpmModel(const Vocabulary& vocabulary, const PieceIndex& index)
    : index_(index), types_(vocabulary.types), scores_(vocabulary.scores) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    Token& token = byte_tokens_[byte];
    token = index.find(byte_spelling(byte));
    const char raw = static_cast<char>(byte);
    if (token == kNoToken) token = index.find(std::string_view(&raw, 1));
    if (token == kNoToken) token = vocabulary.unknown;
  }
}

Token SpmModel::find_piece(std::string_view spelling) const {
  const Token token = index_.find(spelling);
  if (token == kNoToken || types_.empty()) return token;
  // Only text is made of text: "<s>" or "<0x41>" in a prompt are characters (as in SentencePiece, which looks these
  // kinds up in a table of their own).
  const TokenType type = types_[static_cast<std::size_t>(token)];
  const bool is_text = type != TokenType::control && type != TokenType::unknown && type != TokenType::byte;
  return is_text ? token : kNoToken;
}

void SpmModel::consider(std::int32_t left, Scratch& scratch) const {
  if (left < 0) return;
  const Symbol& symbol = scratch.symbols[static_cast<std::size_t>(left)];
  if (symbol.next < 0) return;
  const std::int32_t length = symbol.length + scratch.symbols[static_cast<std::size_t>(symbol.next)].length;
  const Token joined = find_piece(scratch.piece(symbol.begin, length));
  if (joined == kNoToken) return;
  const float score = scores_.empty() ? 0.0f : scores_[static_cast<std::size_t>(joined)];
  scratch.heap.push_back({score, left, length, joined});
  std::push_heap(scratch.heap.begin(), scratch.heap.end());
}

void SpmModel::cut_characters(std::string_view text, Scratch& scratch) const {
  scratch.text.reserve(text.size() + text.size() / 2);
  scratch.symbols.reserve(text.size());
  for (std::size_t from = 0; from < text.size();) {
    // A character is as long as its first byte says, even if what follows is no continuation: so the reference engine
    // reads invalid UTF-8. All its bytes then become byte tokens, and the text survives.
    const std::size_t length = std::min(utf8_announced_length(text[from]), text.size() - from);
    const std::string_view character = text[from] == ' ' ? kSpaceMark : text.substr(from, length);
    from += length;
    const auto begin = static_cast<std::int32_t>(scratch.text.size());
    const auto index = static_cast<std::int32_t>(scratch.symbols.size());
    scratch.text += character;
    scratch.symbols.push_back({begin, static_cast<std::int32_t>(character.size()), index - 1,
                               from < text.size() ? index + 1 : -1, find_piece(character)});
  }
}

void SpmModel::join_all(Scratch& scratch) const {
  for (std::size_t i = 0; i < scratch.symbols.size(); ++i) consider(static_cast<std::int32_t>(i), scratch);
  while (!scratch.heap.empty()) {
    std::pop_heap(scratch.heap.begin(), scratch.heap.end());
    const Candidate best = scratch.heap.back();
    scratch.heap.pop_back();
    Symbol& left = scratch.symbols[static_cast<std::size_t>(best.left)];
    if (left.length == 0 || left.next < 0) continue;
    Symbol& right = scratch.symbols[static_cast<std::size_t>(left.next)];
    if (left.length + right.length != best.length) continue;
    left.length = best.length;
    left.token = best.joined;
    right.length = 0;
    left.next = right.next;
    if (right.next >= 0) scratch.symbols[static_cast<std::size_t>(right.next)].previous = best.left;
    consider(left.previous, scratch);
    consider(best.left, scratch);
  }
}

void SpmModel::append_bytes(std::string_view bytes, std::vector<Token>& out) const {
  for (const char c : bytes) {
    const Token token = byte_tokens_[static_cast<unsigned char>(c)];
    if (token != kNoToken) out.push_back(token);
  }
}

void SpmModel::encode(std::span<const std::string_view> words, std::vector<Token>& out) const {
  for (const std::string_view word : words) encode_text(word, out);
}

void SpmModel::encode_text(std::string_view text, std::vector<Token>& out) const {
  Scratch scratch;
  cut_characters(text, scratch);
  join_all(scratch);
  for (std::int32_t at = scratch.symbols.empty() ? -1 : 0; at >= 0;) {
    const Symbol& symbol = scratch.symbols[static_cast<std::size_t>(at)];
    if (symbol.token != kNoToken)
      out.push_back(symbol.token);
    else
      append_bytes(scratch.piece(symbol.begin, symbol.length), out);
    at = symbol.next;
  }
}

}  // namespace plumb
