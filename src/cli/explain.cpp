/// `plumb explain`: runs a model under a trace and lays each operation beside its work, its prediction and its ceiling.

#include "plumb/perf/explain.hpp"
#include "machine_option.hpp"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "../perf/pages.hpp"
#include "commands.hpp"
#include "html_option.hpp"
#include "json_output.hpp"
#include "options.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/perf/subject.hpp"
#include "progress.hpp"
#include "say.hpp"
#include "table.hpp"
#include "units.hpp"

namespace plumb::cli {
namespace {

using Align = Table::Align;

struct ExplainCommand {
  RunOptions run;
  std::string machine;
  ExplainOptions options;
  Format format = Format::text;
  std::string html;
};

std::vector<Table::Column> pass_columns() {
  return {{"operation", Align::left},
          {"moved", Align::right, "moved, bytes"},
          {"operations", Align::right},
          {"predicted", Align::right, "predicted, s"},
          {"measured", Align::right, "measured, s"},
          {"pred/meas", Align::right, "predicted / measured"},
          {"GB/s", Align::right},
          {"GOP/s", Align::right},
          {"ceiling", Align::left},
          {"of it", Align::right, "of the ceiling, %"},
          {"share", Align::right, "share, %"}};
}

std::vector<std::vector<Cell>> pass_rows(const PassReport& pass) {
  std::vector<std::vector<Cell>> rows;
  const Cell none("", "");
  const auto ratio = [&](double predicted, double measured) {
    return predicted > 0 && measured > 0 ? number_cell(predicted / measured, "{:.2f}") : none;
  };
  for (const OpReport& op : pass.ops) {
    const bool priced = op.predicted.seconds > 0;
    const auto if_priced = [&](const Cell& cell) { return priced ? cell : none; };
    rows.push_back({std::string(op_name(op.op)), if_priced(bytes_cell(op.work.bytes.total())),
                    if_priced(count_cell(op.work.operations.total())), if_priced(time_cell(op.predicted.seconds)),
                    time_cell(op.seconds), ratio(op.predicted.seconds, op.seconds),
                    if_priced(number_cell(op.bytes_per_second() * 1e-9, "{:.2f}")),
                    if_priced(number_cell(op.operations_per_second() * 1e-9, "{:.1f}")),
                    if_priced(std::string(ceiling_name(op.predicted.ceiling))),
                    if_priced(percent_cell(op.share_of_ceiling())), percent_cell(op.seconds / pass.seconds)});
  }
  rows.push_back({"barriers", none, none, time_cell(pass.predicted.meeting_seconds), time_cell(pass.meeting_seconds),
                  ratio(pass.predicted.meeting_seconds, pass.meeting_seconds), none, none, "barriers", none,
                  percent_cell(pass.meeting_seconds / pass.seconds)});
  const double bytes = pass.work.bytes().total(), operations = pass.work.operations().total();
  rows.push_back({"pass", bytes_cell(bytes), count_cell(operations), time_cell(pass.predicted.seconds()),
                  time_cell(pass.pass_seconds), ratio(pass.predicted.seconds(), pass.pass_seconds),
                  number_cell(bytes / pass.pass_seconds * 1e-9, "{:.2f}"),
                  number_cell(operations / pass.pass_seconds * 1e-9, "{:.1f}"),
                  std::string(ceiling_name(pass.predicted.ceiling())), none,
                  percent_cell(pass.pass_seconds / pass.seconds)});
  return rows;
}

/// CSV: one table, whose first column says which pass a row belongs to.
std::string csv_text(const Explanation& e) {
  std::vector<Table::Column> columns = pass_columns();
  columns.insert(columns.begin(), {"pass", Align::left});
  Table table(std::move(columns));
  for (const auto& [name, pass] : {std::pair("decode", &e.decode), {"prompt", &e.prefill}}) {
    if (pass->empty()) continue;
    for (std::vector<Cell>& row : pass_rows(*pass)) {
      row.insert(row.begin(), name);
      table.add(std::move(row));
    }
  }
  return table.csv();
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

std::string json_text(const Explanation& e, const ExplainCommand& command, const Machine& machine) {
  Json settings = run_settings(command.run);
  settings.update({{"model", printable(command.run.model)},
                   {"depth", command.options.depth},
                   {"prompt", command.options.prompt},
                   {"n_predict", command.options.tokens},
                   {"sequences", command.run.session.sequences},
                   {"repetitions", command.options.repetitions}});
  const Json json = {{"model", printable(e.name)},
                     {"tier", e.tier},
                     {"threads", e.threads},
                     {"kv", kv_type_name(e.kv)},
                     {"depth", e.depth},
                     {"sequences", e.sequences},
                     {"prompt", e.prompt},
                     {"decode", pass_json(e.decode)},
                     {"prefill", pass_json(e.prefill)}};
  return json_document("explain", settings, json, &machine);
}

void print(const Explanation& e, const ExplainCommand& command, const Machine& machine) {
  const Format format = command.format;
  if (format == Format::json) return put("{}", json_text(e, command, machine));
  if (format == Format::csv) return put("{}", csv_text(e));
  const auto show = [&](std::string_view title, const PassReport& pass) {
    if (pass.empty()) return;
    Table table(pass_columns());
    for (std::vector<Cell>& row : pass_rows(pass)) table.add(std::move(row));
    put("{}\n\n{}\n", title, table.as(format));
  };
  put("{}: {} kernels, {} threads, KV {}\n\n", printable(e.name), e.tier, e.threads, kv_type_name(e.kv));
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
  const Explanation explanation = explain(open(command), machine, command.options);
  print(explanation, command, machine);
  if (!command.html.empty())
    write_page(command.html, explain_page(explanation, machine,
                                          {.when = now_of_page(), .json = json_text(explanation, command, machine)}));
}

}  // namespace

void add_explain(const Command& program) {
  auto command = std::make_shared<ExplainCommand>();
  command->options.prompt = kUsualPrompt;
  command->options.tokens = kUsualTokens;
  const Command sub = program.add_command("explain", "Where the time of a model goes, operation by operation, and why");
  add_model(sub, command->run.model, "A model file, or a preset or config.json with random weights");
  sub.add_option("--type", command->run.type,
                 fmt::format("Weight type (default: as the file has them; random models q4_0): {}", kTypeHelp))
      .check(type_problem);
  add_depth(sub, command->options.depth);
  add_prompt(sub, command->options.prompt, "Tokens of the traced prompt; 0: none").show_default();
  add_new_tokens(sub, command->options.tokens, "Tokens of a traced run of decoding; 0: none");
  add_sequences(sub, command->run.session.sequences);
  add_repetitions(sub, command->options.repetitions, "Runs; the one with the median duration is shown");
  add_machine(sub, command->machine);
  add_run_options(sub, command->run);
  add_format(sub, command->format);
  add_html(sub, command->html);
  sub.callback([command] { run(*command); });
}

}  // namespace plumb::cli
