/// `plumb predict`: how fast a model would run on this machine (or another), and why, without running it.

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "commands.hpp"
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
#include "subject_source.hpp"
#include "table.hpp"
#include "units.hpp"

namespace plumb::cli {
namespace {

using Json = nlohmann::ordered_json;
using Align = Table::Align;

struct PredictCommand {
  std::string subject, type, machine;
  ForecastOptions options;
  Format format = Format::text;
  bool list = false, per_op = false, verify = false;
  std::vector<std::string> only;                  // of the cases of --verify
  int prompt = 0, repetitions = 5, timeout = 20;  // a prompt of 0 is not said
  double file_bytes = 0;
};

void list_presets() {
  Table table({{"preset", Align::left}, {"model", Align::left}, {"parameters", Align::right}});
  for (const Preset& preset : all_presets())
    table.add(
        {std::string(preset.name), preset.spec().name, count_text(static_cast<double>(preset.published_parameters))});
  fmt::print("{}", table.text());
}

/// One row of the table of operations: work of the ledger beside predicted time.
void add_op(Table& table, const Ledger& ledger, const Prediction& prediction, Op op) {
  const OpWork work = ledger.sum_of(op);
  const OpTime time = prediction.sum_of(op);
  if (work.bytes.total() + work.operations.total() == 0) return;
  table.add(
      {std::string(op_name(op)), count_text(work.operations.total()), binary_size(work.bytes.weights()),
       binary_size(work.bytes.kv_read + work.bytes.kv_write),
       binary_size(work.bytes.activation_read + work.bytes.activation_write), fmt::format("{:.3g}", work.intensity()),
       time_text(time.memory_seconds), time_text(time.arithmetic_seconds), time_text(time.seconds),
       fmt::format("{:.1f}%", 100 * time.seconds / prediction.seconds()), std::string(ceiling_name(time.ceiling))});
}

Table op_table(const Ledger& ledger, const Prediction& prediction) {
  Table table({{"operation", Align::left},
               {"operations", Align::right},
               {"weights", Align::right},
               {"KV", Align::right},
               {"activations", Align::right},
               {"ops/byte", Align::right},
               {"moving", Align::right},
               {"computing", Align::right},
               {"time", Align::right},
               {"share", Align::right},
               {"bound by", Align::left}});
  for (const Op op : kAllOps) add_op(table, ledger, prediction, op);
  table.add({"barriers", "", "", "", "", "", "", "", time_text(prediction.meeting_seconds),
             fmt::format("{:.1f}%", 100 * prediction.meeting_seconds / prediction.seconds()), "barriers"});
  return table;
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
  table.add({"writing", fmt::format("{:.4g} tokens/s", sequences / f.time_per_token()), ""});
  table.add({fmt::format("each token at position {}", options.context), time_text(f.decode_full.seconds()),
             bound(f.decode_full)});
  return table;
}

void print_text(const Subject& subject, const PredictCommand& command, const Forecast& f, const Machine& machine) {
  const ParameterCount& p = f.parameters;
  const bool md = command.format == Format::md;
  const auto show = [&](const Table& table) { fmt::print("{}\n", md ? table.markdown() : table.text()); };
  fmt::print("{}: {} parameters", subject.name, count_text(static_cast<double>(p.total())));
  if (p.active() != p.total()) fmt::print(" ({} active)", count_text(static_cast<double>(p.active())));
  fmt::print(", {}, KV {}, {} thread{} of {}\n", command.type, kv_type_name(command.options.kv), f.threads,
             f.threads == 1 ? "" : "s", machine.system.cpu.empty() ? "an unnamed CPU" : machine.system.cpu);
  fmt::print("file: {}{:.4g} GB\n", command.type == "types of the file" ? "" : "about ", command.file_bytes / 1e9);
  std::string room;
  if (f.memory.room > 0) room = fmt::format(" + {} room in their rings and copies", binary_size(f.memory.room));
  fmt::print("memory: {} weights + {} keys and values of {} positions{} + {} scratch = {}{}\n\n",
             binary_size(f.memory.weights), binary_size(f.memory.kv), command.options.context, room,
             binary_size(f.memory.activations), binary_size(f.memory.total()),
             f.fits ? "" : " (more than this machine has; predicted as if it fitted)");
  show(summary_table(f, command.options));
  if (f.generates)
    fmt::print("one token touches {}; at that size memory gives {:.1f} GB/s\n\n", binary_size(f.decode.working_set),
               f.decode.bandwidth / 1e9);
  if (!command.per_op) return;
  if (f.generates) {
    fmt::print("decoding one token:\n");
    show(op_table(f.decode_ledger, f.decode));
  }
  fmt::print("reading the {}:\n", f.generates ? "prompt" : "text");
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

/// Predicted and measured times of models that played no part in measuring the machine.
void run_verify(const PredictCommand& command) {
  Progress progress;
  const Machine machine = machine_of(command.machine, progress);
  const std::vector<VerifyResult> results = verify(held_out_cases(), machine,
                                                   {.threads = command.options.threads,
                                                    .repetitions = command.repetitions,
                                                    .filters = command.only,
                                                    .progress = progress.callback()});
  Table table({{"case", Align::left},
               {"predicted ms", Align::right},
               {"measured ms", Align::right},
               {"error", Align::right},
               {"spread", Align::right},
               {"memory", Align::right},
               {"moving", Align::right},
               {"profile alone", Align::right}});
  for (const VerifyResult& r : results)
    table.add({r.what.name(), fmt::format("{:.4g}", 1e3 * r.predicted), fmt::format("{:.4g}", 1e3 * r.measured),
               fmt::format("{:+.1f}%", 100 * r.error()), fmt::format("{:.1f}%", 100 * r.spread),
               fmt::format("{:.2f}", r.memory), r.what.decodes() ? fmt::format("{:.0f}%", 100 * r.moving) : "",
               fmt::format("{:+.1f}%", 100 * r.error_alone())});
  fmt::print("{}", command.format == Format::csv  ? table.csv()
                   : command.format == Format::md ? table.markdown()
                                                  : table.text());
  if (command.format == Format::csv) return;
  for (const bool decode : {true, false}) {
    const ErrorSummary s = summarize(results, decode), alone = summarize(results, decode, true);
    fmt::print("\n{}: {} cases, median |error| {:.1f}%, 90th percentile {:.1f}%", decode ? "decode" : "prefill",
               s.cases, 100 * s.median, 100 * s.p90);
    fmt::print(" (with the profile alone: {:.1f}%, {:.1f}%)\n", 100 * alone.median, 100 * alone.p90);
  }
}

void run(PredictCommand command) {
  if (command.list) return list_presets();
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
  command.options.context = std::min<std::int64_t>(command.options.context, subject.spec.context);
  command.options.prompt =
      command.prompt > 0 ? command.prompt : std::min(command.options.prompt, command.options.context);
  Progress progress;
  const Machine machine = machine_of(command.machine, progress);
  warn_of_threads(machine, command.options.threads);
  const Forecast f = forecast(subject.spec, command.options, machine);
  if (command.format == Format::json) {
    fmt::print("{}\n", forecast_json(subject, command, f).dump(1));
  } else if (command.format == Format::csv) {
    fmt::print("{}", (f.generates ? op_table(f.decode_ledger, f.decode) : op_table(f.prefill_ledger, f.prefill)).csv());
  } else {
    print_text(subject, command, f, machine);
  }
}

}  // namespace

void add_predict(const Command& program) {
  auto command = std::make_shared<PredictCommand>();
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
  sub.add_option("--ctx", command->options.context,
                 "Positions to make room for (default 4096, at most the model's own)")
      .range(1, 1 << 30);
  sub.add_option("--prompt", command->prompt, "Tokens of the prompt (default 512, at most the context)")
      .range(1, 1 << 30);
  sub.add_option("--sequences", command->options.sequences, "Sequences decoded side by side (default 1)")
      .range(1, 1 << 16);
  sub.add_option("-t,--threads", command->options.threads, "Threads (default: all that the profile knows)")
      .range(1, 4096);
  sub.add_option("--machine", command->machine,
                 "Profile of another machine, as `plumb machine --format json` prints it");
  sub.add_flag("--verify", command->verify, "Predict and run models that played no part in measuring the machine");
  sub.add_option("--only", command->only, "With --verify: only cases whose name contains one of these")
      .comma_separated();
  sub.add_option("-r,--repetitions", command->repetitions,
                 "With --verify: least number of timed runs; the lower quartile counts")
      .range(1, 1000);
  sub.add_flag("--ops", command->per_op, "Show every operation");
  add_format(sub, command->format);
  sub.callback([command] { run(*command); });
}

}  // namespace plumb::cli
