/// `plumb compare A:q4_k_m B:q8_0 ...`: models side by side, one a column.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <system_error>

#include "commands.hpp"
#include "decide_output.hpp"
#include "json_output.hpp"
#include "machine_option.hpp"
#include "options.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/model/evaluate.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/model/presets.hpp"
#include "progress.hpp"
#include "say.hpp"
#include "subject_source.hpp"
#include "text_file.hpp"
#include "units.hpp"

namespace plumb::cli {
namespace {

constexpr std::string_view kTypesOfFile = "as in the file";

struct CompareCommand {
  std::vector<std::string> models;
  std::string text, machine;
  std::int64_t context = 0, prompt = 0;  // 0: not said
  ForecastOptions options;
  int timeout = 20;
  Format format = Format::text;
};

/// "llama-3.2-1b:q4_k_m" in two.
struct NamedModel {
  std::string name, type;
};

/// One column.
struct Compared {
  NamedModel what;
  std::string title;
  SubjectSource source;
  double file_bytes = 0;
  std::optional<Forecast> forecast = {};  ///< nothing for a file that cannot be described
  double stored_seconds = 0;              ///< of a token of such a one, at least
  std::optional<double> loss = {};
  std::optional<Estimate> bits_per_byte = {};
  const PublishedScore* score = nullptr;
};

/// What stands behind the last colon is a type if it is the name of one.
NamedModel named_model(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  std::error_code ignored;
  if (colon == std::string::npos || colon == 0 || std::filesystem::exists(text, ignored)) return {text, ""};
  const std::string type = text.substr(colon + 1);
  if (type.empty()) throw UsageError(fmt::format("no type behind the colon of \"{}\"", printable(text)));
  if (type.find('/') != std::string::npos) return {text, ""};  // a port or a path
  if (const std::string problem = type_problem(type); !problem.empty()) throw UsageError(problem);
  return {text.substr(0, colon), type};
}

void describe(Compared& column, const CompareCommand& command, const Machine& machine) {
  const SubjectSource& source = column.source;
  column.file_bytes = source.file_bytes;
  column.title = column.what.name.substr(column.what.name.find_last_of('/') + 1);
  if (source.stored) {
    if (!column.what.type.empty())
      throw UsageError(
          fmt::format("{} is of an architecture that nothing here can describe: it has the types of its "
                      "file, not {}",
                      printable(column.what.name), column.what.type));
    column.what.type = kTypesOfFile;
    const int threads = command.options.threads > 0 ? command.options.threads : machine.decode_saturation();
    column.stored_seconds = source.stored->seconds_per_token(machine, threads);
    return;
  }
  const Subject& subject = *source.subject;
  column.title = subject.name;
  ForecastOptions ask = command.options;
  const bool as_it_is = column.what.type.empty() && subject.types;
  if (as_it_is) {
    column.what.type = kTypesOfFile;
    ask.weights = *subject.types;
  } else {
    if (column.what.type.empty()) column.what.type = "q4_0";
    ask.weights = weight_types_by_name(column.what.type, subject.spec, subject.types.value_or(DType::f32));
    column.loss = estimated_loss(column.what.type);
  }
  if (!as_it_is || column.file_bytes <= 0) column.file_bytes = file_bytes(subject.spec, ask.weights);
  if (!subject.file) column.score = published_score(column.what.name);
  column.forecast = forecast(subject.spec, ask, machine);
  if (subject.spec.context < ask.context)
    say("plumb: {} was trained for {} positions, fewer than {}\n", column.title, subject.spec.context, ask.context);
}

/// Bits per byte of a model whose weights are at hand.
void evaluate(Compared& column, const CompareCommand& command, const std::string& text, Progress& progress) {
  if (!column.source.subject || !column.source.subject->file || column.source.fetched_bytes > 0) return;
  LoadOptions load;
  if (column.what.type != kTypesOfFile) load.weights = column.what.type;
  load.warning = print_warning;
  const Model model = Model::load(column.what.name, load);
  SessionOptions session;
  session.threads = command.options.threads;
  session.kv = command.options.kv;
  const std::vector<Token> tokens = model.tokenizer().encode(text, {.add_special = true, .parse_special = false});
  const Perplexity result = measure_perplexity(
      model, tokens, {}, session, [&](double done) { progress.show(done, "reading with " + column.title); });
  column.bits_per_byte = result.bits_per_byte(text.size());
}

std::vector<bool> front_of(const std::vector<Compared>& columns) {
  std::vector<Offer> offers;
  for (const Compared& c : columns) {
    if (!c.forecast) continue;
    offers.push_back(offer_of(c.what.name, c.what.type, *c.forecast));
    if (!c.score) offers.back().score = std::nullopt;
  }
  const std::vector<bool> known = pareto_front(offers);
  std::vector<bool> front;
  std::size_t next = 0;
  for (const Compared& c : columns) front.push_back(c.forecast && known[next++]);
  return front;
}

/// Bytes of weights, keys and values that a token at the end of the context reads and writes.
double token_bytes(const Compared& c) {
  return c.forecast ? c.forecast->decode_full.working_set : c.source.stored->token_bytes;
}

using RowText = std::string (*)(const Compared&, const CompareCommand&);

/// What there is to compare, a row each.
const std::pair<const char*, RowText> kRows[] = {
    {"type", [](const Compared& c, const CompareCommand&) { return c.what.type; }},
    {"parameters",
     [](const Compared& c, const CompareCommand&) {
       return c.forecast ? count_text(static_cast<double>(c.forecast->parameters.total()))
                         : count_text(static_cast<double>(c.source.stored->parameters));
     }},
    {"of them active",
     [](const Compared& c, const CompareCommand&) {
       return c.forecast ? count_text(static_cast<double>(c.forecast->parameters.active())) : std::string();
     }},
    {"trained context",
     [](const Compared& c, const CompareCommand&) {
       return c.source.subject ? std::to_string(c.source.subject->spec.context) : std::string();
     }},
    {"file", [](const Compared& c, const CompareCommand&) { return file_size_text(c.file_bytes); }},
    {"memory",
     [](const Compared& c, const CompareCommand&) {
       return c.forecast ? binary_size(c.forecast->memory.total()) : std::string();
     }},
    {"of it keys and values",
     [](const Compared& c, const CompareCommand&) {
       return c.forecast ? binary_size(c.forecast->memory.kv + c.forecast->memory.room) : std::string();
     }},
    {"first token",
     [](const Compared& c, const CompareCommand&) {
       return c.forecast ? time_with_margin(c.forecast->time_to_first_token(), margin_of(c.forecast->prefill))
                         : std::string();
     }},
    {"a token",
     [](const Compared& c, const CompareCommand&) {
       if (!c.forecast) return "at least " + time_text(c.stored_seconds);
       return c.forecast->generates ? time_text(c.forecast->decode_full.seconds()) : std::string();
     }},
    {"tokens/s",
     [](const Compared& c, const CompareCommand& command) {
       if (!c.forecast) return "at most " + rate_text(c.stored_seconds, std::nullopt);
       if (!c.forecast->generates) return std::string();
       const double sequences = static_cast<double>(command.options.sequences);
       return rate_text(c.forecast->decode_full.seconds() / sequences, margin_of(c.forecast->decode_full));
     }},
    {"waits for",
     [](const Compared& c, const CompareCommand&) {
       return c.forecast && c.forecast->generates ? std::string(ceiling_name(c.forecast->decode_full.ceiling()))
                                                  : std::string();
     }},
    {"bytes a token", [](const Compared& c, const CompareCommand&) { return decimal_size(token_bytes(c)); }},
    {"MMLU, published", [](const Compared& c, const CompareCommand&) { return score_text(c.score); }},
    {"loss by type", [](const Compared& c, const CompareCommand&) { return loss_text(c.loss); }},
};

Table comparison_table(const std::vector<Compared>& columns, const CompareCommand& command) {
  std::vector<Table::Column> titles = {{"", Table::Align::left}};
  for (const Compared& c : columns) titles.emplace_back(printable(c.title), Table::Align::right);
  Table table(std::move(titles));
  const auto add = [&](const std::string& name, const auto& cell) {
    std::vector<Cell> row = {name};
    for (const Compared& c : columns) row.push_back(cell(c));
    if (std::any_of(row.begin() + 1, row.end(), [](const Cell& of) { return !of.text.empty(); }))
      table.add(std::move(row));
  };
  for (const auto& row : kRows) add(row.first, [&](const Compared& c) { return row.second(c, command); });
  add("bits per byte of the text", [](const Compared& c) {
    return c.bits_per_byte ? fmt::format("{:.4f} ± {:.4f}", c.bits_per_byte->value, c.bits_per_byte->error)
                           : std::string();
  });
  return table;
}

/// A line for each model: plain numbers, units in the titles. Empty: not known.
Table number_table(const std::vector<Compared>& columns, const CompareCommand& command) {
  using A = Table::Align;
  Table table({{"model", A::left},
               {"type", A::left},
               {"parameters", A::right},
               {"active parameters", A::right},
               {"file [bytes]", A::right},
               {"memory [bytes]", A::right},
               {"first token [s]", A::right},
               {"first token error [%]", A::right},
               {"token [s]", A::right},
               {"token error [%]", A::right},
               {"tokens/s", A::right},
               {"token [bytes]", A::right},
               {"MMLU [%]", A::right},
               {"loss of the type, estimated [nats]", A::right},
               {"bits per byte", A::right},
               {"bits per byte error", A::right},
               {"pareto", A::left}});
  const auto number = [](std::optional<double> value) {
    return value ? fmt::format("{:.10g}", *value) : std::string();
  };
  const auto percent = [&](std::optional<double> share) { return share ? number(100 * *share) : std::string(); };
  const std::vector<bool> front = front_of(columns);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const Compared& c = columns[i];
    std::optional<double> active, memory, first, token, rate, first_margin, token_margin;
    if (c.forecast) {
      active = static_cast<double>(c.forecast->parameters.active());
      memory = c.forecast->memory.total();
      first = c.forecast->time_to_first_token();
      first_margin = margin_of(c.forecast->prefill);
    }
    if (c.forecast && c.forecast->generates) {
      token = c.forecast->decode_full.seconds();
      token_margin = margin_of(c.forecast->decode_full);
      rate = static_cast<double>(command.options.sequences) / *token;
    }
    table.add({printable(c.what.name), c.what.type,
               std::to_string(c.forecast ? c.forecast->parameters.total() : c.source.stored->parameters),
               number(active), fmt::format("{:.0f}", c.file_bytes), number(memory), number(first),
               percent(first_margin), number(token), percent(token_margin), number(rate),
               fmt::format("{:.0f}", token_bytes(c)), c.score ? number(c.score->mmlu) : "", number(c.loss),
               c.bits_per_byte ? number(c.bits_per_byte->value) : "",
               c.bits_per_byte ? number(c.bits_per_byte->error) : "", front[i] ? "yes" : "no"});
  }
  return table;
}

Json compared_json(const Compared& c, const CompareCommand& command, bool front) {
  const auto or_null = [](std::optional<double> value) { return value ? Json(*value) : Json(nullptr); };
  Json json = {{"model", c.what.name}, {"type", c.what.type}, {"file_bytes", c.file_bytes}};
  json["token_bytes"] = token_bytes(c);
  if (c.forecast) {
    const Forecast& f = *c.forecast;
    json["parameters"] = f.parameters.total();
    json["parameters_active"] = f.parameters.active();
    json["context"] = c.source.subject->spec.context;
    json["memory_bytes"] = f.memory.total();
    json["kv_bytes"] = f.memory.kv + f.memory.room;
    json["seconds_to_first_token"] = f.time_to_first_token();
    json["seconds_to_first_token_margin"] = or_null(margin_of(f.prefill));
    if (f.generates) {
      json["seconds_per_token"] = f.decode_full.seconds();
      json["seconds_per_token_margin"] = or_null(margin_of(f.decode_full));
      json["tokens_per_second"] = static_cast<double>(command.options.sequences) / f.decode_full.seconds();
      json["waits_for"] = ceiling_name(f.decode_full.ceiling());
    }
    json["pareto"] = front;
  } else {
    json["parameters"] = c.source.stored->parameters;
    json["seconds_per_token_at_least"] = c.stored_seconds;
    json["not_described"] = c.source.why;
  }
  json["mmlu"] = nullptr;
  if (c.score) json["mmlu"] = {{"percent", c.score->mmlu}, {"of", c.score->of}, {"source", c.score->source}};
  json["kl_of_type_estimate"] = or_null(c.loss);
  json["bits_per_byte"] = nullptr;
  if (c.bits_per_byte) json["bits_per_byte"] = {{"value", c.bits_per_byte->value}, {"error", c.bits_per_byte->error}};
  return json;
}

void print_comparison(const std::vector<Compared>& columns, const CompareCommand& command, const Machine& machine) {
  if (command.format == Format::json) {
    const std::vector<bool> front = front_of(columns);
    Json models = Json::array();
    for (std::size_t i = 0; i < columns.size(); ++i) models.push_back(compared_json(columns[i], command, front[i]));
    const Json settings = {{"threads", command.options.threads > 0 ? Json(command.options.threads) : Json()},
                           {"text", command.text.empty() ? Json() : Json(printable(command.text))}};
    const Json out = {{"context", command.options.context},
                      {"prompt", command.options.prompt},
                      {"users", command.options.sequences},
                      {"kv", kv_type_name(command.options.kv)},
                      {"models", models}};
    return put("{}", json_document("compare", settings, out, &machine));
  }
  if (command.format == Format::csv) return put("{}", number_table(columns, command).csv());
  const Table table = comparison_table(columns, command);
  put("{}\n", table.as(command.format));
  put("Context {}, prompt {}, {} user{}, KV {}, on {}; a token at the end of the context.\n", command.options.context,
      command.options.prompt, command.options.sequences, command.options.sequences == 1 ? "" : "s",
      kv_type_name(command.options.kv), machine.system.cpu.empty() ? "an unnamed processor" : machine.system.cpu);
  put("MMLU: percent, 5 shots, as its maker states it; loss: KL divergence by type, an estimate from small "
      "models.\n");
}

void run(CompareCommand& command) {
  constexpr std::int64_t kUsualContext = 4096;
  ForecastOptions& options = command.options;
  options.context = command.context > 0 ? command.context : std::max(kUsualContext, command.prompt);
  options.prompt = command.prompt > 0 ? command.prompt : std::min<std::int64_t>(kUsualPrompt, options.context);
  if (options.prompt > options.context)
    throw UsageError(fmt::format("--prompt is {}, which --ctx {} has no room for", options.prompt, options.context));
  std::vector<Compared> columns;
  for (const std::string& model : command.models) columns.push_back({named_model(model), "", {}});
  const std::string text = command.text.empty() ? "" : read_text(command.text);
  Progress progress;
  for (Compared& column : columns) {
    column.source = read_source(column.what.name, command.timeout);
    const auto& source = column.source;
    for (const std::string& note : source.stored ? source.stored->left_out : source.subject->left_out)
      print_warning(note);
  }
  const Machine machine = machine_of(command.machine, progress);
  warn_of_threads(machine, options.threads);
  for (Compared& column : columns) describe(column, command, machine);
  if (!text.empty())
    for (Compared& column : columns) evaluate(column, command, text, progress);
  print_comparison(columns, command, machine);
}

}  // namespace

void add_compare(const Command& program) {
  auto command = std::make_shared<CompareCommand>();
  command->options.kv = kUsualKv;
  const Command sub = program.add_command(
      "compare", "Models side by side: size, memory, predicted speed, and what is known of their quality");
  sub.add_option("models", command->models,
                 "Presets, config.json, folders, model files or URLs of GGUF files, each with a type behind a colon if "
                 "wanted: llama-3.2-1b:q4_k_m (default: the file's own types, else q4_0)")
      .required()
      .type_name("MODEL[:TYPE]");
  add_prompt(sub, command->prompt, "Tokens before the first one (default 512)", 1);
  add_context(sub, command->context, "Positions of each user (default 4096)");
  add_sequences(sub, command->options.sequences);
  sub.add_option("--text", command->text, "Text that models at hand are to predict: bits per byte; - is standard input")
      .type_name("FILE");
  add_kv(sub, command->options.kv);
  add_threads(sub, command->options.threads);
  sub.add_option("--timeout", command->timeout, "Of a URL: seconds to wait for an answer").range(1, 600).show_default();
  add_machine(sub, command->machine);
  add_format(sub, command->format);
  sub.callback([command] { run(*command); });
}

}  // namespace plumb::cli
