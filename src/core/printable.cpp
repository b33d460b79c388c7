#include "plumb/core/printable.hpp"

#include <cstdint>
#include <cstdio>

namespace plumb::inline PLUMB_ABI {
namespace {

struct CodePoint {
  std::uint32_t value;
  std::size_t bytes;  ///< 0: the bytes at this place are not valid UTF-8
};

/// Decodes one code point: overlong forms, surrogates and values beyond U+10FFFF are invalid (RFC 3629).
CodePoint decode_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return {0, 0};
  std::uint32_t value = lead & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0u) != 0x80) return {0, 0};
    value = value << 6 | (byte(i) & 0x3Fu);
  }
  const std::uint32_t smallest = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
  if (value < smallest || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return {0, 0};
  return {value, length};
}

/// Control characters, line and paragraph separators, zero-width and direction marks, the byte order mark.
bool steers_terminal(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x206F) || c == 0x061C || c == 0xFEFF || (c >= 0xE0000 && c <= 0xE007F);
}

std::string escape(std::uint32_t c) {
  if (c == '\n') return "\\n";
  if (c == '\r') return "\\r";
  if (c == '\t') return "\\t";
  char text[16];
  std::snprintf(text, sizeof text, c < 0x80 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
  return text;
}

}  // namespace

std::string printable(std::string_view bytes, std::size_t max_bytes) {
  std::string text;
  std::size_t at = 0;
  while (at < bytes.size()) {
    if (at >= max_bytes) return text + "...";
    const CodePoint c = decode_utf8(bytes.substr(at));
    if (c.bytes == 0) {
      char hex[8];
      std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(bytes[at])));
      text += hex;
      ++at;
      continue;
    }
    if (c.value == '\\')
      text += "\\\\";
    else if (steers_terminal(c.value))
      text += escape(c.value);
    else
      text += bytes.substr(at, c.bytes);
    at += c.bytes;
  }
  return text;
}

}  // namespace plumb
