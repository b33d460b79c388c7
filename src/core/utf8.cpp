#include "utf8.hpp"

#include <cstdint>
#include <cstring>

namespace plumb::inline PLUMB_ABI {
namespace {

/// Range that the second byte of a sequence must lie in. Narrower than 80..BF after E0, ED, F0, F4, which excludes
/// overlong forms, surrogates and values beyond U+10FFFF (Unicode 15, table 3-7).
struct SecondByte {
  unsigned char low, high;
};
SecondByte second_byte_range(unsigned char lead) {
  switch (lead) {
    case 0xE0: return {0xA0, 0xBF};
    case 0xED: return {0x80, 0x9F};
    case 0xF0: return {0x90, 0xBF};
    case 0xF4: return {0x80, 0x8F};
    default: return {0x80, 0xBF};
  }
}

}  // namespace

Utf8Step utf8_step(std::string_view text, std::size_t position) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[position + i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {Utf8Kind::valid, 1};
  if (lead < 0xC2 || lead > 0xF4) return {Utf8Kind::invalid, 1};
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  const std::size_t available = text.size() - position;
  SecondByte range = second_byte_range(lead);
  for (std::size_t i = 1; i < length; ++i) {
    if (i == available) return {Utf8Kind::incomplete, i};
    if (byte(i) < range.low || byte(i) > range.high) return {Utf8Kind::invalid, i};
    range = {0x80, 0xBF};
  }
  return {Utf8Kind::valid, length};
}

std::size_t first_invalid_utf8(std::string_view text) {
  std::size_t position = 0;
  while (position < text.size()) {
    std::uint64_t word = 0;  // eight bytes of ASCII at once
    if (position + sizeof(word) <= text.size()) {
      std::memcpy(&word, text.data() + position, sizeof(word));
      if ((word & 0x8080808080808080u) == 0) {
        position += sizeof(word);
        continue;
      }
    }
    const Utf8Step step = utf8_step(text, position);
    if (step.kind != Utf8Kind::valid) break;
    position += step.length;
  }
  return position;
}

std::string_view valid_utf8(std::string_view text, std::string& storage) {
  std::size_t position = first_invalid_utf8(text);
  if (position == text.size()) return text;
  storage.assign(text.substr(0, position));
  while (position < text.size()) {
    const Utf8Step step = utf8_step(text, position);
    if (step.kind == Utf8Kind::valid) {
      storage += text.substr(position, step.length);
    } else {
      for (std::size_t i = 0; i < step.length; ++i) storage += kReplacementCharacter;
    }
    position += step.length;
  }
  return storage;
}

std::size_t utf8_announced_length(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

char32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  if (lead < 0x80) return lead;
  const std::size_t rest = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
  char32_t code_point = lead & (0x3Fu >> rest);
  for (std::size_t i = 0; i < rest; ++i)
    code_point = code_point << 6 | (static_cast<unsigned char>(text[at++]) & 0x3Fu);
  return code_point;
}

void append_utf8(char32_t code_point, std::string& out) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(byte); };
  const auto tail = [&](int shift) { put(0x80 | (code_point >> shift & 0x3F)); };
  if (code_point < 0x80) return put(code_point);
  if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12);
    tail(6);
  } else {
    put(0xF0 | code_point >> 18);
    tail(12);
    tail(6);
  }
  tail(0);
}

}  // namespace plumb
