#include "plumb/model/generate_text.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "commands.hpp"
#include "options.hpp"

namespace plumb::cli {
namespace {

struct GenerateArguments {
  RunOptions run;
  std::string prompt;
  TextOptions text;
  bool no_echo = false;
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
  }
  return "";
}

void print_summary(const TextReport& r) {
  constexpr double kMiB = 1024.0 * 1024.0;
  fmt::print(
      stderr,
      "prompt {} tokens in {:.3f} s ({:.1f} tokens/s); {} new tokens in {:.3f} s ({:.1f} tokens/s); stopped: {}\n"
      "weights {:.1f} MiB, KV cache {:.1f} MiB ({} positions, {}), {} thread{}\n",
      r.prompt_tokens, r.prefill_seconds, r.prefill_speed(), r.new_tokens, r.decode_seconds, r.decode_speed(),
      reason(r.stop), static_cast<double>(r.weight_bytes) / kMiB, static_cast<double>(r.kv_bytes) / kMiB, r.context,
      kv_type_name(r.kv), r.threads, r.threads == 1 ? "" : "s");
}

void run(GenerateArguments& arguments) {
  arguments.text.session = arguments.run.session;
  arguments.text.session.kv = arguments.run.session.kv;
  arguments.text.echo = !arguments.no_echo;
  const Model model = Model::load(arguments.run.model, arguments.run.load());
  const TextReport report = generate_text(model, arguments.prompt, arguments.text, write);
  if (::isatty(STDOUT_FILENO)) write("\n");
  print_summary(report);
}

/// How the next token is drawn.
void add_sampling(const Command& command, SamplerOptions& sampling) {
  const auto option = [&](const char* names, auto& value, const char* help) {
    command.add_option(names, value, help).show_default().group("Sampling");
  };
  option("--temp,--temperature", sampling.temperature, "0: always the most probable token");
  option("--top-k", sampling.top_k, "Keep this many of the most probable tokens; 0: all");
  option("--top-p", sampling.top_p, "Keep the most probable tokens with this mass; 1: all");
  option("--min-p", sampling.min_p, "Keep tokens at least this probable relative to the best; 0: all");
  option("--typical", sampling.typical_p, "Locally typical sampling with this mass; 1: off");
  option("--repeat-penalty", sampling.repetition_penalty, "Divides the logits of recent tokens; 1: off");
  option("--frequency-penalty", sampling.frequency_penalty, "Subtracted once per recent occurrence");
  option("--presence-penalty", sampling.presence_penalty, "Subtracted from every token that occurred recently");
  option("--repeat-last-n", sampling.penalty_last_n, "How many tokens are recent; -1: all");
  option("-s,--seed", sampling.seed, "The same seed gives the same text");
}

}  // namespace

void add_generate(const Command& program) {
  auto arguments = std::make_shared<GenerateArguments>();
  arguments->text.generate.max_tokens = 128;
  arguments->text.generate.sampling.temperature = 0;

  const Command command = program.add_command("generate", "Continue a text");
  command.add_option("model", arguments->run.model, "Model file").required().type_name("MODEL");
  command.add_option("-p,--prompt", arguments->prompt, "The text to continue").required();
  command
      .add_option("-n,--n-predict", arguments->text.generate.max_tokens,
                  "New tokens at most; -1: until the model ends the text or the context is full")
      .range(-1, 1 << 30)
      .show_default();
  command.add_flag("--no-echo", arguments->no_echo, "Print only the continuation");
  command.add_flag("--special", arguments->text.render_special,
                   "Print special tokens too, such as the one before a text");
  command.add_flag("--parse-special", arguments->text.parse_special,
                   "Read special tokens that are spelled out in the prompt as such");
  command.add_flag("!--ignore-eos", arguments->text.generate.stop_at_end, "Continue after the token that ends a text");
  command
      .add_option("-c,--ctx", arguments->run.session.context,
                  "Positions in the cache (default: what the text needs, at most the model's context)")
      .range(1, 1 << 30);
  add_type(command, arguments->run);
  add_run_options(command, arguments->run);
  add_sampling(command, arguments->text.generate.sampling);
  command.callback([arguments] { run(*arguments); });
}

}  // namespace plumb::cli
