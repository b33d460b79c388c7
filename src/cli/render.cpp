/// `plumb render`: conversations as the texts that a chat template makes of them, for comparing with other engines.

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <string>

#include "commands.hpp"
#include "local_time.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/io/open_model.hpp"
#include "plumb/jinja/json.hpp"
#include "plumb/model/chat_templates.hpp"
#include "say.hpp"
#include "text_file.hpp"

namespace plumb::cli {
namespace {

using jinja::Dict;
using jinja::Kind;
using jinja::Value;

struct RenderArguments {
  std::string model, lines, now;
};

/// Templates of a GGUF file, a folder, or a file with the text of one.
ChatTemplates templates_of(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) return chat_templates_from_folder(path);
  if (path.extension() != ".jinja") return chat_templates_from_file(open_model_file(path));
  ChatTemplates one;
  one.source = printable(path.native());
  one.templates.push_back({"default", read_text(path.native())});
  return one;
}

class Renderer {
 public:
  Renderer(ChatTemplates templates, const jinja::LocalTime& now)
      : templates_(std::move(templates)), options_{.now = now} {}

  /// One line: {"text": ...} or {"error": ...}.
  std::string line(const std::string& text, std::size_t number) {
    Dict out;
    try {
      out.set("text", rendered(text, "line " + std::to_string(number)));
    } catch (const Error& error) {
      out.set("error", error.what());
    }
    return jinja::to_json(Value(std::move(out)), {.ascii = true});
  }

 private:
  Value rendered(const std::string& text, const std::string& where) {
    const Value request = jinja::value_from_json(text, where);
    if (!request.is(Kind::dict)) throw Error(ErrorCode::wrong_type, where + ": expected a JSON object");
    Dict variables{{"messages", Value::list({})}, {"tools", {}}, {"documents", {}}, {"add_generation_prompt", false}};
    add_all(variables, templates_.variables);
    std::string name;
    for (const Dict::Entry& entry : request.dict()) {
      if (entry.key.string() == "chat_template" && entry.value.is(Kind::string))
        name = entry.value.string();
      else if (entry.key.string() != "vars")
        variables.set(entry.key, entry.value);
    }
    if (const Value* more = request.dict().get("vars"); more && !more->is(Kind::none)) {
      if (!more->is(Kind::dict)) throw Error(ErrorCode::wrong_type, where + ": field 'vars': expected an object");
      add_all(variables, more->dict());
    }
    const ChatTemplates::Named& chosen = templates_.choose(name, !variables.get("tools")->is(Kind::none));
    auto parsed = parsed_.find(chosen.name);
    if (parsed == parsed_.end()) {
      const std::string title = templates_.templates.size() > 1 ? " '" + printable(chosen.name) + "'" : "";
      parsed = parsed_.emplace(chosen.name, jinja::Template(chosen.text, templates_.source + title)).first;
    }
    return Value(parsed->second.render(variables, options_));
  }

  static void add_all(Dict& to, const Dict& from) {
    for (const Dict::Entry& entry : from) to.set(entry.key, entry.value);
  }

  ChatTemplates templates_;
  jinja::RenderOptions options_;
  std::map<std::string, jinja::Template> parsed_;
};

void run(const RenderArguments& arguments) {
  const auto now = arguments.now.empty() ? local_time() : *parse_time(arguments.now);
  Renderer renderer(templates_of(arguments.model), now);
  std::ifstream file;
  if (arguments.lines != "-") {
    file.open(arguments.lines, std::ios::binary);
    if (std::filesystem::is_directory(arguments.lines) || !file)
      throw Error(ErrorCode::io, printable(arguments.lines) + ": cannot be read");
  }
  std::istream& in = arguments.lines == "-" ? std::cin : file;
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) put("{}\n", renderer.line(line, ++number));
}

}  // namespace

void add_render(const Command& program) {
  auto arguments = std::make_shared<RenderArguments>();
  const Command command = program.add_command("render", "Show the text that a chat template makes of conversations");
  command.add_option("model", arguments->model, "Model file, Hugging Face folder, or a template in a .jinja file")
      .required()
      .type_name("MODEL");
  command
      .add_option(
          "--jsonl", arguments->lines,
          "Conversations, a JSON object a line: messages, tools, add_generation_prompt, chat_template (the name "
          "of one), vars (more for the template); - is standard input. Prints {\"text\": ...} or "
          "{\"error\": ...} a line")
      .required()
      .type_name("FILE");
  command.add_option("--now", arguments->now, "What strftime_now shows, as 2026-01-15T09:05:07 (default: now)")
      .type_name("TIME")
      .check([](const std::string& text) {
        return parse_time(text) ? "" : "'" + printable(text) + "', expected a time such as 2026-01-15T09:05:07";
      });
  command.callback([arguments] { run(*arguments); });
}

}  // namespace plumb::cli
