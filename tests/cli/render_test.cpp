/// plumb render: a template, a folder and a model; lines that are wrong do not end the run.

#include <gtest/gtest.h>

#include <string>

#include "tests/support/gguf_builder.hpp"
#include "tests/support/run_command.hpp"

namespace plumb::render_test {
namespace {

using test::run_plumb;
using test::TempDir;

constexpr const char* kTemplate =
    "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    "{% if tools %}{{ tools|length }}{% endif %}{% if add_generation_prompt %}|{% endif %}{{ x }}";

TEST(RenderCommand, RendersALineAtATime) {
  const TempDir dir;
  const std::string file = dir.file("t.jinja", kTemplate).native();
  const std::string lines =
      dir.file("c.jsonl",
               "{\"messages\": [{\"role\": \"user\", \"content\": \"h\\u00e9\"}], \"add_generation_prompt\": true}\n"
               "nonsense\n"
               "{\"messages\": 7}\n"
               "{\"messages\": [], \"tools\": [1, 2], \"vars\": {\"x\": \"X\", \"bos_token\": \"B\"}}\n")
          .native();
  const auto result = run_plumb({"render", file, "--jsonl", lines});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.out.substr(0, result.out.find('\n')), "{\"text\": \"<user>h\\u00e9|\"}");
  EXPECT_NE(result.out.find("{\"error\": \"line 2: no JSON"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("t.jinja, line 1: TypeError: 'int' object is not iterable\"}"), std::string::npos)
      << result.out;
  EXPECT_TRUE(result.out.ends_with("{\"text\": \"B2X\"}\n")) << result.out;
}

TEST(RenderCommand, TakesTheTemplateAndTokensOfAModel) {
  const TempDir dir;
  test::GgufBuilder model = test::tiny_llama();
  model.set_string("tokenizer.chat_template", kTemplate);
  const std::string lines = dir.file("c.jsonl", "{\"messages\": []}\n").native();
  EXPECT_EQ(run_plumb({"render", dir.file("m.gguf", model.bytes()).native(), "--jsonl", lines}).out,
            "{\"text\": \"<s>\"}\n");
  dir.file("tokenizer_config.json", R"({"chat_template": "{{ bos_token }}", "bos_token": {"content": "<b>"}})");
  EXPECT_EQ(run_plumb({"render", dir.path().native(), "--jsonl", lines}).out, "{\"text\": \"<b>\"}\n");
}

TEST(RenderCommand, ShowsTheTimeItIsTold) {
  const TempDir dir;
  const std::string file = dir.file("t.jinja", "{{ strftime_now('%d %b %Y %H:%M:%S') }}").native();
  const std::string lines = dir.file("c.jsonl", "{}\n").native();
  EXPECT_EQ(run_plumb({"render", file, "--jsonl", lines, "--now", "2026-01-15T09:05:07"}).out,
            "{\"text\": \"15 Jan 2026 09:05:07\"}\n");
  EXPECT_EQ(run_plumb({"render", file, "--jsonl", lines, "--now", "yesterday"}).exit_code, 2);
  EXPECT_EQ(run_plumb({"render", file}).exit_code, 2);
  EXPECT_EQ(run_plumb({"render", file, "--jsonl", (dir / "none").native()}).exit_code, 1);
  EXPECT_EQ(run_plumb({"render", (dir / "none.gguf").native(), "--jsonl", lines}).exit_code, 1);
}

}  // namespace
}  // namespace plumb::render_test
