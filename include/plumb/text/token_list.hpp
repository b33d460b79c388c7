#pragma once
/// @file
/// Token ids as text: decimal numbers separated by white space or commas.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/text/token.hpp"

namespace plumb::inline PLUMB_ABI {

/// The ids in `text`. `where` names the text in messages.
/// @throws Error{bad_value} for anything that is no decimal number, Error{overflow} for one beyond 32 bits.
std::vector<Token> parse_token_list(std::string_view text, const std::string& where);

/// The same from a file. @throws Error{io} too.
std::vector<Token> read_token_list(const std::filesystem::path& path);

}  // namespace plumb
