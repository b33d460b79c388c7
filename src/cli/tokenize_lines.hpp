#pragma once
/// `plumb tokenize --jsonl`: many texts by one tokenizer, for comparing with other programs.

#include <string>

#include "plumb/text/tokenizer.hpp"

namespace plumb::cli {

struct LineOptions {
  EncodeOptions encode;
  DecodeOptions decode;
  bool decodes = false;  ///< lines have ids
};

/// Prints a line for each line of a file ("-": standard input): {"ids":[...]} for {"text":"..."}, or {"text":"..."} for
/// {"ids":[...]}; {"error":"..."} for a line that has no answer. @throws Error{io}.
void tokenize_lines(const Tokenizer& tokenizer, const std::string& path, const LineOptions& options);

}  // namespace plumb::cli
