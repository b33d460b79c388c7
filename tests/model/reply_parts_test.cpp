/// Replies of the known families, taken apart whole and letter by letter.

#include "plumb/model/reply_parts.hpp"

#include <gtest/gtest.h>

#include <string>

#include "plumb/jinja/json.hpp"

namespace plumb::reply_parts_test {
namespace {

struct Case {
  const char* name;
  const char* sign;        ///< what the template has
  const char* prompt_end;  ///< of the rendered conversation
  const char* reply;
  const char* answer;
  const char* reasoning;
  const char* calls;  ///< names and arguments, as JSON
};

constexpr Case kCases[] = {
    {"plain", "", "", "2 < 3 <think", "2 < 3 <think", "", ""},
    {"Qwen 3", "<think> <tool_call>", "", "<think>\nhm\n</think>\n\nYes", "\n\nYes", "\nhm\n", ""},
    {"opened by the prompt", "<think>", "assistant\n<think>\n", "hm</think>Yes", "Yes", "hm", ""},
    {"Hermes", "<tool_call>", "",
     "Let me see.<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>\n<tool_call>{\"name\": \"g\", "
     "\"arguments\": {}}</tool_call>",
     "Let me see.\n", "", "f {\"a\": 1}; g {}"},
    {"Qwen 3 Coder", "<tool_call> <function=", "",
     "<tool_call>\n<function=f>\n<parameter=city>\nParis\n</parameter>\n<parameter=n>\n2\n</parameter>\n</function>\n"
     "</tool_call>",
     "", "", "f {\"city\": \"Paris\", \"n\": 2}"},
    {"GLM 4.5", "<think> <tool_call> <arg_key>", "",
     "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>x y</arg_value>\n</tool_call>", "", "", "f {\"a\": \"x y\"}"},
    {"Mistral", "[TOOL_CALLS]", "", "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": 1}}]", "", "",
     "f {\"a\": 1}"},
    {"Mistral Small", "[TOOL_CALLS] [ARGS]", "", "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g[ARGS]{}", "", "",
     "f {\"a\": 1}; g {}"},
    {"Mistral Small 3.2", "[TOOL_CALLS] [CALL_ID] [ARGS]", "",
     "[TOOL_CALLS]f[CALL_ID]abc123def[ARGS]{\"a\": 1}[TOOL_CALLS]g[CALL_ID]x[ARGS]{}", "", "", "f {\"a\": 1}; g {}"},
    {"JSON that speaks of another form", "<tool_call>", "",
     "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"<function=g> <arg_key>\"}}</tool_call>", "", "",
     "f {\"a\": \"<function=g> <arg_key>\"}"},
    {"Llama 3", "<|python_tag|>", "", "{\"name\": \"f\", \"parameters\": {\"a\": 1}}", "", "", "f {\"a\": 1}"},
    {"Llama 3, several", "<|python_tag|>", "",
     "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {}}", "", "",
     "f {}; g {}"},
    {"DeepSeek R1", "<think> <｜tool▁calls▁begin｜> <｜tool▁call▁begin｜>", "",
     "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": 1}\n```<｜tool▁call▁end｜>"
     "<｜tool▁calls▁end｜>",
     "", "", "f {\"a\": 1}"},
    {"DeepSeek 3.1", "</think> <｜tool▁calls▁begin｜> <｜tool▁call▁begin｜>", "</think>",
     "Ok<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\": 1}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
     "Ok", "", "f {\"a\": 1}"},
    {"gpt-oss", "<|channel|> <|message|>", "<|start|>assistant",
     "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Yes", "Yes", "hm", ""},
    {"gpt-oss, a call", "<|channel|> <|message|>", "<|start|>assistant",
     "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"a\": 1}<|call|>", "", "", "f {\"a\": 1}"},
    {"gpt-oss, a call whose recipient stands first", "<|channel|> <|message|>", "<|start|>assistant",
     " to=functions.f<|channel|>commentary <|constrain|>json<|message|>{\"a\": 1}<|call|>", "", "", "f {\"a\": 1}"},
    {"gpt-oss, a call after its reason", "<|channel|> <|message|>", "<|start|>assistant",
     "<|channel|>analysis<|message|>hm<|end|><|start|>assistant to=functions.f<|channel|>commentary json<|message|>{}",
     "", "hm", "f {}"},
    {"gpt-oss, a preamble before the call", "<|channel|> <|message|>", "<|start|>assistant",
     "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>commentary to=functions.f "
     "<|constrain|>json<|message|>{}<|end|><|start|>assistant to=functions.g<|channel|>commentary<|message|>{}<|call|>",
     "I look.", "", "f {}; g {}"},
    {"gpt-oss, without channels", "<|channel|> <|message|>", "<|start|>assistant", "to be or not to=be",
     "to be or not to=be", "", ""},
    {"gpt-oss, for the user", "<|channel|> <|message|>", "<|start|>assistant",
     "<|channel|>final to=user<|message|>Yes<|return|>", "Yes", "", ""},
    {"gpt-oss, cut off", "<|channel|> <|message|>", "<|start|>assistant", " to=functions.f<|channel|>comm", "", "", ""},
    {"Granite", "<|tool_call|>", "", "<|tool_call|>[{\"name\": \"f\", \"arguments\": {}}]", "", "", "f {}"},
    {"Command R7B", "<|START_THINKING|> <|START_ACTION|> <|START_RESPONSE|>", "",
     "<|START_THINKING|>hm<|END_THINKING|><|START_ACTION|>[{\"tool_call_id\": \"0\", \"tool_name\": \"f\", "
     "\"parameters\": {}}]<|END_ACTION|><|START_RESPONSE|>Yes<|END_RESPONSE|>",
     "Yes", "hm", "f {}"},
};

TEST(ReplyParts, KnownFamilies) {
  for (const Case& c : kCases) {
    for (const std::size_t step : {std::size_t{1}, std::size_t{3}, std::string(c.reply).size()}) {
      ReplyParser parser(ReplyFormat::of_template(c.sign), c.prompt_end);
      std::string answer, reasoning, calls, call;
      const auto read_calls = [&] {
        for (const jinja::Value& one : parse_tool_calls(call)) {
          const jinja::Dict& function = one.dict().get("function")->dict();
          calls += (calls.empty() ? "" : "; ") + function.get("name")->string() + " " +
                   jinja::to_json(*function.get("arguments"));
        }
        call.clear();
      };
      const auto take = [&](const std::vector<ReplyParser::Piece>& pieces) {
        for (const auto& piece : pieces) {
          if (piece.begins) read_calls();
          (piece.part == ReplyPart::answer      ? answer
           : piece.part == ReplyPart::reasoning ? reasoning
                                                : call) += piece.text;
        }
      };
      const std::string reply = c.reply;
      for (std::size_t at = 0; at < reply.size(); at += step) take(parser.push(reply.substr(at, step)));
      take(parser.flush());
      read_calls();
      EXPECT_EQ(answer, c.answer) << c.name << ", by " << step;
      EXPECT_EQ(reasoning, c.reasoning) << c.name << ", by " << step;
      EXPECT_EQ(calls, c.calls) << c.name << ", by " << step;
    }
  }
}

TEST(ReplyParts, WhatIsNoCallIsNone) {
  for (const char* text :
       {"", "hello", "{", "{\"a\": 1}", "[1, 2]", "f{", "a b {}", "<function=", "<arg_key>", "{};{};"})
    for (const jinja::Value& call : parse_tool_calls(text)) EXPECT_TRUE(call.is(jinja::Kind::dict)) << text;
  EXPECT_TRUE(parse_tool_calls("[1, {\"a\": 2}]").empty());
}

}  // namespace
}  // namespace plumb::reply_parts_test
