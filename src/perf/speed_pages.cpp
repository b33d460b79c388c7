// Pages of explain, predict and bench.

#include <algorithm>
#include <cmath>
#include <map>

#include "../core/format.hpp"
#include "condition.hpp"
#include "page/bars.hpp"
#include "page/quantities.hpp"
#include "pages.hpp"
#include "pass_pictures.hpp"
#include "plumb/core/printable.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

using page::bytes_text;
using page::number_text;
using page::rate_text;
using page::seconds_text;
using Kind = page::Column::Kind;

/// How old a profile may be before a page says so.
constexpr double kOldProfileDays = 14;

/// What the prediction was divided by, and whether to trust it.
void say_profile(page::Page& page, const Machine& machine, int threads, double now) {
  std::string text = "Predicted from a profile of " +
                     (machine.system.cpu.empty() ? "an unnamed processor" : printable(machine.system.cpu));
  if (machine.measured_at > 0)
    text +=
        formatted(", measured {}, at a load of {:.2f}", time_text(machine.measured_at), machine.system.load_average);
  page.paragraph(text + '.');
  const double days = (now - machine.measured_at) / 86400;
  if (machine.measured_at > 0 && days > kOldProfileDays)
    page.note(formatted("The profile is {:.0f} days old: measure again (plumb machine --save) if anything has changed.",
                        days));
  for (const std::string& warning : machine.warnings(threads)) page.note(warning);
}

std::string ratio_text(double a, double b) { return a > 0 && b > 0 ? formatted("{:.2f}", a / b) : "-"; }

/// Measured beside predicted, operation by operation.
page::Picture both_picture(const PassReport& pass, bool prefill) {
  page::Bars bars{.id = prefill ? "both-prompt" : "both-token",
                  .title = formatted("Measured and predicted: {}", prefill ? "a prompt" : "a token"),
                  .description = "Time of each operation.",
                  .columns = {"measured", "predicted"},
                  .rows = {},
                  .one_scale = true};
  const auto row = [&](const std::string& name, double measured, double predicted) {
    bars.rows.push_back(
        {name, {{measured, seconds_text(measured), false}, {predicted, seconds_text(predicted), false}}});
    bars.description +=
        formatted(" {}: {} measured, {} predicted.", name, seconds_text(measured), seconds_text(predicted));
  };
  for (const OpReport& op : pass.ops)
    if (op.seconds > 0.005 * pass.seconds || op.predicted.seconds > 0.005 * pass.seconds)
      row(op_title(op.op), op.seconds, op.predicted.seconds);
  row("threads meeting", pass.meeting_seconds, pass.predicted.meeting_seconds);
  return draw(bars, "Operations of less than 0.5% of the time are in the table alone.");
}

page::HtmlTable both_table(const PassReport& pass, const std::string& caption) {
  page::HtmlTable table{caption,
                        {{"operation", "", Kind::name},
                         {"measured", "us"},
                         {"predicted", "us"},
                         {"predicted / measured"},
                         {"share", "%"},
                         {"bytes", "kB"},
                         {"operations", "millions"},
                         {"waits for", "", Kind::name}},
                        {}};
  for (const OpReport& op : pass.ops)
    table.rows.push_back({op_title(op.op), number_text(op.seconds * 1e6), number_text(op.predicted.seconds * 1e6),
                          ratio_text(op.predicted.seconds, op.seconds),
                          formatted("{:.1f}", 100 * op.seconds / pass.seconds),
                          number_text(op.work.bytes.total() * 1e-3), number_text(op.work.operations.total() * 1e-6),
                          op.predicted.seconds > 0 ? std::string(ceiling_name(op.predicted.ceiling)) : "-"});
  table.rows.push_back({"threads meeting", number_text(pass.meeting_seconds * 1e6),
                        number_text(pass.predicted.meeting_seconds * 1e6),
                        ratio_text(pass.predicted.meeting_seconds, pass.meeting_seconds),
                        formatted("{:.1f}", 100 * pass.meeting_seconds / pass.seconds), "-", "-", "meeting"});
  table.rows.push_back(
      {"all", number_text(pass.pass_seconds * 1e6), number_text(pass.predicted.seconds() * 1e6),
       ratio_text(pass.predicted.seconds(), pass.pass_seconds),
       formatted("{:.1f}", 100 * pass.pass_seconds / pass.seconds), number_text(pass.work.bytes().total() * 1e-3),
       number_text(pass.work.operations().total() * 1e-6), std::string(ceiling_name(pass.predicted.ceiling()))});
  return table;
}

const OpReport& largest(const PassReport& pass) {
  return *std::max_element(pass.ops.begin(), pass.ops.end(),
                           [](const OpReport& a, const OpReport& b) { return a.seconds < b.seconds; });
}

std::string explained(const PassReport& pass, double tokens, const std::string& what) {
  const OpReport& most = largest(pass);
  if (pass.meeting_seconds > most.seconds)
    return formatted("{} takes {} ({}); predicted {}. In most of it, {:.0f}%, threads wait for each other.", what,
                     seconds_text(pass.seconds), rate_text(tokens / pass.seconds),
                     seconds_text(pass.predicted.seconds()), 100 * pass.meeting_seconds / pass.seconds);
  std::string text =
      formatted("{} takes {} ({}); predicted {}. The most of it, {:.0f}%, is {}", what, seconds_text(pass.seconds),
                rate_text(tokens / pass.seconds), seconds_text(pass.predicted.seconds()),
                100 * most.seconds / pass.seconds, op_title(most.op));
  if (most.predicted.seconds > 0) text += formatted(", which waits for {}", ceiling_name(most.predicted.ceiling));
  return text + '.';
}

/// Pictures and tables of passes: shares, roofs, every point explained.
void show_passes(page::Page& page, const Machine& machine, int threads, const std::vector<PassBreakdown>& passes) {
  page.section("Where the time goes");
  for (const page::Picture& picture : share_pictures(passes)) page.picture(picture);
  page.section("What limits each operation");
  for (const PassBreakdown& pass : passes) page.picture(roofline_picture(machine, threads, pass));
  for (const PassBreakdown& pass : passes) page.table(roofline_table(machine, threads, pass));
  page.explain(roofline_terms());
}

}  // namespace

std::string explain_page(const Explanation& e, const Machine& machine, const PageContext& context) {
  const std::string name = printable(e.name);
  std::vector<PassBreakdown> passes;
  std::string answer;
  const std::string token = e.sequences > 1 ? formatted("A token of each of {} sequences", e.sequences) : "A token";
  if (!e.decode.empty()) {
    passes.push_back(breakdown(e.decode, name, false));
    answer = explained(e.decode, e.sequences, token);
  }
  if (!e.prefill.empty()) {
    passes.push_back(breakdown(e.prefill, name, true));
    if (answer.empty()) answer = explained(e.prefill, e.prompt, formatted("A prompt of {} tokens", e.prompt));
  }
  page::Page page("Where the time of " + name + " goes", answer);
  if (!e.decode.empty() && !e.prefill.empty())
    page.paragraph(explained(e.prefill, e.prompt, formatted("Reading {} tokens", e.prompt)));
  page.paragraph(formatted("{}{}; {}", time_text(context.when),
                           e.depth > 0 ? formatted("; behind {} tokens", e.depth) : "",
                           machine_sentence(read_system_info(), e.tier, e.threads)));
  say_profile(page, machine, e.threads, context.when);
  if (!e.decode.empty()) page.picture(both_picture(e.decode, false));
  if (!e.prefill.empty()) page.picture(both_picture(e.prefill, true));
  show_passes(page, machine, e.threads, passes);
  page.section("All numbers");
  if (!e.decode.empty()) page.table(both_table(e.decode, token));
  if (!e.prefill.empty()) page.table(both_table(e.prefill, formatted("A prompt of {} tokens", e.prompt)));
  page.explain(
      {{"waits for", "The limit that binds by the prediction: memory, a cache, arithmetic, or threads meeting."}});
  page.explain(common_terms());
  if (!e.decode.empty()) page.data({"decode.csv", "text/csv", csv_of(both_table(e.decode, ""))});
  if (!e.prefill.empty()) page.data({"prompt.csv", "text/csv", csv_of(both_table(e.prefill, ""))});
  if (!context.json.empty()) page.data({"explain.json", "application/json", context.json});
  return page.html();
}

std::string forecast_page(const Forecast& f, const ForecastOptions& options, const Machine& machine,
                          const std::string& model, const std::string& type, const PageContext& context) {
  const std::string name = printable(model);
  const auto sequences = static_cast<double>(options.sequences), prompt = static_cast<double>(options.prompt);
  std::string answer;
  if (f.generates)
    answer = formatted("{} in {} would write {} ({} a token), after reading {} tokens in {}, in {} of memory{}.", name,
                       type, rate_text(sequences / f.time_per_token()), seconds_text(f.time_per_token()),
                       options.prompt, seconds_text(f.time_to_first_token()), bytes_text(f.memory.total()),
                       f.fits ? "" : ", which is more than there is");
  else
    answer = formatted("{} in {} would make an embedding of {} tokens in {} ({}), in {} of memory{}.", name, type,
                       options.prompt, seconds_text(f.prefill.seconds()), rate_text(prompt / f.prefill.seconds()),
                       bytes_text(f.memory.total()), f.fits ? "" : ", which is more than there is");
  page::Page page("What to expect of " + name, answer);
  if (!f.fits) page.note("The model needs more memory than the machine has; times are predicted as if it fitted.");
  say_profile(page, machine, f.threads, context.when);
  page.paragraph(machine_sentence(machine.system, machine.isa, f.threads));

  page::HtmlTable summary{
      "", {{"what", "", Kind::name}, {"time", "ms"}, {"speed", "tokens/s"}, {"waits for", "", Kind::name}}, {}};
  const auto row = [&](const std::string& what, const Prediction& p, double tokens) {
    summary.rows.push_back(
        {what, number_text(p.seconds() * 1e3, 4), number_text(tokens / p.seconds()),
         formatted("{} ({:.0f}%)", ceiling_name(p.ceiling()), 100 * p.seconds_of(p.ceiling()) / p.seconds())});
  };
  row(formatted("{} of {} tokens", f.generates ? "prompt" : "embedding", options.prompt), f.prefill, prompt);
  if (f.generates) {
    row("token after the prompt", f.decode, sequences);
    row(formatted("token at position {}", options.context), f.decode_full, sequences);
  }
  page.table(summary);

  page::Bars memory{.id = "memory", .title = "Memory", .description = {}, .columns = {"MB"}, .rows = {}};
  for (const auto& [part, bytes] : {std::pair<std::string, double>{"weights", f.memory.weights},
                                    {formatted("KV cache of {} positions", options.context), f.memory.kv},
                                    {"scratch", f.memory.activations}}) {
    memory.rows.push_back({part, {{bytes * 1e-6, number_text(bytes * 1e-6), false}}});
    memory.description += formatted("{}: {}. ", part, bytes_text(bytes));
  }
  page.picture(draw(memory, formatted("Together {}.", bytes_text(f.memory.total()))));
  std::vector<PassBreakdown> passes;
  if (f.generates) passes.push_back(breakdown(f.decode_ledger, f.decode, name, false));
  passes.push_back(breakdown(f.prefill_ledger, f.prefill, name, true));
  show_passes(page, machine, f.threads, passes);
  page.explain({{"predicted", "Counted bytes and operations, divided by what the machine was measured to do."},
                {"waits for", "The limit that binds longest, and for which share of the time."}});
  page.explain(common_terms());
  page.data({"summary.csv", "text/csv", csv_of(summary)});
  for (const PassBreakdown& pass : passes)
    page.data(
        {pass.prefill ? "prompt.csv" : "token.csv", "text/csv", csv_of(roofline_table(machine, f.threads, pass))});
  if (!context.json.empty()) page.data({"forecast.json", "application/json", context.json});
  return page.html();
}

namespace {

bool scattered(const BenchResult& result) {
  PassTiming timing;
  timing.seconds = result.seconds;
  return disturbed(timing);
}

page::HtmlTable bench_table(std::span<const BenchLine> lines) {
  page::HtmlTable table{"",
                        {{"model", "", Kind::name},
                         {"size", "MB"},
                         {"parameters"},
                         {"threads"},
                         {"test", "", Kind::name},
                         {"speed", "tokens/s"},
                         {"standard deviation", "tokens/s"},
                         {"median run", "ms"},
                         {"runs"}},
                        {}};
  for (const BenchLine& line : lines) {
    PassTiming timing;
    timing.seconds = line.result.seconds;
    table.rows.push_back({line.model, number_text(line.bytes * 1e-6, 4), page::count_text(line.parameters),
                          std::to_string(line.result.settings.threads), line.result.test.name(),
                          number_text(line.result.mean_rate(), 4) + (scattered(line.result) ? "*" : ""),
                          number_text(line.result.rate_deviation()), number_text(timing.median() * 1e3, 4),
                          std::to_string(timing.seconds.size())});
  }
  return table;
}

template <typename T, typename Of>
std::vector<T> distinct(std::span<const BenchLine> lines, const Of& of) {
  std::vector<T> all;
  for (const BenchLine& line : lines)
    if (std::find(all.begin(), all.end(), of(line)) == all.end()) all.push_back(of(line));
  return all;
}

/// The lines, named so that those of one model and different settings are told apart.
std::vector<BenchLine> told_apart(std::span<const BenchLine> lines) {
  const auto varies = [&](const auto& of) { return distinct<long>(lines, of).size() > 1; };
  const bool threads = varies([](const BenchLine& l) { return long{l.result.settings.threads}; });
  const bool batch = varies([](const BenchLine& l) { return long{l.result.settings.batch}; });
  const bool kv = varies([](const BenchLine& l) { return static_cast<long>(l.result.settings.kv); });
  std::vector<BenchLine> named(lines.begin(), lines.end());
  for (BenchLine& line : named) {
    const BenchSettings& s = line.result.settings;
    if (threads) line.model += formatted(", {} thread{}", s.threads, s.threads == 1 ? "" : "s");
    if (batch) line.model += formatted(", passes of {}", s.batch);
    if (kv) line.model += formatted(", KV {}", dtype_name(s.kv));
  }
  return named;
}

std::string test_title(const BenchTest& test) {
  std::string text = test.prompt > 0 && test.generate > 0
                         ? formatted("{} read and {} written", test.prompt, test.generate)
                     : test.prompt > 0 ? formatted("reading {}", test.prompt)
                                       : formatted("writing {}", test.generate);
  if (test.depth > 0) text += formatted(" behind {}", test.depth);
  if (test.sequences > 1) text += formatted(", {} sequences", test.sequences);
  return text;
}

}  // namespace

std::string bench_page(std::span<const BenchLine> given, const SystemInfo& system, const PageContext& context) {
  const std::vector<BenchLine> lines = told_apart(given);
  // Words for the first line: the fastest at writing, else at whatever ran.
  const BenchLine* best = nullptr;
  for (const BenchLine& line : lines) {
    const bool writes = line.result.test.prompt == 0;
    const bool best_writes = best != nullptr && best->result.test.prompt == 0;
    if (best == nullptr || (writes && !best_writes) ||
        (writes == best_writes && line.result.mean_rate() > best->result.mean_rate()))
      best = &line;
  }
  const auto models = distinct<std::string>(lines, [](const BenchLine& line) { return line.model; });
  const auto tests = distinct<std::string>(lines, [](const BenchLine& line) { return test_title(line.result.test); });
  std::string answer = "Nothing ran.";
  if (best != nullptr)
    answer = formatted("{}{}{} {} {} tokens.", models.size() > 1 ? "The fastest is " : "", best->model,
                       models.size() > 1 ? ":" : " reaches", rate_text(best->result.mean_rate()),
                       test_title(best->result.test));
  page::Page page("Speed of whole models", answer);
  if (!lines.empty())
    page.paragraph(formatted("{}; {}", time_text(context.when),
                             machine_sentence(system, lines.front().tier, lines.front().result.settings.threads)));
  if (const std::string note = load_note(system); !note.empty()) page.note(note);
  constexpr std::size_t kColumns = 3;
  for (std::size_t first = 0; first < tests.size(); first += kColumns) {
    page::Bars bars{.id = formatted("bench-{}", first / kColumns),
                    .title = "Tokens a second",
                    .description = {},
                    .columns = {},
                    .rows = {}};
    for (std::size_t t = first; t < std::min(first + kColumns, tests.size()); ++t)
      bars.columns.push_back(tests[t] + ", tokens/s");
    for (const std::string& model : models) {
      page::BarRow row{model, {}};
      for (std::size_t t = first; t < std::min(first + kColumns, tests.size()); ++t) {
        const auto found = std::find_if(lines.begin(), lines.end(), [&](const BenchLine& line) {
          return line.model == model && test_title(line.result.test) == tests[t];
        });
        const double rate = found == lines.end() ? 0 : found->result.mean_rate();
        row.bars.push_back({rate, number_text(rate), found != lines.end() && scattered(found->result)});
        if (rate > 0) bars.description += formatted("{}, {}: {}. ", model, tests[t], rate_text(rate));
      }
      bars.rows.push_back(std::move(row));
    }
    page.picture(draw(bars, "Means of the runs, as in the table. Hollow: " + std::string(kDisturbedMeans) + '.'));
  }
  page.section("All numbers");
  page.table(bench_table(lines));
  page.paragraph("A star at a speed: " + std::string(kDisturbedMeans) + ".");
  page.explain({{"pp512, tg128",
                 "Tests as llama-bench names them: a prompt of 512 tokens read, 128 tokens written; "
                 "@ d4096: behind so many tokens."},
                {"standard deviation", "Of the runs' tokens per second."}});
  page.explain(common_terms());
  page.data({"bench.csv", "text/csv", csv_of(bench_table(lines))});
  if (!context.json.empty()) page.data({"bench.json", "application/json", context.json});
  return page.html();
}

}  // namespace plumb
