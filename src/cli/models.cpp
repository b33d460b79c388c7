#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "commands.hpp"
#include "plumb/model/family.hpp"
#include "table.hpp"

namespace plumb::cli {
namespace {

/// The names in one cell; "none" where there are none.
std::string listed(const FamilyInfo& family) {
  std::string all;
  const auto separator = [&] { return all.empty() ? "" : ", "; };
  for (const std::string_view type : family.model_types) all.append(separator()).append(type);
  for (const auto& [type, field] : family.shared_types)
    all.append(fmt::format("{}{} with {}", separator(), type, field));
  return all.empty() ? "none" : all;
}

void run(Format format) {
  if (format == Format::json) {
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    for (const FamilyInfo& family : families())
      all.push_back({{"architecture", family.architecture},
                     {"model_types", family.model_types},
                     {"shared_types", family.shared_types},
                     {"models", family.models}});
    fmt::print("{}\n", all.dump(2));
    return;
  }
  Table table({{"GGUF architecture", Table::Align::left},
               {"config.json model_type", Table::Align::left},
               {"models", Table::Align::left}});
  for (const FamilyInfo& family : families())
    table.add({std::string(family.architecture), listed(family), std::string(family.models)});
  fmt::print("{}", format == Format::csv ? table.csv() : format == Format::md ? table.markdown() : table.text());
}

}  // namespace

void add_models(const Command& program) {
  auto format = std::make_shared<Format>(Format::text);
  const Command command = program.add_command(
      "models", "The families of models whose files can be read: names in GGUF files and in config.json");
  add_format(command, *format);
  command.callback([format] { run(*format); });
}

}  // namespace plumb::cli
