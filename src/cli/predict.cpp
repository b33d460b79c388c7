/// `plumb predict`: how fast a model would run on this machine (or another), and why, without running it.

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "../perf/pages.hpp"
#include "commands.hpp"
#include "html_option.hpp"
#include "json_output.hpp"
#include "machine_option.hpp"
#include "options.hpp"
#include "plumb/core/error.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/model/presets.hpp"
#include "plumb/perf/predict.hpp"
#include "plumb/perf/subject.hpp"
#include "plumb/perf/verify.hpp"
#include "predict_stored.hpp"
#include "progress.hpp"
#include "say.hpp"
#include "subject_source.hpp"
#include "table.hpp"
#include "units.hpp"

namespace plumb::cli {
namespace {

using Align = Table::Align;

struct PredictCommand {
  std::string subject, type, machine, html;
  ForecastOptions options;
  Format format = Format::text;
  bool list = false, per_op = false, verify = false;
  std::vector<std::string> only;  // of the cases of --verify
  int context = 0, prompt = 0;    // 0: not said
  int repetitions = 5, timeout = 20;
  double file_bytes = 0;
};

void list_presets(Format format) {
  Table table({{"preset", Align::left}, {"model", Align::left}, {"parameters", Align::right}});
  Json presets = Json::array();
  for (const Preset& preset : all_presets()) {
    const std::string model = preset.spec().name;
    table.add({std::string(preset.name), model, count_cell(static_cast<double>(preset.published_parameters))});
    presets.push_back({{"preset", preset.name}, {"model", model}, {"parameters", preset.published_parameters}});
  }
  put("{}",
      format == Format::json ? json_document("presets", {}, {{"presets", std::move(presets)}}) : table.as(format));
}

/// The table of operations: work of the ledger beside predicted time. `pass`: what the passes are called where the
/// table has several (CSV).
void add_ops(Table& table, const Ledger& ledger, const Prediction& prediction, const std::string& pass = "") {
  const auto add = [&](std::vector<Cell> cells) {
    if (!pass.empty()) cells.insert(cells.begin(), pass);
    table.add(std::move(cells));
  };
  for (const Op op : kAllOps) {
    const OpWork work = ledger.sum_of(op);
    const OpTime time = prediction.sum_of(op);
    if (work.bytes.total() + work.operations.total() == 0) continue;
    add({std::string(op_name(op)), count_cell(work.operations.total()), bytes_cell(work.bytes.weights()),
         bytes_cell(work.bytes.kv_read + work.bytes.kv_write),
         bytes_cell(work.bytes.activation_read + work.bytes.activation_write), number_cell(work.intensity(), "{:.3g}"),
         time_cell(time.memory_seconds), time_cell(time.arithmetic_seconds), time_cell(time.seconds),
         percent_cell(time.seconds / prediction.seconds()), std::string(ceiling_name(time.ceiling))});
  }
  add({"barriers", "", "", "", "", "", "", "", time_cell(prediction.meeting_seconds),
       percent_cell(prediction.meeting_seconds / prediction.seconds()), "barriers"});
}

std::vector<Table::Column> op_columns() {
  return {{"operation", Align::left},
          {"operations", Align::right},
          {"weights", Align::right, "weights, bytes"},
          {"KV", Align::right, "KV, bytes"},
          {"activations", Align::right, "activations, bytes"},
          {"ops/byte", Align::right},
          {"moving", Align::right, "moving, s"},
          {"computing", Align::right, "computing, s"},
          {"time", Align::right, "time, s"},
          {"share", Align::right, "share, %"},
          {"bound by", Align::left}};
}

Table op_table(const Ledger& ledger, const Prediction& prediction) {
  Table table(op_columns());
  add_ops(table, ledger, prediction);
  return table;
}

std::string csv_text(const Forecast& f) {
  std::vector<Table::Column> columns = op_columns();
  columns.insert(columns.begin(), {"pass", Align::left});
  Table table(std::move(columns));
  if (f.generates) add_ops(table, f.decode_ledger, f.decode, "decode");
  add_ops(table, f.prefill_ledger, f.prefill, "prompt");
  return table.csv();
}

Table summary_table(const Forecast& f, const ForecastOptions& options) {
  Table table({{"what", Align::left}, {"predicted", Align::right}, {"bound by", Align::left}});
  const auto bound = [](const Prediction& p) {
    return fmt::format("{} ({:.0f}%)", ceiling_name(p.ceiling()), 100 * p.seconds_of(p.ceiling()) / p.seconds());
  };
  const double sequences = static_cast<double>(options.sequences);
  if (!f.generates) {
    table.add(
        {fmt::format("embedding of {} tokens", options.prompt), time_text(f.prefill.seconds()), bound(f.prefill)});
    table.add(
        {"reading", fmt::format("{:.4g} tokens/s", static_cast<double>(options.prompt) / f.prefill.seconds()), ""});
    return table;
  }
  table.add({fmt::format("first token after {} prompt tokens", options.prompt), time_text(f.time_to_first_token()),
             bound(f.prefill)});
  table.add({"reading the prompt",
             fmt::format("{:.4g} tokens/s", static_cast<double>(options.prompt) / f.time_to_first_token()), ""});
  table.add({"each token after it", time_text(f.time_per_token()), bound(f.decode)});
  table.add({"decoding", fmt::format("{:.4g} tokens/s", sequences / f.time_per_token()), ""});
  table.add({fmt::format("each token at position {}", options.context), time_text(f.decode_full.seconds()),
             bound(f.decode_full)});
  return table;
}

void print_text(const Subject& subject, const PredictCommand& command, const Forecast& f, const Machine& machine) {
  const ParameterCount& p = f.parameters;
  const bool md = command.format == Format::md;
  const auto show = [&](const Table& table) { put("{}\n", md ? table.markdown() : table.text()); };
  put("{}: {} parameters", subject.name, count_text(static_cast<double>(p.total())));
  if (p.active() != p.total()) put(" ({} active)", count_text(static_cast<double>(p.active())));
  put(", {}, KV {}, {} thread{} of {}\n", command.type, kv_type_name(command.options.kv), f.threads,
      f.threads == 1 ? "" : "s", machine.system.cpu.empty() ? "an unnamed CPU" : machine.system.cpu);
  put("file: {}{:.4g} GB\n", command.type == "types of the file" ? "" : "about ", command.file_bytes / 1e9);
  std::string room;
  if (f.memory.room > 0) room = fmt::format(" + {} room in their rings and copies", binary_size(f.memory.room));
  put("memory: {} weights + {} keys and values of {} positions{} + {} scratch = {}{}\n\n",
      binary_size(f.memory.weights), binary_size(f.memory.kv), command.options.context, room,
      binary_size(f.memory.activations), binary_size(f.memory.total()),
      f.fits ? "" : " (more than this machine has; predicted as if it fitted)");
  show(summary_table(f, command.options));
  if (f.generates)
    put("one token touches {}; at that size memory gives {:.1f} GB/s\n\n", decimal_size(f.decode.working_set),
        f.decode.bandwidth / 1e9);
  if (!command.per_op) return;
  if (f.generates) {
    put("decoding one token:\n");
    show(op_table(f.decode_ledger, f.decode));
  }
  put("reading the {}:\n", f.generates ? "prompt" : "text");
  show(op_table(f.prefill_ledger, f.prefill));
}

Json prediction_json(const Ledger& ledger, const Prediction& prediction) {
  Json ops = Json::array();
  for (const Op op : kAllOps) {
    const OpWork work = ledger.sum_of(op);
    const OpTime time = prediction.sum_of(op);
    if (work.bytes.total() + work.operations.total() == 0) continue;
    ops.push_back({{"op", op_name(op)},
                   {"operations_f32", work.operations.f32},
                   {"operations_bf16", work.operations.bf16},
                   {"operations_int8", work.operations.int8},
                   {"unpacked_values", work.operations.unpack},
                   {"weight_payload_bytes", work.bytes.weight_payload},
                   {"weight_scale_bytes", work.bytes.weight_scales},
                   {"kv_read_bytes", work.bytes.kv_read},
                   {"kv_write_bytes", work.bytes.kv_write},
                   {"activation_bytes", work.bytes.activation_read + work.bytes.activation_write},
                   {"intensity", work.intensity()},
                   {"memory_seconds", time.memory_seconds},
                   {"arithmetic_seconds", time.arithmetic_seconds},
                   {"seconds", time.seconds},
                   {"bound_by", ceiling_name(time.ceiling)}});
  }
  return {{"seconds", prediction.seconds()},
          {"bound_by", ceiling_name(prediction.ceiling())},
          {"meeting_seconds", prediction.meeting_seconds},
          {"working_set_bytes", prediction.working_set},
          {"bandwidth_bytes_per_second", prediction.bandwidth},
          {"ops", ops}};
}

Json forecast_json(const Subject& subject, const PredictCommand& command, const Forecast& f) {
  Json json = {
      {"model", subject.name},
      {"type", command.type},
      {"kv", kv_type_name(command.options.kv)},
      {"threads", f.threads},
      {"context", command.options.context},
      {"prompt", command.options.prompt},
      {"sequences", command.options.sequences},
      {"parameters",
       {{"total", f.parameters.total()}, {"active", f.parameters.active()}, {"embedding", f.parameters.embedding}}},
      {"file_bytes", command.file_bytes},
      {"memory_bytes",
       {{"weights", f.memory.weights},
        {"kv", f.memory.kv},
        {"room", f.memory.room},
        {"activations", f.memory.activations},
        {"total", f.memory.total()},
        {"fits", f.fits}}},
      {"generates", f.generates},
      {"time_to_first_token", f.time_to_first_token()},
      {"prefill", prediction_json(f.prefill_ledger, f.prefill)}};
  if (!f.generates) return json;
  json["time_per_token"] = f.time_per_token();
  json["tokens_per_second"] = static_cast<double>(command.options.sequences) / f.time_per_token();
  json["time_per_token_full_context"] = f.decode_full.seconds();
  json["decode"] = prediction_json(f.decode_ledger, f.decode);
  return json;
}

Json settings_json(const PredictCommand& command) {
  return {{"type", command.type.empty() ? Json() : Json(command.type)},
          {"kv", kv_type_name(command.options.kv)},
          {"threads", command.options.threads > 0 ? Json(command.options.threads) : Json()},
          {"context", command.options.context},
          {"prompt", command.options.prompt},
          {"sequences", command.options.sequences}};
}

std::string verify_json(const PredictCommand& command, const Machine& machine,
                        const std::vector<VerifyResult>& results) {
  Json cases = Json::array(), summaries;
  for (const VerifyResult& r : results)
    cases.push_back({{"case", r.what.name()},
                     {"pass", r.what.decodes() ? "decode" : "prefill"},
                     {"predicted_seconds", r.predicted},
                     {"measured_seconds", r.measured},
                     {"error", r.error()},
                     {"spread", r.spread},
                     {"memory", r.memory},
                     {"moving", r.moving},
                     {"error_of_profile_alone", r.error_alone()}});
  for (const bool decode : {true, false}) {
    const ErrorSummary s = summarize(results, decode), alone = summarize(results, decode, true);
    summaries[decode ? "decode" : "prefill"] = {{"cases", s.cases},
                                                {"median_error", s.median},
                                                {"p90_error", s.p90},
                                                {"median_error_of_profile_alone", alone.median},
                                                {"p90_error_of_profile_alone", alone.p90}};
  }
  const Json settings = {{"threads", command.options.threads > 0 ? Json(command.options.threads) : Json()},
                         {"repetitions", command.repetitions},
                         {"only", command.only}};
  return json_document("verify", settings, {{"cases", std::move(cases)}, {"summary", std::move(summaries)}}, &machine);
}

/// Predicted and measured times of models that played no part in measuring the machine.
void run_verify(const PredictCommand& command) {
  Progress progress;
  const Machine machine = machine_of(command.machine, progress);
  const std::vector<VerifyResult> results = verify(held_out_cases(), machine,
                                                   {.threads = command.options.threads,
                                                    .repetitions = command.repetitions,
                                                    .filters = command.only,
                                                    .progress = progress.callback()});
  if (command.format == Format::json) return put("{}", verify_json(command, machine, results));
  Table table({{"case", Align::left},
               {"predicted ms", Align::right},
               {"measured ms", Align::right},
               {"error", Align::right, "error, %"},
               {"spread", Align::right, "spread, %"},
               {"memory", Align::right, "memory, now over then"},
               {"moving", Align::right, "moving, %"},
               {"profile alone", Align::right, "error of the profile alone, %"}});
  const auto signed_percent = [](double share) {
    return Cell(fmt::format("{:+.1f}%", 100 * share), plain_number(100 * share));
  };
  for (const VerifyResult& r : results)
    table.add({r.what.name(), number_cell(1e3 * r.predicted), number_cell(1e3 * r.measured), signed_percent(r.error()),
               percent_cell(r.spread), number_cell(r.memory, "{:.2f}"),
               r.what.decodes() ? percent_cell(r.moving, 0) : Cell(""), signed_percent(r.error_alone())});
  put("{}", table.as(command.format));
  if (command.format == Format::csv) return;
  for (const bool decode : {true, false}) {
    const ErrorSummary s = summarize(results, decode), alone = summarize(results, decode, true);
    put("\n{}: {} cases, median |error| {:.1f}%, 90th percentile {:.1f}%", decode ? "decode" : "prompt", s.cases,
        100 * s.median, 100 * s.p90);
    put(" (with the profile alone: {:.1f}%, {:.1f}%)\n", 100 * alone.median, 100 * alone.p90);
  }
}

void run(PredictCommand command) {
  if (command.list) return list_presets(command.format);
  if (command.verify) return run_verify(command);
  if (command.subject.empty()) throw UsageError("name a preset, a config.json or a model file (--list shows presets)");
  const SubjectSource source = read_source(command.subject, command.timeout);
  if (source.fetched_bytes > 0)
    print_warning(fmt::format("read {:.4g} MB of {:.4g} GB", source.fetched_bytes / 1e6, source.file_bytes / 1e9));
  if (source.stored) {
    for (const std::string& note : source.stored->left_out) print_warning(note);
    Progress progress;
    const Machine machine = machine_of(command.machine, progress);
    return print_stored(*source.stored, source.file_bytes, source.why, machine, command.options.threads,
                        command.format);
  }
  const Subject& subject = *source.subject;
  for (const std::string& note : subject.left_out) print_warning(note);
  if (command.type.empty() && subject.types) {
    command.options.weights = *subject.types;
    command.type = "types of the file";
  } else {
    if (command.type.empty()) command.type = "q4_0";
    command.options.weights = weight_types_by_name(command.type, subject.spec, subject.types.value_or(DType::f32));
  }
  const bool as_it_is = source.file_bytes > 0 && command.type == "types of the file";
  command.file_bytes = as_it_is ? source.file_bytes : file_bytes(subject.spec, command.options.weights);
  const std::int64_t wanted = command.context > 0 ? command.context : command.options.context;
  command.options.context = std::min<std::int64_t>(wanted, subject.spec.context);
  if (command.context > subject.spec.context)
    say("plumb: a context of {} positions, but the model has {}: predicted for these\n", wanted, subject.spec.context);
  command.options.prompt =
      command.prompt > 0 ? command.prompt : std::min(command.options.prompt, command.options.context);
  Progress progress;
  const Machine machine = machine_of(command.machine, progress);
  warn_of_threads(machine, command.options.threads);
  const Forecast f = forecast(subject.spec, command.options, machine);
  if (command.format == Format::json) {
    put("{}", json_document("predict", settings_json(command), forecast_json(subject, command, f), &machine));
  } else if (command.format == Format::csv) {
    put("{}", csv_text(f));
  } else {
    print_text(subject, command, f, machine);
  }
  if (!command.html.empty())
    write_page(command.html, forecast_page(f, command.options, machine, subject.name, command.type,
                                           {.when = now_of_page(),
                                            .json = json_document("predict", settings_json(command),
                                                                  forecast_json(subject, command, f), &machine)}));
}

}  // namespace

void add_predict(const Command& program) {
  auto command = std::make_shared<PredictCommand>();
  command->options.kv = kUsualKv;
  const Command sub = program.add_command("predict", "How fast a model would run here, and what it would wait for");
  sub.add_option("MODEL", command->subject,
                 "A preset, a Hugging Face config.json or folder, a model file, or the URL of a GGUF file, of which "
                 "the header is read");
  sub.add_option("--timeout", command->timeout, "Of a URL: seconds to wait for an answer (default 20)").range(1, 600);
  sub.add_flag("--list", command->list, "List the presets");
  sub.add_option("--type", command->type,
                 fmt::format("Weight type (default: the file's own, else q4_0): {}", kTypeHelp))
      .check(type_problem);
  add_kv(sub, command->options.kv);
  add_context(sub, command->context, "Positions to make room for (default 4096, at most the model's own)");
  add_prompt(sub, command->prompt, "Tokens of the prompt (default 512, at most the context)", 1);
  add_sequences(sub, command->options.sequences);
  add_threads(sub, command->options.threads, "all that the profile knows");
  add_machine(sub, command->machine);
  sub.add_flag("--verify", command->verify, "Predict and run models that played no part in measuring the machine");
  sub.add_option("--only", command->only, "With --verify: only cases whose name contains one of these")
      .comma_separated();
  add_repetitions(sub, command->repetitions, "With --verify: least number of timed runs; the lower quartile counts");
  sub.add_flag("--ops", command->per_op, "Show every operation");
  add_format(sub, command->format);
  add_html(sub, command->html);
  sub.callback([command] { run(*command); });
}

}  // namespace plumb::cli
