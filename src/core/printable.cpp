#include "plumb/core/printable.hpp"

#include <cstdint>
#include <cstdio>

#include "utf8.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

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
    if (utf8_step(bytes, at).kind != Utf8Kind::valid) {
      char hex[8];
      std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(bytes[at])));
      text += hex;
      ++at;
      continue;
    }
    const std::size_t begin = at;
    const char32_t c = next_code_point(bytes, at);
    if (c == '\\')
      text += "\\\\";
    else if (steers_terminal(c))
      text += escape(c);
    else
      text += bytes.substr(begin, at - begin);
  }
  return text;
}

}  // namespace plumb
