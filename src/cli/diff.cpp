/// `plumb diff OLD NEW`: what changed between two JSON outputs, beyond the noise.

#include <fmt/format.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>

#include "commands.hpp"
#include "diff_rows.hpp"
#include "options.hpp"
#include "say.hpp"
#include "table.hpp"
#include "units.hpp"

namespace plumb::cli {
namespace {

struct DiffArguments {
  std::string old_path, new_path;
  std::optional<double> noise, fail_if_slower;  // in percent
  Format format = Format::text;
};

Cell signed_percent(double share) { return {fmt::format("{:+.1f}%", 100 * share), plain_number(100 * share)}; }

Table change_table(const Diff& diff) {
  using A = Table::Align;
  Table table({{"row", A::left},
               {"number", A::left},
               {"unit", A::left},
               {"old", A::right},
               {"new", A::right},
               {"change", A::right, "change, %"},
               {"noise", A::right, "noise, %"},
               {"verdict", A::left}});
  for (const DiffChange& c : diff.changes)
    table.add({c.row, c.name, c.unit, number_cell(c.old_value, "{:.5g}"), number_cell(c.new_value, "{:.5g}"),
               signed_percent(c.change), percent_cell(c.noise), c.verdict});
  return table;
}

/// "2 of 12 numbers changed beyond the noise: 1 faster, 1 slower".
std::string summary(const Diff& diff) {
  std::map<std::string, int> verdicts;
  std::size_t changed = 0;
  for (const DiffChange& c : diff.changes)
    if (c.verdict != "same" && c.verdict != "within noise") {
      ++verdicts[c.verdict];
      ++changed;
    }
  std::string text = fmt::format("{} of {} numbers changed beyond the noise",
                                 changed == 0 ? "none" : std::to_string(changed), diff.changes.size());
  const char* separator = ": ";
  for (const auto& [verdict, count] : verdicts) {
    text += fmt::format("{}{} {}", separator, count, verdict);
    separator = ", ";
  }
  return text;
}

Json file_json(const DiffFile& file) { return {{"path", file.path}, {"schema", file.schema}, {"time", file.time}}; }

std::string json_text(const DiffArguments& arguments, const DiffFile& before, const DiffFile& after, const Diff& diff) {
  Json changes = Json::array();
  for (const DiffChange& c : diff.changes)
    changes.push_back({{"row", c.row},
                       {"number", c.name},
                       {"unit", c.unit},
                       {"old", c.old_value},
                       {"new", c.new_value},
                       {"change", c.change},
                       {"noise", c.noise},
                       {"verdict", c.verdict}});
  const auto percent = [](const std::optional<double>& value) { return value ? Json(*value) : Json(); };
  return json_document(
      "diff",
      {{"noise_percent", percent(arguments.noise)}, {"fail_if_slower_percent", percent(arguments.fail_if_slower)}},
      {{"old", file_json(before)},
       {"new", file_json(after)},
       {"conditions", diff.conditions},
       {"changes", std::move(changes)},
       {"only_old", diff.only_old},
       {"only_new", diff.only_new},
       {"summary", summary(diff)}});
}

void print_text(const DiffFile& before, const DiffFile& after, const Diff& diff, Format format) {
  put("old: {}, {}\nnew: {}, {}\n", before.path, before.time, after.path, after.time);
  for (const std::string& condition : diff.conditions) put("different {}\n", condition);
  put("\n{}\n{}\n", change_table(diff).as(format), summary(diff));
  for (const std::string& row : diff.only_old) put("only in old: {}\n", row);
  for (const std::string& row : diff.only_new) put("only in new: {}\n", row);
}

void run(const DiffArguments& arguments) {
  const DiffFile before = read_diff_file(arguments.old_path), after = read_diff_file(arguments.new_path);
  const auto share = [](double percent) { return percent / 100; };
  const Diff diff = compare(before, after, arguments.noise ? std::optional(share(*arguments.noise)) : std::nullopt);
  switch (arguments.format) {
    case Format::json: put("{}", json_text(arguments, before, after, diff)); break;
    case Format::csv: put("{}", change_table(diff).csv()); break;
    case Format::md:
    case Format::text: print_text(before, after, diff, arguments.format);
  }
  if (!arguments.fail_if_slower) return;
  std::string slower;
  for (const DiffChange& c : diff.changes)
    if (c.slower > share(*arguments.fail_if_slower))
      slower += fmt::format("{}{} {} ({:+.1f}%)", slower.empty() ? "" : ", ", c.row, c.name, 100 * c.change);
  if (!slower.empty())
    throw std::runtime_error(fmt::format("slower by more than {:g}%: {}", *arguments.fail_if_slower, slower));
}

}  // namespace

void add_diff(const Command& program) {
  auto arguments = std::make_shared<DiffArguments>();
  const Command command = program.add_command(
      "diff",
      "What changed between two JSON outputs of bench, measure, report-card, machine, predict or predict --verify, "
      "beyond the noise");
  command.add_option("OLD", arguments->old_path, "What a command printed with --format json, or bench with -o json")
      .required();
  command.add_option("NEW", arguments->new_path, "The same, later or elsewhere").required();
  command
      .add_option("--noise", arguments->noise,
                  "Percent of change that says nothing (default 2, or 5 where the files do not tell how much runs "
                  "differ); never less than chance alone would give, at 95%")
      .not_negative()
      .type_name("PERCENT");
  command
      .add_option("--fail-if-slower", arguments->fail_if_slower,
                  "Exit code 1 if something is slower by more than this, beyond the noise")
      .not_negative()
      .type_name("PERCENT");
  add_format(command, arguments->format);
  command.callback([arguments] { run(*arguments); });
}

}  // namespace plumb::cli
