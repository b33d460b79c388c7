#include "predict_stored.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "json_output.hpp"
#include "say.hpp"
#include "units.hpp"

namespace plumb::cli {
namespace {

using Align = Table::Align;

Table type_table(const StoredModel& model) {
  Table table({{"type", Align::left},
               {"tensors", Align::right},
               {"parameters", Align::right},
               {"bytes", Align::right},
               {"bits/weight", Align::right}});
  for (const StoredType& type : model.types)
    table.add({std::string(dtype_name(type.type)), std::to_string(type.tensors), std::to_string(type.parameters),
               fmt::format("{:.0f}", type.bytes), number_cell(dtype_info(type.type).bits_per_weight())});
  return table;
}

Json json_of(const StoredModel& model, double bytes, const std::string& why, double seconds, int threads) {
  Json types = Json::array();
  for (const StoredType& type : model.types)
    types.push_back({{"type", dtype_name(type.type)},
                     {"tensors", type.tensors},
                     {"parameters", type.parameters},
                     {"bytes", type.bytes}});
  return {{"model", model.name},
          {"architecture", model.architecture},
          {"runs_here", false},
          {"reason", why},
          {"file_bytes", bytes},
          {"tensor_bytes", model.bytes},
          {"parameters", {{"total", model.parameters}}},
          {"types", types},
          {"experts", model.experts},
          {"experts_used", model.experts_used},
          {"token_bytes", model.token_bytes},
          {"threads", threads},
          {"time_per_token_at_least", seconds},
          {"left_out", model.left_out}};
}

}  // namespace

void print_stored(const StoredModel& model, double bytes, const std::string& why, const Machine& machine, int threads,
                  Format format) {
  if (threads <= 0) threads = machine.decode_saturation();
  const double seconds = model.seconds_per_token(machine, threads);
  if (format == Format::json)
    return put("{}",
               json_document("stored", {{"threads", threads}}, json_of(model, bytes, why, seconds, threads), &machine));
  if (format == Format::csv) return put("{}", type_table(model).csv());
  const std::string name = model.name.empty() ? model.architecture : model.name;
  put("{}: {} parameters, {:.4g} GB as a file", name, count_text(static_cast<double>(model.parameters)), bytes / 1e9);
  put("; it cannot be run here: {}\n\n", why);
  if (model.parameters > 0) put("{}\n", type_table(model).as(format));
  if (seconds <= 0) return;
  std::string share;
  if (model.experts_used > 0) share = fmt::format(", {} of {} experts", model.experts_used, model.experts);
  put("each token reads {}{}: at {:.1f} GB/s ({} thread{}) it takes at least {}, {:.3g} tokens/s\n",
      decimal_size(model.token_bytes), share, model.token_bytes / seconds / 1e9, threads, threads == 1 ? "" : "s",
      time_text(seconds), 1 / seconds);
  put("(bytes and bandwidth alone: keys and values and arithmetic are not counted)\n");
}

}  // namespace plumb::cli
