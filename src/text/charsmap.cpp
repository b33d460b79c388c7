#include "charsmap.hpp"

#include <algorithm>
#include <utility>

#include "../core/utf8.hpp"
#include "plumb/core/error.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

std::uint32_t little_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

// The parts of a unit (Darts, Kudo).
bool has_leaf(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
std::uint32_t value_of(std::uint32_t unit) { return unit & 0x7FFFFFFFu; }
std::uint32_t label_of(std::uint32_t unit) { return unit & 0x800000FFu; }
std::uint32_t offset_of(std::uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); }

}  // namespace

Charsmap::Charsmap(std::string_view bytes, std::string source) : source_(std::move(source)) {
  const auto fail = [&](ErrorCode code, const std::string& problem) { throw Error(code, source_ + ": " + problem); };
  if (bytes.size() < 4) fail(ErrorCode::truncated, std::to_string(bytes.size()) + " bytes, expected a length");
  const std::uint32_t length = little_endian(bytes);
  bytes.remove_prefix(4);
  if (length > bytes.size())
    fail(ErrorCode::truncated, "a trie of " + std::to_string(length) + " bytes in " + std::to_string(bytes.size()));
  if (length % 4 != 0 || length == 0)
    fail(ErrorCode::bad_tokenizer, "a trie of " + std::to_string(length) + " bytes, expected units of 4");
  for (std::size_t at = 0; at < length; at += 4) units_.push_back(little_endian(bytes.substr(at)));
  bytes.remove_prefix(length);
  for (std::size_t at = 0; at < bytes.size();) {
    const Utf8Step step = utf8_step(bytes, at);
    if (step.kind != Utf8Kind::valid) fail(ErrorCode::bad_tokenizer, "replacements that are no UTF-8");
    at += step.length;
  }
  replacements_ = bytes;
}

std::string_view Charsmap::replacement(std::uint32_t value) const {
  if (value >= replacements_.size() || (static_cast<unsigned char>(replacements_[value]) & 0xC0) == 0x80)
    throw Error(ErrorCode::bad_tokenizer, source_ + ": replacement at " + std::to_string(value) + " of " +
                                              std::to_string(replacements_.size()) + " bytes");
  const std::size_t end = std::min(replacements_.find('\0', value), replacements_.size());
  return std::string_view(replacements_).substr(value, end - value);
}

bool Charsmap::begins_key(char byte) const {
  const auto label = static_cast<unsigned char>(byte);
  const std::uint32_t node = offset_of(units_[0]) ^ label;
  return node < units_.size() && label_of(units_[node]) == label;
}

Charsmap::Match Charsmap::find(std::string_view text, bool first) const {
  std::size_t length = 0;
  std::uint32_t value = 0;
  std::uint32_t node = offset_of(units_[0]);
  for (std::size_t i = 0; i < text.size() && text[i] != '\0'; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (node >= units_.size()) break;
    const std::uint32_t unit = units_[node];
    if (label_of(unit) != byte) break;
    node ^= offset_of(unit);
    if (!has_leaf(unit)) continue;
    if (node >= units_.size()) break;
    length = i + 1;
    value = value_of(units_[node]);
    if (first) break;
  }
  return length == 0 ? Match{} : Match{length, replacement(value)};
}

}  // namespace plumb
