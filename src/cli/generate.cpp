#include "plumb/model/generate_text.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands.hpp"
#include "interrupt.hpp"
#include "json_output.hpp"
#include "options.hpp"
#include "plumb/core/printable.hpp"
#include "progress.hpp"
#include "sampling_options.hpp"
#include "say.hpp"
#include "text_file.hpp"

namespace plumb::cli {
namespace {

struct GenerateArguments {
  RunOptions run;
  std::optional<std::string> prompt;
  std::string file;
  TextOptions text;
  bool no_echo = false, json = false;
};

void write(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw Error(ErrorCode::io, "standard output cannot be written to");  // nobody reads the rest
}

const char* reason(StopReason stop) {
  switch (stop) {
    case StopReason::none: break;
    case StopReason::max_tokens: return "token limit";
    case StopReason::end_token: return "the model ended the text";
    case StopReason::context_full: return "context full";
    case StopReason::stop_text: return "stop text";
    case StopReason::cancelled: return "interrupted";
  }
  return "";
}
/// The same for programs.
const char* reason_name(StopReason stop) {
  switch (stop) {
    case StopReason::none: break;
    case StopReason::max_tokens: return "max_tokens";
    case StopReason::end_token: return "end_token";
    case StopReason::context_full: return "context_full";
    case StopReason::stop_text: return "stop_text";
    case StopReason::cancelled: return "cancelled";
  }
  return "none";
}

void print_summary(const TextReport& r) {
  constexpr double kMiB = 1024.0 * 1024.0;
  say("prompt {} tokens in {:.3f} s ({:.1f} tokens/s); {} new tokens in {:.3f} s ({:.1f} tokens/s); stopped: {}\n"
      "weights {:.1f} MiB, KV cache {:.1f} MiB ({} positions, {}), {} thread{}\n",
      r.prompt_tokens, r.prefill_seconds, r.prefill_speed(), r.new_tokens, r.decode_seconds, r.decode_speed(),
      reason(r.stop), static_cast<double>(r.weight_bytes) / kMiB, static_cast<double>(r.kv_bytes) / kMiB, r.context,
      kv_type_name(r.kv), r.threads, r.threads == 1 ? "" : "s");
}

void print_json(const GenerateArguments& arguments, const std::string& text, const TextReport& r) {
  const SamplerOptions& sampling = arguments.text.generate.sampling;
  Json settings = run_settings(arguments.run);
  settings.update({{"model", printable(arguments.run.model)},
                   {"n_predict", arguments.text.generate.max_tokens},
                   {"temperature", sampling.temperature},
                   {"seed", sampling.seed}});
  const Json json = {{"text", text},
                     {"tokens", r.tokens},
                     {"stop", reason_name(r.stop)},
                     {"prompt_tokens", r.prompt_tokens},
                     {"new_tokens", r.new_tokens},
                     {"forgotten_tokens", r.forgotten},
                     {"prefill_seconds", r.prefill_seconds},
                     {"prefill_tokens_per_second", r.prefill_speed()},
                     {"decode_seconds", r.decode_seconds},
                     {"decode_tokens_per_second", r.decode_speed()},
                     {"context", r.context},
                     {"threads", r.threads},
                     {"kv", kv_type_name(r.kv)},
                     {"weight_bytes", r.weight_bytes},
                     {"kv_bytes", r.kv_bytes}};
  write(json_document("generate", settings, json));
}

/// The model; Ctrl-C ends loading.
Model load(const GenerateArguments& arguments, const Interrupt& interrupt) {
  Progress progress;
  LoadOptions options = arguments.run.load();
  options.cancel = interrupt.token();
  options.progress = [&](double part) { progress.show(part, "loading"); };
  try {
    return Model::load(arguments.run.model, options);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::cancelled) throw Interrupted("interrupted while loading");
    throw;
  }
}

void run(GenerateArguments& arguments) {
  if (arguments.prompt.has_value() == !arguments.file.empty())
    throw UsageError("a prompt is needed: either --prompt TEXT or --file FILE");
  check_sampling(arguments.text.generate.sampling);
  const std::string prompt = arguments.prompt ? *arguments.prompt : read_text(arguments.file);
  const Interrupt interrupt;
  arguments.text.session = arguments.run.session;
  arguments.text.echo = !arguments.no_echo && !arguments.json;
  arguments.text.generate.cancel = interrupt.token();
  const Model model = load(arguments, interrupt);
  std::string text;
  const auto collect = [&](std::string_view piece) { text += piece; };
  const std::function<void(std::string_view)> sink =
      arguments.json ? std::function<void(std::string_view)>(collect) : write;
  const TextReport report = generate_text(model, prompt, arguments.text, sink);
  if (arguments.json) {
    print_json(arguments, text, report);
  } else {
    if (::isatty(STDOUT_FILENO) || interrupt.happened()) write("\n");
    print_summary(report);
  }
  if (report.stop == StopReason::cancelled) throw Interrupted("");
}

}  // namespace

void add_generate(const Command& program) {
  auto arguments = std::make_shared<GenerateArguments>();
  arguments->text.generate.max_tokens = 128;
  arguments->text.generate.sampling.temperature = 0;

  const Command command = program.add_command("generate", "Continue a text");
  add_model(command, arguments->run.model);
  command.add_option("-p,--prompt", arguments->prompt, "The text to continue");
  command.add_option("-f,--file", arguments->file, "A file with the text to continue; - is standard input")
      .type_name("FILE");
  add_new_tokens(command, arguments->text.generate.max_tokens,
                 "New tokens at most; -1: until the model ends the text or the context is full", -1);
  command
      .add_option("--stop", arguments->text.generate.stop,
                  "A text that ends the continuation, and is not printed; may be given again")
      .repeatable(1)
      .check(
          [](const std::string& text) { return std::string(text.empty() ? "expected a text that is not empty" : ""); })
      .type_name("TEXT");
  command.add_flag("--no-echo", arguments->no_echo, "Print only the continuation");
  command.add_flag("--json", arguments->json,
                   "Print one JSON object instead: the continuation, its tokens, why it ended, timings");
  command
      .add_option_function(
          "--format", [arguments](const std::string& format) { arguments->json = format == "json"; },
          "Output as text or json, which is --json (default text)")
      .one_of({"text", "json"}, {.in_help = false})
      .type_name("FORMAT");
  command.add_flag("--special", arguments->text.render_special,
                   "Print special tokens too, such as the one before a text");
  command.add_flag("--parse-special", arguments->text.parse_special,
                   "Read special tokens that are spelled out in the prompt as such");
  command.add_flag("!--ignore-eos", arguments->text.generate.stop_at_end, "Continue after the token that ends a text");
  add_context(command, arguments->run.session.context,
              "Positions in the cache (default: what the text needs, at most the model's context)");
  command
      .add_option_function(
          "--context-full",
          [arguments](const std::string& what) {
            arguments->text.generate.when_full = what == "shift" ? ContextFull::shift : ContextFull::stop;
          },
          "What to do when the context is full: stop (default), or shift: forget the older half but for the first "
          "tokens and go on")
      .one_of({"stop", "shift"});
  command
      .add_count("--keep", arguments->text.generate.keep, -1, kMostTokens,
                 "With shift: tokens at the beginning that stay; -1: the prompt")
      .show_default();
  add_type(command, arguments->run);
  add_vocabulary(command, arguments->run.vocabulary);
  add_run_options(command, arguments->run);
  add_sampling(command, arguments->text.generate.sampling);
  command.callback([arguments] { run(*arguments); });
}

}  // namespace plumb::cli
