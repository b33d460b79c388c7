#pragma once
/// @file
/// The small sections of a tokenizer.json: from their JSON text to steps. An empty text is an absent section.
/// All of them throw Error{unsupported_tokenizer} naming a part that is not known, {missing_key, wrong_type, bad_value}
/// for its fields.

#include <string>
#include <string_view>
#include <vector>

#include "normalizer.hpp"
#include "plumb/text/token.hpp"
#include "pretokenizer.hpp"
#include "token_decoder.hpp"

namespace plumb::inline PLUMB_ABI {

void add_normalizer(std::string_view json, const std::string& source, Normalizer& normalizer);
/// Returns true when the last step is to spell bytes as letters; that one is left to the caller.
bool add_pre_tokenizer(std::string_view json, const std::string& source, Pretokenizer& pretokenizer);
void add_letters_step(Pretokenizer& pretokenizer);
/// What is put around a text. @throws Error{out_of_range} too, for ids beyond `size`.
void add_post_processor(std::string_view json, const std::string& source, std::int64_t size, std::vector<Token>& before,
                        std::vector<Token>& after);
void add_decoder(std::string_view json, const std::string& source, TokenDecoder& decoder);

}  // namespace plumb
