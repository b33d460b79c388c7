/// `plumb models`: the families whose files can be read, and the features that models may have.

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "commands.hpp"
#include "json_output.hpp"
#include "options.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/features.hpp"
#include "say.hpp"
#include "table.hpp"

namespace plumb::cli {
namespace {

using Align = Table::Align;

/// The names in one cell; "none" where there are none.
std::string listed(const FamilyInfo& family) {
  std::string all;
  const auto separator = [&] { return all.empty() ? "" : ", "; };
  for (const std::string_view type : family.model_types) all.append(separator()).append(type);
  for (const auto& [type, field] : family.shared_types)
    all.append(fmt::format("{}{} with {}", separator(), type, field));
  return all.empty() ? "none" : all;
}

Table family_table() {
  Table table({{"GGUF architecture", Align::left}, {"config.json model_type", Align::left}, {"models", Align::left}});
  for (const FamilyInfo& family : families())
    table.add({std::string(family.architecture), listed(family), std::string(family.models)});
  return table;
}

/// Families in one cell: the first few, and how many there are more.
std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 4;
  std::string all;
  for (std::size_t i = 0; i < std::min(kMost, names.size()); ++i) all += (i > 0 ? ", " : "") + names[i];
  return names.size() > kMost ? fmt::format("{}, {} more", all, names.size() - kMost) : all;
}

Table feature_table() {
  Table table({{"part", Align::left},
               {"feature", Align::left},
               {"runs", Align::left},
               {"presets that have it, or why it is refused", Align::left}});
  for (const Feature& feature : all_features()) {
    const std::string refusal = refusal_of(feature);
    table.add({std::string(feature.part), std::string(feature.name), refusal.empty() ? "yes" : "no",
               refusal.empty() ? some_of(families_with(feature)) : refusal});
  }
  return table;
}

std::string all_as_json() {
  Json all;
  all["families"] = Json::array();
  for (const FamilyInfo& family : families())
    all["families"].push_back({{"architecture", family.architecture},
                               {"model_types", family.model_types},
                               {"shared_types", family.shared_types},
                               {"models", family.models}});
  all["features"] = Json::array();
  for (const Feature& feature : all_features()) {
    const std::string refusal = refusal_of(feature);
    Json own = {{"part", feature.part}, {"feature", feature.name}, {"runs", refusal.empty()}};
    if (!refusal.empty()) own["refusal"] = refusal;
    own["families_of_presets"] = families_with(feature);
    all["features"].push_back(std::move(own));
  }
  return json_document("models", {}, all);
}

/// CSV: one table for all, since programs want one header line.
std::string all_as_csv() {
  Table table({{"section", Align::left}, {"name", Align::left}, {"belongs_to", Align::left}, {"text", Align::left}});
  for (const FamilyInfo& family : families())
    table.add({"family", std::string(family.architecture), listed(family), std::string(family.models)});
  for (const Feature& feature : all_features()) {
    const std::string refusal = refusal_of(feature);
    table.add({"feature", std::string(feature.name), std::string(feature.part),
               refusal.empty() ? "runs" : "does not run: " + refusal});
  }
  return table.csv();
}

void run(Format format) {
  switch (format) {
    case Format::json: put("{}", all_as_json()); break;
    case Format::csv: put("{}", all_as_csv()); break;
    case Format::md: put("{}\n{}", family_table().markdown(), feature_table().markdown()); break;
    case Format::text: put("{}\n{}", family_table().text(), feature_table().text()); break;
  }
}

}  // namespace

void add_models(const Command& program) {
  auto format = std::make_shared<Format>(Format::text);
  const Command command = program.add_command(
      "models",
      "The families of models whose files can be read, by their names in GGUF files and in config.json, and the "
      "features of models: which run, which are refused, and which presets have them");
  add_format(command, *format);
  command.callback([format] { run(*format); });
}

}  // namespace plumb::cli
