/// Every recorded answer of the reference: real templates with conversations, features of the language, hostile ones.

#include <gtest/gtest.h>

#include "jinja_cases.hpp"

namespace plumb::recorded_cases_test {
namespace {

namespace fs = std::filesystem;
using jinja::Fault;
using test::Dict;
using test::Rendered;
using test::text_of;
using test::Value;

/// Compares with what the case says. Errors that a template raises, and those of its syntax, must be errors with their
/// message; others are Python's opinion, which this interpreter shares.
void check(const Dict& c, const Rendered& got, const std::string& name) {
  if (const auto expect = text_of(c, "expect")) {
    EXPECT_FALSE(got.fault) << name << ": " << got.error;
    EXPECT_EQ(got.text, *expect) << name;
    return;
  }
  const std::string kind = text_of(c, "error").value_or(""), message = text_of(c, "message").value_or("");
  ASSERT_TRUE(got.fault) << name << ": expected an error, '" << message << "', got " << got.text;
  EXPECT_EQ(*got.fault == Fault::raised, kind == "raise") << name << ": " << got.error;
  EXPECT_EQ(*got.fault == Fault::syntax, kind == "syntax") << name << ": " << got.error << ", expected " << message;
  if (kind == "raise") {
    EXPECT_EQ(got.error, message) << name;
  }
}

void check_models(const fs::path& folder) {
  const Value conversations = test::read_value(test::fixtures_dir() / "chat" / "conversations.json");
  const Value index = test::read_value(folder / "index.json");
  int cases = 0;
  for (const Value& entry : index.items()) {
    const std::string name = *text_of(entry.dict(), "name");
    const jinja::Template chat(test::read_file(folder / (name + ".jinja")), name);
    for (const Value& c : test::read_values(folder / (name + ".jsonl"))) {
      const Dict& conversation = conversations.dict().get(*text_of(c.dict(), "conv"))->dict();
      const Value* tools = conversation.get("tools");
      Dict variables{{"messages", *conversation.get("messages")},
                     {"tools", tools ? *tools : Value()},
                     {"documents", Value()},
                     {"add_generation_prompt", *c.dict().get("add_generation_prompt")}};
      test::add_all(variables, entry.dict().get("vars"));
      test::add_all(variables, c.dict().get("vars"));
      Rendered got;
      try {
        got.text = chat.render(variables, test::kThen);
      } catch (const jinja::TemplateError& e) {
        got = {{}, e.detail(), e.fault()};
      }
      check(c.dict(), got, name + ", conversation " + *text_of(c.dict(), "conv"));
      ++cases;
    }
  }
  EXPECT_GT(cases, 300);
}

TEST(RecordedCases, ModelsTemplates) {
  PLUMB_REQUIRE_FIXTURES();
  check_models(test::fixtures_dir() / "chat");
}

TEST(RecordedCases, FetchedTemplates) {
  PLUMB_REQUIRE_FIXTURES();
  check_models(test::fixtures_dir() / "chat-fetched");
}

TEST(RecordedCases, FeaturesOfTheLanguage) {
  PLUMB_REQUIRE_FIXTURES();
  const Value variables = test::read_value(test::fixtures_dir() / "chat" / "features.vars.json");
  for (const Value& c : test::read_values(test::fixtures_dir() / "chat" / "features.jsonl"))
    check(c.dict(), test::render(*text_of(c.dict(), "template"), variables.dict()), *text_of(c.dict(), "id"));
}

TEST(RecordedCases, HostileTemplates) {
  PLUMB_REQUIRE_FIXTURES();
  const Value variables = test::read_value(test::fixtures_dir() / "chat" / "features.vars.json");
  for (const Value& c : test::read_values(test::fixtures_dir() / "chat" / "hostile.jsonl")) {
    const Rendered got = test::render(*text_of(c.dict(), "template"), variables.dict());
    if (got.fault) continue;
    const auto expect = text_of(c.dict(), "expect"), accept = text_of(c.dict(), "accept_text");
    EXPECT_TRUE(got.text == expect || got.text == accept)
        << *text_of(c.dict(), "id") << ": " << got.text.substr(0, 500);
  }
}

}  // namespace
}  // namespace plumb::recorded_cases_test
