#include "decide_output.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "json_output.hpp"
#include "plumb/cpu/kv_type.hpp"
#include "say.hpp"
#include "units.hpp"

namespace plumb::cli {
namespace {

using Align = Table::Align;

std::string with_others(const FitChoice& c) {
  return fmt::format("{}{}{}", c.name, c.others.empty() ? "" : ", ", fmt::join(c.others, ", "));
}

/// The scores of all presets of a line, the first that is known without its name.
std::string scores_of(const FitChoice& c) {
  std::string text = score_text(published_score(c.name));
  for (const std::string& other : c.others) {
    const std::string more = score_text(published_score(other));
    if (!more.empty() && more != text) text += (text.empty() ? "" : ", ") + more;
  }
  return text;
}

/// "+12%", "30 times".
std::string excess_text(double excess) {
  return excess < 2 ? fmt::format("+{:.0f}%", std::max(100 * excess, 1.0)) : fmt::format("{:.0f} times", 1 + excess);
}

Table decision_table(const std::vector<FitChoice>& choices, const Decision& decision) {
  const bool users = decision.options.budget.users > 1, missed = decision.result.choices.empty();
  std::vector<Table::Column> columns = {
      {"model", Align::left},   {"parameters", Align::right},  {"type", Align::left},     {"file", Align::right},
      {"memory", Align::right}, {"first token", Align::right}, {"a token", Align::right}, {"tokens/s", Align::right}};
  if (users) columns.push_back({"of all users", Align::right});
  columns.insert(columns.end(), {{"waits for", Align::left}, {"MMLU", Align::right}, {"loss", Align::right}});
  if (missed) columns.push_back({"misses", Align::left});
  Table table(std::move(columns));
  std::size_t left = decision.shown;
  for (const FitChoice& c : choices) {
    if (left-- == 0) break;
    const Prediction& full = c.forecast.decode_full;
    std::vector<Cell> row = {with_others(c) + (c.runnable ? "" : " (no forward pass)"),
                             parameters_text(c.forecast.parameters),
                             c.type,
                             file_size_text(c.file_bytes),
                             binary_size(c.forecast.memory.total()),
                             time_with_margin(c.forecast.time_to_first_token(), margin_of(c.forecast.prefill)),
                             time_text(c.latency()),
                             rate_text(c.latency(), margin_of(full))};
    if (users)
      row.push_back(rate_text(c.latency() / static_cast<double>(decision.options.budget.users), margin_of(full)));
    row.insert(row.end(), {std::string(ceiling_name(full.ceiling())), scores_of(c), loss_text(estimated_loss(c.type))});
    if (missed) {
      std::vector<std::string> parts;
      for (const auto& [what, excess] :
           {std::pair{"memory", c.excess.memory}, {"first token", c.excess.first_token}, {"token", c.excess.latency}})
        if (excess > 0) parts.push_back(fmt::format("{} {}", what, excess_text(excess)));
      row.push_back(fmt::format("{}", fmt::join(parts, ", ")));
    }
    table.add(std::move(row));
  }
  return table;
}

Table measured_table(const FitChoice& c, const Measurement& m) {
  Table table({{"measured: " + c.name + ' ' + c.type, Align::left},
               {"predicted", Align::right},
               {"measured", Align::right},
               {"error", Align::right}});
  const auto row = [&](const char* what, double predicted, double measured) {
    table.add(
        {what, time_text(predicted), time_text(measured), fmt::format("{:+.1f}%", 100 * (predicted / measured - 1))});
  };
  row("a token at the end of the context", c.latency(), m.decode.seconds_per_pass());
  row("first token", c.forecast.time_to_first_token(), m.prefill.median());
  return table;
}

/// "a token in 60 ms, the first after 2000 in 3 s, 16 GB of memory (given), context 8192".
std::string budget_text(const Decision& decision) {
  const Budget& b = decision.options.budget;
  std::string text;
  if (b.memory > 0) text += fmt::format("{} of memory ({}), ", binary_size(b.memory), decision.memory_from);
  if (b.latency > 0) text += fmt::format("a token in {}, ", time_text(b.latency));
  if (b.first_token > 0) text += fmt::format("the first after {} tokens in {}, ", b.prompt, time_text(b.first_token));
  text += fmt::format("context {}", b.context);
  if (b.users > 1) text += fmt::format(" for each of {} users", b.users);
  return text;
}

/// The answer in one sentence.
std::string answer(const Decision& decision) {
  if (decision.result.choices.empty())
    return decision.options.free_shape ? "No shape fits." : "Nothing fits. The nearest:";
  const FitChoice& c = decision.result.choices.front();
  return fmt::format(
      "The largest that fits is {} in {}: {} on disk, {} in memory, the first token after {}, {} tokens/s.", c.name,
      c.type, file_size_text(c.file_bytes), binary_size(c.forecast.memory.total()),
      time_text(c.forecast.time_to_first_token()), rate_text(c.latency(), margin_of(c.forecast.decode_full)));
}

/// Presets that were not looked at, in one line.
std::string left_out_text(const Decision& decision) {
  constexpr std::size_t kNamed = 4;
  const auto& all = decision.result.short_contexts;
  std::string names;
  for (std::size_t i = 0; i < std::min(kNamed, all.size()); ++i)
    names += fmt::format("{}{} {}", i == 0 ? "" : ", ", all[i].name, all[i].context);
  return fmt::format("Not listed: {} preset{} trained for fewer than {} positions ({}{}).", all.size(),
                     all.size() == 1 ? "" : "s", decision.options.budget.context, names,
                     all.size() > kNamed ? ", ..." : "");
}

/// Which choices are on the front.
std::vector<bool> front_of(const std::vector<FitChoice>& choices) {
  std::vector<Offer> offers;
  for (const FitChoice& c : choices) offers.push_back(offer_of(c.name, c.type, c.forecast));
  return pareto_front(offers);
}

/// Plain numbers, units in the titles.
Table number_table(const std::vector<FitChoice>& choices, const Decision& decision) {
  Table table({{"model", Align::left},
               {"same shape", Align::left},
               {"parameters", Align::right},
               {"active parameters", Align::right},
               {"type", Align::left},
               {"file [bytes]", Align::right},
               {"memory [bytes]", Align::right},
               {"first token [s]", Align::right},
               {"first token error [%]", Align::right},
               {"token [s]", Align::right},
               {"token error [%]", Align::right},
               {"tokens/s", Align::right},
               {"tokens/s of all users", Align::right},
               {"waits for", Align::left},
               {"runs here", Align::left},
               {"MMLU [%]", Align::right},
               {"loss of the type, estimated [nats]", Align::right},
               {"pareto", Align::left},
               {"beyond the memory [%]", Align::right},
               {"beyond the first token [%]", Align::right},
               {"beyond the latency [%]", Align::right}});
  const auto number = [](double value) { return fmt::format("{:.6g}", value); };
  const auto percent = [&](std::optional<double> share) { return share ? number(100 * *share) : std::string(); };
  const std::vector<bool> front = front_of(choices);
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const FitChoice& c = choices[i];
    const Forecast& f = c.forecast;
    const PublishedScore* score = published_score(c.name);
    const std::optional<double> loss = estimated_loss(c.type);
    table.add({c.name,
               fmt::format("{}", fmt::join(c.others, " ")),
               std::to_string(f.parameters.total()),
               std::to_string(f.parameters.active()),
               c.type,
               fmt::format("{:.0f}", c.file_bytes),
               fmt::format("{:.0f}", f.memory.total()),
               number(f.time_to_first_token()),
               percent(margin_of(f.prefill)),
               number(c.latency()),
               percent(margin_of(f.decode_full)),
               number(1 / c.latency()),
               number(static_cast<double>(decision.options.budget.users) / c.latency()),
               std::string(ceiling_name(f.decode_full.ceiling())),
               c.runnable ? "yes" : "no",
               score ? number(score->mmlu) : "",
               loss ? number(*loss) : "",
               front[i] ? "yes" : "no",
               percent(c.excess.memory),
               percent(c.excess.first_token),
               percent(c.excess.latency)});
  }
  return table;
}

Json number_or_null(std::optional<double> value) { return value ? Json(*value) : Json(nullptr); }

Json score_json(const std::string& name) {
  const PublishedScore* score = published_score(name);
  if (!score) return nullptr;
  return {{"percent", score->mmlu}, {"of", score->of}, {"source", score->source}};
}

Json choice_json(const FitChoice& c, const Decision& decision, bool front) {
  const MemoryUse& memory = c.forecast.memory;
  Json others = Json::array();
  for (const std::string& other : c.others) others.push_back({{"model", other}, {"mmlu", score_json(other)}});
  return {
      {"model", c.name},
      {"same_shape", others},
      {"type", c.type},
      {"parameters", c.forecast.parameters.total()},
      {"parameters_active", c.forecast.parameters.active()},
      {"width", c.spec.width},
      {"layers", c.spec.n_layers()},
      {"file_bytes", c.file_bytes},
      {"memory_bytes", memory.total()},
      {"memory",
       {{"weights", memory.weights}, {"kv", memory.kv}, {"room", memory.room}, {"activations", memory.activations}}},
      {"seconds_to_first_token", c.forecast.time_to_first_token()},
      {"seconds_to_first_token_margin", number_or_null(margin_of(c.forecast.prefill))},
      {"seconds_per_token", c.latency()},
      {"seconds_per_token_margin", number_or_null(margin_of(c.forecast.decode_full))},
      {"tokens_per_second", 1 / c.latency()},
      {"tokens_per_second_all_users", static_cast<double>(decision.options.budget.users) / c.latency()},
      {"waits_for", ceiling_name(c.forecast.decode_full.ceiling())},
      {"runs_here", c.runnable},
      {"mmlu", score_json(c.name)},
      {"kl_of_type_estimate", number_or_null(estimated_loss(c.type))},
      {"pareto", front},
      {"excess", {{"latency", c.excess.latency}, {"memory", c.excess.memory}, {"first_token", c.excess.first_token}}}};
}

Json choices_json(const std::vector<FitChoice>& choices, const Decision& decision) {
  const std::vector<bool> front = front_of(choices);
  Json all = Json::array();
  for (std::size_t i = 0; i < choices.size(); ++i) all.push_back(choice_json(choices[i], decision, front[i]));
  return all;
}

std::string json_text(const Decision& decision) {
  const Budget& b = decision.options.budget;
  const auto limit = [](double value) { return value > 0 ? Json(value) : Json(nullptr); };
  Json shorter = Json::array();
  for (const ShortContext& s : decision.result.short_contexts)
    shorter.push_back({{"model", s.name}, {"context", s.context}});
  const Json settings = {{"threads", decision.options.threads > 0 ? Json(decision.options.threads) : Json()},
                         {"types", decision.options.types},
                         {"runnable", decision.options.runnable}};
  Json out = {{"budget",
               {{"memory_bytes", limit(b.memory)},
                {"memory_from", decision.memory_from},
                {"seconds_per_token", limit(b.latency)},
                {"seconds_to_first_token", limit(b.first_token)},
                {"prompt", b.prompt},
                {"context", b.context},
                {"users", b.users},
                {"least_mmlu", limit(decision.options.score)},
                {"kv", kv_type_name(decision.options.kv)}}},
              {"choices", choices_json(decision.result.choices, decision)},
              {"misses", choices_json(decision.result.misses, decision)},
              {"short_contexts", shorter},
              {"verified", nullptr}};
  if (const auto& m = decision.measured)
    out["verified"] = {{"model", decision.verified},
                       {"seconds_per_token", m->decode.seconds_per_pass()},
                       {"seconds_to_first_token", m->prefill.median()}};
  return json_document("decide", settings, out, &decision.profile);
}

}  // namespace

std::string rate_text(double seconds, std::optional<double> margin) {
  const std::string rate = fmt::format("{:.3g}", 1 / seconds);
  return margin ? fmt::format("{} ± {:.2g}", rate, *margin / seconds) : rate;
}
std::string time_with_margin(double seconds, std::optional<double> margin) {
  return margin ? fmt::format("{} ± {:.0f}%", time_text(seconds), 100 * *margin) : time_text(seconds);
}
std::string parameters_text(const ParameterCount& parameters) {
  const std::string total = count_text(static_cast<double>(parameters.total()));
  if (parameters.active() == parameters.total()) return total;
  return fmt::format("{} ({} active)", total, count_text(static_cast<double>(parameters.active())));
}
std::string file_size_text(double bytes) { return decimal_size(bytes); }
std::string score_text(const PublishedScore* score) { return score ? fmt::format("{:.1f}", score->mmlu) : ""; }
std::string loss_text(std::optional<double> loss) { return loss ? fmt::format("~{:.2g}", *loss) : ""; }

Offer offer_of(const std::string& name, const std::string& type, const Forecast& forecast) {
  Offer offer{forecast.decode_full.seconds(), forecast.memory.total(),
              static_cast<double>(forecast.parameters.total())};
  if (const PublishedScore* score = published_score(name)) offer.score = score->mmlu;
  offer.loss = estimated_loss(type);
  return offer;
}

void print_decision(const Decision& decision, Format format) {
  const std::vector<FitChoice>& choices = decision.result.choices;
  if (format == Format::json) return put("{}", json_text(decision));
  const std::vector<FitChoice>& listed = choices.empty() ? decision.result.misses : choices;
  if (format == Format::csv) return put("{}", number_table(listed, decision).csv());
  const auto show = [&](const Table& t) { put("{}\n", t.as(format)); };
  put("{}\n", answer(decision));
  put("Asked for: {}. Predicted for {}.\n\n", budget_text(decision), decision.machine);
  if (!listed.empty()) show(decision_table(listed, decision));
  if (choices.size() > decision.shown) put("And {} smaller ones (--show).\n", choices.size() - decision.shown);
  if (!decision.result.short_contexts.empty()) put("{}\n", left_out_text(decision));
  if (!listed.empty())
    put("Tokens at the end of the context; the time to the first while no other prompt is read. MMLU: percent, 5 "
        "shots, "
        "as published; loss: KL divergence by type, an estimate from small models.\n");
  if (decision.measured && !choices.empty()) {
    for (const FitChoice& c : choices)
      if (c.name == decision.verified) {
        put("\n");
        show(measured_table(c, *decision.measured));
        break;
      }
  }
}

}  // namespace plumb::cli
