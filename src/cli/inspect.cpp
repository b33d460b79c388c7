/// `plumb inspect MODEL`: what a model file holds, without loading the model.

#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "commands.hpp"
#include "json_output.hpp"
#include "options.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/io/open_model.hpp"
#include "say.hpp"
#include "table.hpp"
#include "units.hpp"

namespace plumb::cli {
namespace {

struct InspectOptions {
  std::string model;
  std::optional<std::string> tokenizer;
  Format format = Format::text;
  std::size_t elements = 8;
  int threads = 1;
};

/// Tensors, elements and bytes of one element type.
struct TypeTotal {
  std::int64_t tensors = 0, elements = 0;
  std::uint64_t bytes = 0;
};

std::map<DType, TypeTotal> totals_by_type(const ModelFile& file) {
  std::map<DType, TypeTotal> totals;
  for (const GgufTensor& tensor : file.tensors()) {
    TypeTotal& total = totals[tensor.view.dtype()];
    ++total.tensors;
    total.elements += tensor.view.shape().elements();
    total.bytes += tensor.view.bytes();
  }
  return totals;
}

TypeTotal sum(const std::map<DType, TypeTotal>& totals) {
  TypeTotal all;
  for (const auto& [type, total] : totals) {
    all.tensors += total.tensors;
    all.elements += total.elements;
    all.bytes += total.bytes;
  }
  return all;
}

Table metadata_table(const ModelFile& file, std::size_t elements) {
  Table table({{"key", Table::Align::left}, {"type", Table::Align::left}, {"value", Table::Align::left}});
  for (const GgufEntry& entry : file.metadata())
    table.add({printable(entry.key), entry.value.type_name(), entry.value.to_string(elements)});
  return table;
}

/// Where a tensor begins: "4096", or "2:4096" in the second part of a split model.
std::string place(const ModelFile& file, const GgufTensor& tensor) {
  return (file.files().size() > 1 ? std::to_string(tensor.file + 1) + ":" : "") + std::to_string(tensor.offset);
}

Table tensor_table(const ModelFile& file) {
  Table table({{"tensor", Table::Align::left},
               {"type", Table::Align::left},
               {"shape", Table::Align::left},
               {"bytes", Table::Align::right},
               {file.files().size() > 1 ? "part:offset" : "offset", Table::Align::right}});
  for (const GgufTensor& tensor : file.tensors())
    table.add({printable(tensor.name), std::string(dtype_name(tensor.view.dtype())), tensor.view.shape().to_string(),
               std::to_string(tensor.view.bytes()), place(file, tensor)});
  return table;
}

Table totals_table(const ModelFile& file) {
  Table table({{"type", Table::Align::left},
               {"tensors", Table::Align::right},
               {"elements", Table::Align::right},
               {"bytes", Table::Align::right},
               {"bits/weight", Table::Align::right}});
  const auto row = [&](std::string_view name, const TypeTotal& total) {
    const double bits =
        total.elements > 0 ? 8.0 * static_cast<double>(total.bytes) / static_cast<double>(total.elements) : 0;
    table.add({std::string(name), std::to_string(total.tensors), std::to_string(total.elements),
               std::to_string(total.bytes), fmt::format("{:.4g}", bits)});
  };
  const auto totals = totals_by_type(file);
  for (const auto& [type, total] : totals) row(dtype_name(type), total);
  row("all", sum(totals));
  return table;
}

std::string summary(const ModelFile& file) {
  const TypeTotal all = sum(totals_by_type(file));
  return fmt::format("{}: {}, {}, {} keys, {} tensors, {} elements", file.path(), file.format(),
                     binary_size(static_cast<double>(file.bytes())), file.metadata().size(), all.tensors, all.elements);
}

/// One scalar; strings as they stand in the file (the writer escapes them), numbers that JSON lacks as text.
Json scalar_json(const GgufValue& value) {
  if (const auto text = value.as_string()) return std::string(*text);
  if (const auto flag = value.as_bool()) return *flag;
  if (const auto number = value.as_int()) return *number;
  if (const auto number = value.as_float(); number && std::isfinite(*number))
    return value.type() == GgufType::f32 ? Json::parse(value.to_string()) : Json(*number);
  if (value.type() == GgufType::u64) return Json::parse(value.to_string());
  return value.to_string();
}

Json value_json(const GgufValue& value, std::size_t max_elements) {
  Json json = {{"type", value.type_name()}};
  if (!value.is_array()) {
    json["value"] = scalar_json(value);
    return json;
  }
  json["length"] = value.size();
  Json first = Json::array();
  GgufElements elements(value);
  for (std::size_t i = 0; i < max_elements; ++i) {
    const auto element = elements.next();
    if (!element) break;
    first.push_back(element->is_array() ? Json(element->type_name()) : scalar_json(*element));
  }
  json["first"] = std::move(first);
  return json;
}

std::string json_text(const ModelFile& file, std::size_t elements) {
  Json json = {{"path", file.path()}, {"format", file.format()}, {"bytes", file.bytes()}};
  if (file.files().size() > 1)
    for (const auto& part : file.files()) json["files"].push_back(part->name());
  Json& metadata = json["metadata"] = Json::object();
  for (const GgufEntry& entry : file.metadata()) metadata[std::string(entry.key)] = value_json(entry.value, elements);
  Json& tensors = json["tensors"] = Json::array();
  for (const GgufTensor& tensor : file.tensors()) {
    Json shape = Json::array();
    for (int i = 0; i < tensor.view.shape().rank(); ++i) shape.push_back(tensor.view.shape()[i]);
    tensors.push_back({{"name", std::string(tensor.name)},
                       {"type", dtype_name(tensor.view.dtype())},
                       {"shape", std::move(shape)},
                       {"bytes", tensor.view.bytes()},
                       {"offset", tensor.offset}});
    if (file.files().size() > 1) tensors.back()["part"] = tensor.file + 1;
  }
  Json& by_type = json["totals"] = Json::object();
  for (const auto& [type, total] : totals_by_type(file))
    by_type[std::string(dtype_name(type))] = {
        {"tensors", total.tensors}, {"elements", total.elements}, {"bytes", total.bytes}};
  Json document = json_head("inspect", {{"elements", elements}});
  document.update(json);
  // ASCII only, so no byte of the file can steer a terminal; what is no valid UTF-8 becomes U+FFFD.
  return document.dump(2, ' ', true, Json::error_handler_t::replace) + '\n';
}

/// One table for all: programs that read CSV want one header line.
std::string csv_text(const ModelFile& file, std::size_t elements) {
  Table table({{"section", Table::Align::left},
               {"name", Table::Align::left},
               {"type", Table::Align::left},
               {"value_or_shape", Table::Align::left},
               {"bytes", Table::Align::right},
               {file.files().size() > 1 ? "part:offset" : "offset", Table::Align::right}});
  for (const GgufEntry& entry : file.metadata()) {
    const auto text = entry.value.as_string();
    table.add({"metadata", printable(entry.key), entry.value.type_name(),
               text ? printable(*text) : entry.value.to_string(elements), "", ""});
  }
  for (const GgufTensor& tensor : file.tensors())
    table.add({"tensor", printable(tensor.name), std::string(dtype_name(tensor.view.dtype())),
               tensor.view.shape().to_string(), std::to_string(tensor.view.bytes()), place(file, tensor)});
  for (const auto& [type, total] : totals_by_type(file))
    table.add({"total", std::string(dtype_name(type)), std::to_string(total.tensors) + " tensors",
               std::to_string(total.elements), std::to_string(total.bytes), ""});
  return table.csv();
}

std::string inspect(const InspectOptions& options) {
  OpenModelOptions open;
  if (options.tokenizer) open.tokenizer = *options.tokenizer;
  const ModelFile file = open_model_file(options.model, open);
  switch (options.format) {
    case Format::json: return json_text(file, options.elements);
    case Format::csv: return csv_text(file, options.elements);
    case Format::md:
      return summary(file) + "\n\n" + metadata_table(file, options.elements).markdown() + '\n' +
             tensor_table(file).markdown() + '\n' + totals_table(file).markdown();
    case Format::text: break;
  }
  return summary(file) + "\n\n" + metadata_table(file, options.elements).text() + '\n' + tensor_table(file).text() +
         '\n' + totals_table(file).text();
}

}  // namespace

void add_inspect(const Command& program) {
  auto options = std::make_shared<InspectOptions>();
  const Command command = program.add_command("inspect", "Show the metadata and the tensors of a model file");
  add_model(command, options->model, "GGUF file, llama2.c checkpoint, or Hugging Face folder");
  command.add_option("--elements", options->elements, "Array elements to show (default 8)").type_name("N");
  add_vocabulary(command, options->tokenizer);
  add_threads(command, options->threads);  // as every command; reading a table of contents takes one
  add_format(command, options->format);
  command.callback([options] { put("{}", inspect(*options)); });
}

}  // namespace plumb::cli
