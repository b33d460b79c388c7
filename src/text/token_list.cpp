#include "plumb/text/token_list.hpp"

#include <charconv>

#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/io/mapping.hpp"

namespace plumb::inline PLUMB_ABI {

std::vector<Token> parse_token_list(std::string_view text, const std::string& where) {
  constexpr std::string_view kBetween = " \t\r\n\v\f,";
  std::vector<Token> tokens;
  for (std::size_t at = 0; (at = text.find_first_not_of(kBetween, at)) != std::string_view::npos;) {
    const std::string_view word = text.substr(at, text.find_first_of(kBetween, at) - at);
    Token token = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), token);
    if (error == std::errc::result_out_of_range)
      throw Error(ErrorCode::overflow, where + ": " + quote(word) + " does not fit 32 bits");
    if (error != std::errc() || end != word.data() + word.size())
      throw Error(ErrorCode::bad_value, where + ": " + quote(word) + " is no token id, expected a decimal number");
    tokens.push_back(token);
    at += word.size();
  }
  return tokens;
}

std::vector<Token> read_token_list(const std::filesystem::path& path) {
  const auto file = FileMapping::open(path);
  return parse_token_list({reinterpret_cast<const char*>(file->bytes().data()), file->size()}, file->name());
}

}  // namespace plumb
