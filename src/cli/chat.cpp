/// `plumb chat`: a conversation in the terminal, or through a pipe.

#include "plumb/model/chat.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>

#include "commands.hpp"
#include "interrupt.hpp"
#include "line_editor.hpp"
#include "local_time.hpp"
#include "options.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/io/atomic_file.hpp"
#include "plumb/jinja/json.hpp"
#include "progress.hpp"
#include "sampling_options.hpp"
#include "say.hpp"
#include "text_file.hpp"

namespace plumb::cli {
namespace {

using jinja::Dict;
using jinja::Kind;
using jinja::Value;

struct ChatArguments {
  RunOptions run;
  ChatOptions chat;
  std::string system, template_file;
  bool stats = false, hide_reasoning = false;
};

void print_text(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw Error(ErrorCode::io, "standard output cannot be written to");
}

constexpr const char* kHelp =
    "  /help            this list\n"
    "  /system [TEXT]   show the system message, or set it\n"
    "  /regen           another reply to the last message\n"
    "  /clear           start a new conversation\n"
    "  /save FILE       write the conversation to a file, as JSON\n"
    "  /load FILE       go on with the conversation in a file\n"
    "  /stats           what the last reply cost, and the memory in use\n"
    "  /quit            end; so does Ctrl-D\n"
    "A line that ends with \\ goes on in the next one; \"\"\" begins and ends a message of several lines.\n"
    "A message that begins with / has another / in front. Ctrl-C ends a reply.\n";

class Conversation {
 public:
  Conversation(const ChatArguments& arguments, Chat chat) : arguments_(arguments), chat_(std::move(chat)) {
    if (!arguments.system.empty()) set_system(arguments.system);
  }

  void run() {
    if (lines_.interactive()) note("type a message, or /help");
    while (std::optional<std::string> text = message()) {
      if (text->empty()) continue;
      lines_.remember(*text);
      try {
        if (text->front() == '/' && !text->starts_with("//")) {
          if (!command(*text)) return;
        } else {
          ask(text->starts_with("//") ? text->substr(1) : *text);
        }
      } catch (const Error& error) {
        note(error.what());
        if (!lines_.interactive()) throw;
      }
    }
  }

 private:
  static void note(std::string_view text) { say("plumb: {}\n", text); }

  /// What is typed up to the end of a message; nothing at the end of the input.
  std::optional<std::string> message() {
    std::optional<std::string> line = lines_.read("> ");
    if (!line) return std::nullopt;
    std::string text = *line;
    constexpr std::string_view kQuotes = "\"\"\"";
    if (text.starts_with(kQuotes)) {
      text.erase(0, kQuotes.size());
      while (!text.ends_with(kQuotes)) {
        line = lines_.read(". ");
        if (!line) return text;
        text += (text.empty() ? "" : "\n") + *line;
      }
      text.resize(text.size() - kQuotes.size());
      if (text.ends_with('\n')) text.pop_back();
      return text;
    }
    while (text.ends_with('\\')) {
      text.pop_back();
      line = lines_.read(". ");
      if (!line) break;
      text += "\n" + *line;
    }
    return text;
  }

  /// A message and its reply; without a reply there is no message.
  void ask(const std::string& text) {
    chat_.add("user", text);
    try {
      answer();
    } catch (...) {
      chat_.messages().pop_back();
      throw;
    }
  }

  /// Lets the model reply to the conversation as it stands.
  void answer() {
    const Interrupt interrupt;
    chat_.options().generate.cancel = interrupt.token();
    bool reasoning = false, line_open = false;
    const bool colours = lines_.interactive();
    const auto show = [&](ReplyPart part, std::string_view text) {
      const bool dim = part == ReplyPart::reasoning;
      if (dim && (arguments_.hide_reasoning || !colours)) return !interrupt.happened();
      if (dim != reasoning) print_text(dim ? "\x1b[2m" : "\x1b[0m\n");
      reasoning = dim;
      print_text(text);
      line_open = !text.ends_with('\n');
      return !interrupt.happened();
    };
    last_ = chat_.reply(show);
    if (reasoning) print_text("\x1b[0m");
    if (line_open || last_->new_tokens == 0) print_text("\n");
    if (last_->stop == StopReason::cancelled && last_->new_tokens == 0)
      throw Error(ErrorCode::cancelled, "stopped before the reply");  // the message is taken back
    if (interrupt.happened()) note("stopped");
    if (last_->stop == StopReason::context_full) note("the context is full: /clear starts a new conversation");
    if (arguments_.stats) stats();
  }

  /// One of the /commands; false ends the program.
  bool command(const std::string& text) {
    const std::size_t space = std::min(text.find(' '), text.size());
    const std::string name = text.substr(0, space);
    const std::size_t first = text.find_first_not_of(' ', space);
    const std::string rest = first == std::string::npos ? "" : text.substr(first);
    if (name == "/quit" || name == "/exit") return false;
    if (name == "/help") {
      say("{}", kHelp);
    } else if (name == "/system") {
      rest.empty() ? show_system() : set_system(rest);
    } else if (name == "/regen") {
      regenerate();
    } else if (name == "/clear") {
      const std::string system = system_text();
      chat_.messages().clear();
      if (!system.empty()) set_system(system);
    } else if (name == "/save") {
      save(rest);
    } else if (name == "/load") {
      load(rest);
    } else if (name == "/stats") {
      stats();
    } else {
      note(fmt::format("there is no command {}; /help lists them, and // begins a message with a slash",
                       printable(name)));
    }
    return true;
  }

  static bool has_role(const Value& message, std::string_view role) {
    const Value* found = message.is(Kind::dict) ? message.dict().get("role") : nullptr;
    return found && found->is(Kind::string) && found->string() == role;
  }

  std::string system_text() {
    auto& messages = chat_.messages();
    if (messages.empty() || !has_role(messages[0], "system")) return {};
    const Value* content = messages[0].dict().get("content");
    return content && content->is(Kind::string) ? content->string() : "";
  }

  void show_system() {
    const std::string text = system_text();
    note(text.empty() ? "there is no system message" : "system message: " + text);
  }

  void set_system(std::string_view text) {
    auto& messages = chat_.messages();
    const Value message = Dict{{"role", "system"}, {"content", text}};
    if (!messages.empty() && has_role(messages[0], "system"))
      messages[0] = message;
    else
      messages.insert(messages.begin(), message);
  }

  void regenerate() {
    auto& messages = chat_.messages();
    if (messages.empty() || !has_role(messages.back(), "assistant")) return note("there is no reply to make again");
    const Value before = messages.back();
    messages.pop_back();
    ++chat_.options().generate.sampling.seed;
    try {
      answer();
    } catch (...) {
      messages.push_back(before);
      throw;
    }
  }

  void save(const std::string& path) {
    if (path.empty()) return note("/save needs the name of a file");
    const Value whole = Dict{{"messages", Value::list(chat_.messages())}};
    AtomicFile file(path);
    file.write(jinja::to_json(whole, {.lines = true, .indent = " ", .item = ","}) + "\n");
    file.commit();
    note(fmt::format("{} messages in {}", chat_.messages().size(), printable(path)));
  }

  void load(const std::string& path) {
    if (path.empty()) return note("/load needs the name of a file");
    const std::string name = printable(path);
    const Value whole = jinja::value_from_json(read_text(path), name);
    const Value* messages = whole.is(Kind::dict) ? whole.dict().get("messages") : nullptr;
    if (!messages || !messages->is(Kind::list))
      throw Error(ErrorCode::missing_key, name + ": field 'messages': expected a list");
    chat_.messages().assign(messages->items().begin(), messages->items().end());
    note(fmt::format("{} messages from {}", chat_.messages().size(), name));
  }

  void stats() {
    constexpr double kMiB = 1024.0 * 1024.0;
    if (last_) {
      const ChatReply& r = *last_;
      say("conversation {} tokens: {} kept, {} read in {:.3f} s ({:.1f} tokens/s)", r.prompt_tokens, r.reused_tokens,
          r.read_tokens, r.prefill_seconds, r.prefill_speed());
      if (r.dropped_tokens > 0) say("; the template has changed {} of earlier turns", r.dropped_tokens);
      say("\nreply {} tokens in {:.3f} s ({:.1f} tokens/s)\n", r.new_tokens, r.decode_seconds, r.decode_speed());
    }
    const Session& session = chat_.session();
    say("weights {:.1f} MiB, cache {:.1f} MiB ({} of {} positions, {}), {} thread{}\n",
        static_cast<double>(session.model().weight_bytes()) / kMiB, static_cast<double>(session.state_bytes()) / kMiB,
        session.length(), session.context(), kv_type_name(session.kv_type()), session.threads(),
        session.threads() == 1 ? "" : "s");
  }

  const ChatArguments& arguments_;
  Chat chat_;
  LineEditor lines_;
  std::optional<ChatReply> last_;
};

Model load_model(const ChatArguments& arguments) {
  Progress progress;
  LoadOptions options = arguments.run.load();
  options.progress = [&](double fraction) { progress.show(fraction, "loading"); };
  return Model::load(arguments.run.model, options);
}

void run(ChatArguments& arguments) {
  check_sampling(arguments.chat.generate.sampling);
  const std::string chat_template = arguments.template_file.empty() ? "" : read_text(arguments.template_file);
  const Model model = load_model(arguments);
  ChatOptions& options = arguments.chat;
  options.session = arguments.run.session;
  constexpr int kContext = 4096;
  if (options.session.context == 0)
    options.session.context = static_cast<int>(std::min<std::int64_t>(kContext, model.spec().context));
  options.now = local_time();
  if (!arguments.template_file.empty()) {
    options.templates = model.chat_templates();
    options.templates.source = printable(arguments.template_file);
    options.templates.templates = {{"default", chat_template}};
  } else if (model.chat_templates().empty()) {
    options.templates = plain_chat_template(model);
    say("plumb: {} has no chat template: it continues what you type, as one text\n", model.source());
  }
  Conversation conversation(arguments, Chat(model, options));
  conversation.run();
}

}  // namespace

void add_chat(const Command& program) {
  auto arguments = std::make_shared<ChatArguments>();
  arguments->chat.generate.sampling.temperature = 0.7f;
  arguments->chat.generate.sampling.top_p = 0.95f;
  const Command command = program.add_command("chat", "Talk with a model");
  add_model(command, arguments->run.model);
  command.add_option("--system", arguments->system, "The system message: what the model is told first")
      .type_name("TEXT");
  command
      .add_option("--template", arguments->template_file,
                  "A file with a chat template in Jinja (default: the model's; without one, the model continues what "
                  "is typed)")
      .type_name("FILE");
  command.add_option("--template-name", arguments->chat.template_name, "Which of the model's templates")
      .type_name("NAME");
  command.add_flag("--stats", arguments->stats, "Say after each reply what it cost, and the memory in use");
  command.add_flag("--hide-reasoning", arguments->hide_reasoning,
                   "Do not show what a model thinks before it answers; pipes never get it");
  add_new_tokens(command, arguments->chat.generate.max_tokens,
                 "Tokens of a reply at most; -1: until the model ends it or the context is full", -1);
  command
      .add_option("--stop", arguments->chat.generate.stop,
                  "A text that ends a reply, and is not shown; may be given again")
      .repeatable(1)
      .type_name("TEXT");
  add_context(command, arguments->run.session.context,
              "Positions in the cache (default: 4096, at most the model's context)");
  add_type(command, arguments->run);
  add_vocabulary(command, arguments->run.vocabulary);
  add_run_options(command, arguments->run);
  add_sampling(command, arguments->chat.generate.sampling);
  command.callback([arguments] { run(*arguments); });
}

}  // namespace plumb::cli
