#include "tokenize_lines.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>

#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"

namespace plumb::cli {
namespace {

using nlohmann::json;

std::vector<Token> ids_of(const json& list) {
  std::vector<Token> ids;
  for (const json& element : list) {
    // Beyond 31 bits there is no token, whatever the number.
    const bool fits = element.is_number_unsigned() &&
                      element.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<Token>::max());
    if (!element.is_number_integer()) throw Error(ErrorCode::wrong_type, "field 'ids' has something that is no id");
    ids.push_back(fits ? element.get<Token>() : kNoToken);
  }
  return ids;
}

std::string answer(const Tokenizer& tokenizer, const std::string& line, const LineOptions& options) {
  const json object = json::parse(line);
  const char* const key = options.decodes ? "ids" : "text";
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || found == object.end())
    throw Error(ErrorCode::missing_key, fmt::format("field '{}' is missing", key));
  if (options.decodes) {
    if (!found->is_array()) throw Error(ErrorCode::wrong_type, "field 'ids' is no array");
    const json text = tokenizer.decode(ids_of(*found), options.decode);
    return fmt::format("{{\"text\":{}}}\n", text.dump(-1, ' ', false, json::error_handler_t::replace));
  }
  if (!found->is_string()) throw Error(ErrorCode::wrong_type, "field 'text' is no text");
  const auto& text = found->get_ref<const std::string&>();
  return fmt::format("{{\"ids\":[{}]}}\n", fmt::join(tokenizer.encode(text, options.encode), ","));
}

std::string failure(const char* message) {
  const json text = message;
  return fmt::format("{{\"error\":{}}}\n", text.dump(-1, ' ', false, json::error_handler_t::replace));
}

}  // namespace

void tokenize_lines(const Tokenizer& tokenizer, const std::string& path, const LineOptions& options) {
  const bool piped = path == "-";
  std::ifstream file;
  if (!piped) file.open(path, std::ios::binary);
  if (!piped && (std::filesystem::is_directory(path) || !file))
    throw Error(ErrorCode::io, printable(path) + ": cannot be read");
  std::istream& in = piped ? std::cin : file;
  for (std::string line; std::getline(in, line);) {
    std::string out;
    try {
      out = answer(tokenizer, line, options);
    } catch (const json::exception& error) {
      out = failure(error.what());
    } catch (const Error& error) {
      out = failure(error.what());
    }
    std::fwrite(out.data(), 1, out.size(), stdout);
    if (piped) std::fflush(stdout);
  }
}

}  // namespace plumb::cli
