#include "byte_alphabet.hpp"

#include <array>

#include "../core/utf8.hpp"

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

/// Appends the bytes of a spelling. Returns whether all its characters are letters of the alphabet.
bool append_bytes_of(std::string_view spelling, std::string& bytes) {
  static const std::array<int, 0x144> kBytes = make_code_point_to_byte();
  bool all = true;
  for (std::size_t at = 0; at < spelling.size();) {
    const Utf8Step step = utf8_step(spelling, at);
    const auto lead = static_cast<unsigned char>(spelling[at]);
    unsigned code_point = lead;
    if (step.length == 2) code_point = (lead & 0x1Fu) << 6 | (static_cast<unsigned char>(spelling[at + 1]) & 0x3Fu);
    const bool in_alphabet = step.kind == Utf8Kind::valid && step.length <= 2 && code_point < kBytes.size();
    if (in_alphabet && kBytes[code_point] >= 0) {
      bytes += static_cast<char>(kBytes[code_point]);
    } else {
      bytes += spelling.substr(at, step.length);
      all = false;
    }
    at += step.length;
  }
  return all;
}

}  // namespace

char32_t byte_to_code_point(unsigned char byte) {
  if (spells_itself(byte)) return byte;
  if (byte <= 0x20) return 0x100u + byte;
  if (byte <= 0xA0) return 0x100u + 0x21u + (byte - 0x7Fu);
  return 0x143u;  // 0xAD, the last one
}

void append_byte_letters(std::string_view bytes, std::string& out) {
  for (const char byte : bytes) append_utf8(byte_to_code_point(static_cast<unsigned char>(byte)), out);
}

std::string decode_byte_spelling(std::string_view spelling) {
  std::string bytes;
  append_bytes_of(spelling, bytes);
  return bytes;
}

std::string decode_byte_letters(std::string_view spelling) {
  std::string bytes;
  return append_bytes_of(spelling, bytes) ? bytes : std::string(spelling);
}

}  // namespace plumb
