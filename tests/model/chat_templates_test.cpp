/// Where templates stand: every recorded configuration, as a folder and as GGUF keys.

#include "plumb/model/chat_templates.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "plumb/io/gguf.hpp"
#include "plumb/jinja/json.hpp"
#include "plumb/jinja/template.hpp"
#include "tests/support/aligned_copy.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/gguf_builder.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::chat_templates_test {
namespace {

using jinja::Dict;
using jinja::Kind;
using jinja::Value;

Value json(const std::string& text) { return jinja::value_from_json(text, "test"); }

const Value* field(const Value& of, const char* key) {
  const Value* found = of.dict().get(key);
  return found && !found->is(Kind::none) ? found : nullptr;
}

/// The GGUF file that the keys of a recorded case describe.
ChatTemplates from_gguf(const Value& keys) {
  test::GgufBuilder file;
  std::vector<std::string> tokens = {"<unk>"};
  for (const Dict::Entry& entry : keys.dict()) {
    const std::string& key = entry.key.string();
    if (key == "bos" || key == "eos") {
      file.set_u32("tokenizer.ggml." + key + "_token_id", static_cast<std::uint32_t>(tokens.size()));
      tokens.push_back(entry.value.string());
    } else if (entry.value.is(Kind::list)) {
      std::vector<std::string> names;
      for (const Value& name : entry.value.items()) names.push_back(name.string());
      file.set_strings(key, names);
    } else {
      file.set_string(key, entry.value.string());
    }
  }
  file.set_strings("tokenizer.ggml.tokens", tokens);
  const test::AlignedCopy bytes(file.bytes());
  return chat_templates_from_file(GgufFile::from_memory(bytes.bytes(), "built"));
}

void check(const ChatTemplates& templates, const Value& cases, const std::string& name) {
  for (const Value& c : cases.items()) {
    const Value* tools = field(c, "tools");
    const auto chosen = [&]() -> const ChatTemplates::Named& {
      const Value* asked = field(c, "chat_template");
      return templates.choose(asked ? asked->string() : "", tools != nullptr);
    };
    if (field(c, "error")) {
      test::expect_error(ErrorCode::missing_key, chosen);
      continue;
    }
    const Value* prompt = field(c, "add_generation_prompt");
    Dict variables{{"messages", *field(c, "messages")},
                   {"tools", tools ? *tools : Value()},
                   {"add_generation_prompt", prompt ? *prompt : Value(false)}};
    for (const Dict::Entry& entry : templates.variables) variables.set(entry.key, entry.value);
    EXPECT_EQ(jinja::Template(chosen().text).render(variables), field(c, "expect")->string()) << name;
  }
}

TEST(ChatTemplates, RecordedConfigurations) {
  PLUMB_REQUIRE_FIXTURES();
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator(test::fixtures_dir() / "chat-config")) {
    const Value config = json(test::read_file(entry.path()));
    const std::string name = entry.path().filename().native();
    if (const Value* keys = field(config, "gguf")) {
      check(from_gguf(*keys), *field(config, "cases"), name);
    } else {
      const test::TempDir folder;
      folder.file("tokenizer_config.json", jinja::to_json(*field(config, "config")));
      if (const Value* text = field(config, "chat_template.jinja")) folder.file("chat_template.jinja", text->string());
      check(chat_templates_from_folder(folder.path()), *field(config, "cases"), name);
    }
    ++seen;
  }
  EXPECT_GE(seen, 7);
}

TEST(ChatTemplates, OtherPlacesInAFolder) {
  const test::TempDir folder;
  EXPECT_TRUE(chat_templates_from_folder(folder.path()).empty());
  folder.file("chat_template.json", R"({"chat_template": "P"})");
  EXPECT_EQ(chat_templates_from_folder(folder.path()).choose().text, "P");
  folder.file("tokenizer_config.json", R"({"chat_template": "C", "image_token": "<i>", "eos_token": null})");
  folder.file("special_tokens_map.json", R"({"eos_token": {"content": "<e>"}, "image_token": "<j>"})");
  std::filesystem::create_directory(folder.path() / "additional_chat_templates");
  std::ofstream(folder.path() / "additional_chat_templates" / "tool_use.jinja") << "T";
  const ChatTemplates templates = chat_templates_from_folder(folder.path());
  EXPECT_EQ(templates.choose().text, "C");
  EXPECT_EQ(templates.choose({}, true).text, "T");
  EXPECT_EQ(templates.choose("tool_use").text, "T");
  EXPECT_EQ(templates.variables.get("eos_token")->string(), "<e>");
  EXPECT_EQ(templates.variables.get("image_token")->string(), "<i>");
  const std::string message =
      test::expect_error(ErrorCode::missing_key, [&] { static_cast<void>(templates.choose("rag")); });
  EXPECT_NE(message.find("there is no chat template 'rag'; name one of default, tool_use"), std::string::npos)
      << message;
}

TEST(ChatTemplates, BadFilesAreRefusedByName) {
  struct Bad {
    const char *file, *text;
    ErrorCode code;
    const char* part;  ///< of the message
  };
  constexpr Bad kBad[] = {
      {"tokenizer_config.json", "", ErrorCode::bad_value, "no JSON"},
      {"tokenizer_config.json", "{", ErrorCode::bad_value, "no JSON"},
      {"tokenizer_config.json", "[]", ErrorCode::wrong_type, "expected a JSON object"},
      {"tokenizer_config.json", R"({"chat_template": 1})", ErrorCode::wrong_type, "a list of named templates"},
      {"tokenizer_config.json", R"({"chat_template": {}})", ErrorCode::wrong_type, "a list of named templates"},
      {"tokenizer_config.json", R"({"chat_template": [1]})", ErrorCode::wrong_type, "a list of objects"},
      {"tokenizer_config.json", R"({"chat_template": [{}]})", ErrorCode::missing_key, "without 'name' or 'template'"},
      {"tokenizer_config.json", R"({"chat_template": [{"name": "a"}]})", ErrorCode::missing_key, "without 'name'"},
      {"tokenizer_config.json", R"({"chat_template": [{"name": 1, "template": "x"}]})", ErrorCode::wrong_type,
       "'name'"},
      {"tokenizer_config.json", R"({"chat_template": [{"name": "a", "template": []}]})", ErrorCode::wrong_type,
       "'template'"},
      {"tokenizer_config.json", R"({"chat_template": [{"name": "a", "template": ""}, {"name": "a", "template": ""}]})",
       ErrorCode::duplicate, "'a' stands twice"},
      {"chat_template.json", "7", ErrorCode::wrong_type, "expected a JSON object"},
      {"chat_template.json", R"({"chat_template": 7})", ErrorCode::wrong_type, "a list of named templates"},
      {"special_tokens_map.json", "\"x\"", ErrorCode::wrong_type, "expected a JSON object"},
      {"special_tokens_map.json", "{\"a\": \"\xFF\"}", ErrorCode::bad_value, "no JSON"},
  };
  for (const Bad& bad : kBad) {
    const test::TempDir folder;
    folder.file(bad.file, bad.text);
    const std::string message = test::expect_error(bad.code, [&] { chat_templates_from_folder(folder.path()); });
    EXPECT_NE(message.find(bad.part), std::string::npos) << bad.text << ": " << message;
    EXPECT_NE(message.find(folder.path().native()), std::string::npos) << bad.text << ": " << message;
  }
  // Special tokens of other types are nobody's business here.
  const test::TempDir folder;
  folder.file("tokenizer_config.json", R"({"bos_token": 7, "eos_token": {"content": 7}, "pad_token": {}, "x": "y"})");
  EXPECT_TRUE(chat_templates_from_folder(folder.path()).variables.empty());
}

}  // namespace
}  // namespace plumb::chat_templates_test
