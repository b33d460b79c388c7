#include "end_tokens.hpp"

#include <algorithm>
#include <string_view>

namespace plumb::inline PLUMB_ABI {
namespace {

// Spellings as the families' published tokenizer files have them.
constexpr std::string_view kEndOfTurn[] = {
    "<|eot_id|>",       // Llama 3
    "<|im_end|>",       // ChatML: Qwen and many others
    "<|end|>",          // Phi-3
    "<end_of_turn>",    // Gemma
    "<|endoftext|>",    // GPT-2 and heirs
    "<|end_of_text|>",  // Granite, Llama 3 base
    "<EOT>",
    "_<EOT>",                 // DeepSeek-Coder, CodeLlama
    "[EOT]",                  // Kimi
    "<｜end▁of▁sentence｜>",  // DeepSeek
    "<end_of_utterance>",     // SmolVLM
};
constexpr std::string_view kOtherEnds[] = {
    "<|eom_id|>",                                                      // Llama 3: end of message, a tool is called
    "<|return|>",   "<|call|>",                                        // gpt-oss
    "<|flush|>",    "<|calls|>",                                       // Solar
    "</s>",         "<eos>",                                           // Llama 2, Gemma
    "[EOS]",        "[e~[",                                            // Kimi, MiniMax
    "<|fim_pad|>",  "<fim-pad>",     "<fim_pad>",  "<PAD>",  "[PAD]",  // fill in the middle: padding
    "<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>",
    "<|file_sep|>",  // the next repository or file
};
// Marks that do not end anything but are control tokens all the same.
constexpr std::string_view kOtherControl[] = {
    "<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>", "<|code_prefix|>",
    "<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>",  "<SUF>", "▁<SUF>", "<|code_suffix|>",
    "<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>",   "<MID>", "▁<MID>", "<|code_middle|>",
};

template <class Action>
void for_each_token(std::span<const std::string_view> spellings, const PieceIndex& index, Action action) {
  for (const std::string_view spelling : spellings)
    if (const Token token = index.find(spelling); token != kNoToken) action(token);
}

}  // namespace

Token find_end_of_turn(const PieceIndex& index) {
  for (const std::string_view spelling : kEndOfTurn)
    if (const Token token = index.find(spelling); token != kNoToken) return token;
  return kNoToken;
}

void mark_control_tokens(Vocabulary& vocabulary, const PieceIndex& index) {
  const auto mark = [&](Token token) {
    if (vocabulary.types.empty()) vocabulary.types.assign(vocabulary.pieces.size(), TokenType::normal);
    vocabulary.types[static_cast<std::size_t>(token)] = TokenType::control;
  };
  for_each_token(kEndOfTurn, index, mark);
  for_each_token(kOtherEnds, index, mark);
  for_each_token(kOtherControl, index, mark);
}

std::vector<Token> find_end_tokens(const Vocabulary& vocabulary, const PieceIndex& index) {
  std::vector<Token> ends = vocabulary.extra_ends;
  const auto add = [&](Token token) {
    if (token != kNoToken) ends.push_back(token);
  };
  for_each_token(kEndOfTurn, index, add);
  for_each_token(kOtherEnds, index, add);
  add(vocabulary.eos);
  add(vocabulary.eot);
  add(vocabulary.eom);
  // In gpt-oss and Solar files <|end|> closes one message of several: the turn ends with <|return|> or <|call|>.
  const auto has = [&](std::string_view spelling) { return index.find(spelling) != kNoToken; };
  if ((has("<|return|>") && has("<|call|>")) || (has("<|calls|>") && has("<|flush|>")))
    std::erase(ends, index.find("<|end|>"));  // whatever says that it ends a turn
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  return ends;
}

}  // namespace plumb
