/// Fuzzer: any bytes as a chat template, rendered for a conversation with tools. It must end with a text or an Error,
/// within the steps and bytes that it may use. Seeds: fixture_corpus.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "plumb/jinja/json.hpp"
#include "plumb/jinja/template.hpp"

namespace {

using namespace plumb;

/// What a program hands to a template, and a little of every kind of value.
constexpr std::string_view kVariables = R"json({
  "messages": [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "  What is 2 + 2?\n"},
    {"role": "assistant", "content": "<think>\nfour\n</think>\n\n4", "reasoning_content": "four"},
    {"role": "user", "content": [{"type": "text", "text": "And here\u00e9?"}, {"type": "image"}]},
    {"role": "assistant", "content": null, "tool_calls": [{"id": "abcdefghi", "type": "function",
      "function": {"name": "add", "arguments": {"a": 1, "b": 2.5}}}]},
    {"role": "tool", "name": "add", "tool_call_id": "abcdefghi", "content": "3.5"},
    {"role": "user", "content": "Thanks"}],
  "tools": [{"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object",
    "properties": {"a": {"type": "number", "description": "one"}, "b": {"type": ["number", "null"], "enum": [1, 2]}},
    "required": ["a"]}}}],
  "documents": null, "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>",
  "n": 7, "x": -1.5, "s": "a, b\tc", "t": true, "l": [3, 1, 2], "d": {"k": "v", "2": [1]},
  "items": ["b", "a"], "name": "World"})json";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const jinja::Value kValues = jinja::value_from_json(kVariables, "variables");
  constexpr jinja::Limits kFewSteps{.steps = 50'000, .steps_per_value = 100, .bytes = std::size_t{4} << 20};
  const jinja::RenderOptions options{.now = jinja::LocalTime{2026, 1, 15, 9, 5, 7}, .limits = kFewSteps};
  try {
    const jinja::Template source({reinterpret_cast<const char*>(data), size});
    const std::string text = source.render(kValues.dict(), options);
    if (text != source.render(kValues.dict(), options)) std::abort();
  } catch (const Error&) {  // the expected answer to most inputs
  }
  return 0;
}
