/// `plumb explain`: runs a model under a trace and lays each operation beside its work, its prediction and its ceiling.

#include "plumb/perf/explain.hpp"
#include "machine_option.hpp"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands.hpp"
#include "options.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/perf/subject.hpp"
#include "progress.hpp"
#include "table.hpp"
#include "units.hpp"

namespace plumb::cli {
namespace {

using Json = nlohmann::ordered_json;
using Align = Table::Align;

struct ExplainCommand {
  RunOptions run;
  std::string machine;
  ExplainOptions options;
  Format format = Format::text;
};

std::string percent(double share) { return fmt::format("{:.1f}%", 100 * share); }

Table pass_table(const PassReport& pass) {
  Table table({{"operation", Align::left},
               {"bytes", Align::right},
               {"operations", Align::right},
               {"predicted", Align::right},
               {"measured", Align::right},
               {"pred/meas", Align::right},
               {"GB/s", Align::right},
               {"GOP/s", Align::right},
               {"ceiling", Align::left},
               {"of it", Align::right},
               {"share", Align::right}});
  const auto ratio = [](double predicted, double measured) {
    return predicted > 0 && measured > 0 ? fmt::format("{:.2f}", predicted / measured) : "";
  };
  for (const OpReport& op : pass.ops) {
    const bool priced = op.predicted.seconds > 0;
    table.add({std::string(op_name(op.op)), priced ? binary_size(op.work.bytes.total()) : "",
               priced ? count_text(op.work.operations.total()) : "", priced ? time_text(op.predicted.seconds) : "",
               time_text(op.seconds), ratio(op.predicted.seconds, op.seconds),
               priced ? fmt::format("{:.2f}", op.bytes_per_second() * 1e-9) : "",
               priced ? fmt::format("{:.1f}", op.operations_per_second() * 1e-9) : "",
               priced ? std::string(ceiling_name(op.predicted.ceiling)) : "",
               priced ? percent(op.share_of_ceiling()) : "", percent(op.seconds / pass.seconds)});
  }
  table.add({"barriers", "", "", time_text(pass.predicted.meeting_seconds), time_text(pass.meeting_seconds),
             ratio(pass.predicted.meeting_seconds, pass.meeting_seconds), "", "", "barriers", "",
             percent(pass.meeting_seconds / pass.seconds)});
  const Traffic bytes = pass.work.bytes();
  table.add({"pass", binary_size(bytes.total()), count_text(pass.work.operations().total()),
             time_text(pass.predicted.seconds()), time_text(pass.pass_seconds),
             ratio(pass.predicted.seconds(), pass.pass_seconds),
             fmt::format("{:.2f}", bytes.total() / pass.pass_seconds * 1e-9),
             fmt::format("{:.1f}", pass.work.operations().total() / pass.pass_seconds * 1e-9),
             std::string(ceiling_name(pass.predicted.ceiling())), "", percent(pass.pass_seconds / pass.seconds)});
  return table;
}

Json pass_json(const PassReport& pass) {
  if (pass.empty()) return nullptr;
  Json ops = Json::array();
  for (const OpReport& op : pass.ops)
    ops.push_back({{"op", op_name(op.op)},
                   {"weight_bytes", op.work.bytes.weights()},
                   {"kv_bytes", op.work.bytes.kv_read + op.work.bytes.kv_write},
                   {"activation_bytes", op.work.bytes.activation_read + op.work.bytes.activation_write},
                   {"operations", op.work.operations.total()},
                   {"predicted_seconds", op.predicted.seconds},
                   {"measured_seconds", op.seconds},
                   {"waiting_seconds", op.waiting},
                   {"bytes_per_second", op.bytes_per_second()},
                   {"operations_per_second", op.operations_per_second()},
                   {"ceiling", ceiling_name(op.predicted.ceiling)},
                   {"share_of_ceiling", op.share_of_ceiling()},
                   {"share", op.seconds / pass.seconds}});
  return {{"seconds", pass.seconds},
          {"pass_seconds", pass.pass_seconds},
          {"predicted_seconds", pass.predicted.seconds()},
          {"meeting_seconds", pass.meeting_seconds},
          {"predicted_meeting_seconds", pass.predicted.meeting_seconds},
          {"working_set_bytes", pass.predicted.working_set},
          {"ops", ops}};
}

void print(const Explanation& e, Format format) {
  if (format == Format::json) {
    const Json json = {{"model", printable(e.name)},
                       {"tier", e.tier},
                       {"threads", e.threads},
                       {"kv", kv_type_name(e.kv)},
                       {"depth", e.depth},
                       {"sequences", e.sequences},
                       {"prompt", e.prompt},
                       {"decode", pass_json(e.decode)},
                       {"prefill", pass_json(e.prefill)}};
    return fmt::print("{}\n", json.dump(1));
  }
  const auto show = [&](std::string_view title, const PassReport& pass) {
    if (pass.empty()) return;
    const Table table = pass_table(pass);
    if (format == Format::csv) return fmt::print("{}", table.csv());
    fmt::print("{}\n\n{}\n", title, format == Format::md ? table.markdown() : table.text());
  };
  if (format != Format::csv)
    fmt::print("{}: {} kernels, {} threads, KV {}\n\n", printable(e.name), e.tier, e.threads, kv_type_name(e.kv));
  show(fmt::format("decoding one token{}{}: {:.4g} tokens/s",
                   e.sequences > 1 ? fmt::format(" of {} sequences", e.sequences) : "",
                   e.depth > 0 ? fmt::format(" behind {}", e.depth) : "",
                   e.sequences / std::max(1e-12, e.decode.seconds)),
       e.decode);
  show(
      fmt::format("reading {} tokens{}: {:.4g} tokens/s", e.prompt,
                  e.depth > 0 ? fmt::format(" behind {}", e.depth) : "", e.prompt / std::max(1e-12, e.prefill.seconds)),
      e.prefill);
}

Model open(const ExplainCommand& command) {
  const Subject subject = load_subject(command.run.model);
  LoadOptions load = command.run.load();
  load.tokenizer = false;
  if (subject.file) return Model::load(*subject.file, load);
  const std::string type = command.run.type.empty() ? "q4_0" : command.run.type;
  return Model::random(subject.spec, weight_types_by_name(type, subject.spec), 0,
                       {.exact = command.run.exact, .repack = !command.run.no_repack});
}

void run(ExplainCommand command) {
  Progress progress;
  command.options.session = command.run.session;
  command.options.progress = progress.callback();
  command.options.sampling.temperature = 0;
  const Machine machine = machine_of(command.machine, progress);
  warn_of_threads(machine, command.run.session.threads);
  print(explain(open(command), machine, command.options), command.format);
}

}  // namespace

void add_explain(const Command& program) {
  auto command = std::make_shared<ExplainCommand>();
  const Command sub = program.add_command("explain", "Where the time of a model goes, operation by operation, and why");
  sub.add_option("MODEL", command->run.model, "A model file, or a preset or config.json with random weights")
      .required();
  sub.add_option("--type", command->run.type,
                 fmt::format("Weight type (default: as the file has them; random models q4_0): {}", kTypeHelp))
      .check(type_problem);
  sub.add_option("--depth,--ctx", command->options.depth, "Tokens already in the cache when tracing starts")
      .range(0, 1 << 30)
      .show_default();
  sub.add_option("--prompt", command->options.prompt, "Tokens of the traced prompt; 0: none")
      .range(0, 1 << 30)
      .show_default();
  sub.add_option("--tokens", command->options.tokens, "Tokens of a traced run of decoding; 0: none")
      .range(0, 1 << 30)
      .show_default();
  sub.add_option("--sequences", command->run.session.sequences, "Sequences decoded side by side")
      .range(1, 1 << 16)
      .show_default();
  sub.add_option("-r,--repetitions", command->options.repetitions, "Runs; the one with the median duration is shown")
      .range(1, 1000)
      .show_default();
  sub.add_option("--machine", command->machine, "Profile to explain by, as `plumb machine --format json` prints it");
  add_run_options(sub, command->run);
  add_format(sub, command->format);
  sub.callback([command] { run(*command); });
}

}  // namespace plumb::cli
