#include "diff_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <string_view>

#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/perf/law.hpp"
#include "text_file.hpp"
#include "units.hpp"

namespace plumb::cli {
namespace {

/// A value as it is shown and matched.
std::string shown(const Json& value) {
  if (value.is_string()) return printable(value.get<std::string>());
  if (value.is_number_float()) return plain_number(value.get<double>());
  return printable(value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

/// A field that must be there.
const Json& field(const Json& json, const char* name) {
  const auto found = json.is_object() ? json.find(name) : json.end();
  if (!json.is_object() || found == json.end())
    throw Error(ErrorCode::missing_key, fmt::format("field '{}' is missing", name));
  return *found;
}

const Json& list(const Json& json, const char* name) {
  const Json& found = field(json, name);
  if (!found.is_array()) throw Error(ErrorCode::wrong_type, fmt::format("field '{}' is no array", name));
  return found;
}

double number(const Json& json, const char* name) {
  const Json& found = field(json, name);
  if (!found.is_number() || !std::isfinite(found.get<double>()))
    throw Error(ErrorCode::wrong_type, fmt::format("field '{}' is no number", name));
  return found.get<double>();
}

/// Where it is there and not null.
bool has(const Json& json, const char* name) {
  return json.is_object() && json.contains(name) && !json[name].is_null();
}

std::vector<double> numbers(const Json& json, const char* name) {
  std::vector<double> all;
  for (const Json& value : list(json, name)) {
    if (!value.is_number()) throw Error(ErrorCode::wrong_type, fmt::format("field '{}' has what is no number", name));
    all.push_back(value.get<double>());
  }
  return all;
}

DiffRow row_of(const Json& json, std::initializer_list<const char*> settings) {
  DiffRow row;
  for (const char* name : settings) row.settings.emplace_back(name, shown(field(json, name)));
  return row;
}

/// What samples say of their mean; a median is a quarter less certain.
void set_error(DiffNumber& number, const std::vector<double>& samples, bool median) {
  const auto n = static_cast<double>(samples.size());
  if (n < 2) return;
  const double mean = std::accumulate(samples.begin(), samples.end(), 0.0) / n;
  double power = 0;
  for (const double sample : samples) power += (sample - mean) * (sample - mean);
  number.error = (median ? 1.2533 : 1.0) * std::sqrt(power / (n - 1) / n);
  number.degrees = n - 1;
}

/// Tokens per second from the seconds of each run.
DiffNumber rate(const std::string& name, double per_second, double tokens, const std::vector<double>& seconds) {
  DiffNumber number{name, "tokens/s", per_second, Sense::faster, std::nullopt, 1, false};
  std::vector<double> rates;
  for (const double s : seconds)
    if (s > 0) rates.push_back(tokens / s);
  set_error(number, rates, true);
  return number;
}

/// {"value": ..., "error": ...}, the error from many tokens.
DiffNumber estimate(const std::string& name, const Json& json, Sense more) {
  return {name, "", number(json, "value"), more, number(json, "error"), 1000, false};
}

DiffRow bench_row(const Json& json) {
  DiffRow row =
      row_of(json, {"model_type", "weight_types", "test", "type_k", "n_threads", "n_batch", "n_ubatch", "isa"});
  DiffNumber speed{"speed", "tokens/s", number(json, "avg_ts"), Sense::faster, std::nullopt, 1, false};
  set_error(speed, numbers(json, "samples_ts"), false);
  row.numbers = {std::move(speed)};
  return row;
}

DiffRow measured_row(const Json& json) {
  DiffRow row = row_of(json, {"name", "weight_type", "kv_type", "depth", "threads", "sequences", "tier"});
  for (const auto& [key, name] : {std::pair("prefill", "prompt"), {"decode", "decode"}}) {
    if (!has(json, key)) continue;
    const Json& pass = json[key];
    const double tokens = number(pass, "tokens");
    row.settings.emplace_back(name, shown(pass["tokens"]));
    row.numbers.push_back(rate(name, number(pass, "tokens_per_second"), tokens, numbers(pass, "seconds")));
  }
  row.numbers.push_back({"weights", "bytes", number(json, "weight_bytes"), Sense::larger, std::nullopt, 1, true});
  return row;
}

std::vector<DiffRow> measure_rows(const Json& json) {
  std::vector<DiffRow> rows;
  for (const Json& result : list(json, "results")) rows.push_back(measured_row(result));
  return rows;
}

std::vector<DiffRow> sweep_rows(const Json& json) {
  std::vector<DiffRow> rows;
  for (const Json& point : list(json, "points")) {
    if (!has(point, "measured")) continue;
    DiffRow row = measured_row(point["measured"]);
    row.settings.emplace(row.settings.begin(), "point", shown(field(point, "label")));
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<DiffRow> card_rows(const Json& json) {
  std::vector<DiffRow> rows;
  for (const Json& card : list(json, "cards")) {
    DiffRow row = row_of(card, {"type", "method", "threads", "tier"});
    for (const auto& [key, name] : {std::pair("prefill", "prompt"), {"decode", "decode"}}) {
      const std::string prefix = key;
      const double tokens = number(card, (prefix + "_tokens").c_str());
      row.numbers.push_back(rate(name, number(card, (prefix + "_tokens_per_second").c_str()), tokens,
                                 numbers(card, (prefix + "_seconds").c_str())));
    }
    row.numbers.push_back({"size", "bytes", number(card, "bytes"), Sense::larger, std::nullopt, 1, true});
    const Json& logits = field(card, "logits");
    row.numbers.push_back(estimate("KL divergence", field(logits, "kl_mean"), Sense::worse));
    row.numbers.push_back(estimate("perplexity", field(logits, "other_perplexity"), Sense::worse));
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<DiffRow> machine_rows(const Json& json) {
  std::vector<DiffRow> rows;
  const auto add = [&](const char* what, const Json& item, std::initializer_list<const char*> settings,
                       const char* value, const char* unit, double scale, Sense more) {
    DiffRow row = row_of(item, settings);
    row.settings.emplace(row.settings.begin(), "what", what);
    row.numbers.push_back({what, unit, number(item, value) * scale, more, std::nullopt, 1, false});
    rows.push_back(std::move(row));
  };
  for (const Json& point : list(json, "bandwidths"))
    add("bandwidth", point, {"threads", "working_set"}, "bytes_per_second", "GB/s", 1e-9, Sense::faster);
  for (const Json& peak : list(json, "peaks"))
    add("peak", peak, {"isa", "kind", "threads"}, "per_second", "GOP/s", 1e-9, Sense::faster);
  for (const Json& kernel : list(json, "kernels"))
    add("kernel", kernel, {"isa", "type", "threads", "columns", "inputs", "working_set"}, "macs_per_second", "GMAC/s",
        1e-9, Sense::faster);
  for (const Json& sync : list(json, "syncs")) add("barrier", sync, {"threads"}, "barrier", "us", 1e6, Sense::slower);
  return rows;
}

std::vector<DiffRow> verify_rows(const Json& json) {
  std::vector<DiffRow> rows;
  for (const Json& item : list(json, "cases")) {
    DiffRow row = row_of(item, {"case"});
    const double measured = number(item, "measured_seconds");
    row.numbers.push_back(
        {"measured", "ms", 1e3 * measured, Sense::slower, 1e3 * measured * number(item, "spread"), 4, false});
    row.numbers.push_back(
        {"predicted", "ms", 1e3 * number(item, "predicted_seconds"), Sense::larger, std::nullopt, 1, false});
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<DiffRow> predict_rows(const Json& json) {
  DiffRow row = row_of(json, {"model", "type", "kv", "threads", "context", "prompt", "sequences"});
  const auto time = [&](const char* name, const char* key) {
    if (has(json, key)) row.numbers.push_back({name, "ms", 1e3 * number(json, key), Sense::slower, {}, 1, false});
  };
  time("first token", "time_to_first_token");
  time("token", "time_per_token");
  time("token at the end", "time_per_token_full_context");
  row.numbers.push_back(
      {"memory", "bytes", number(field(json, "memory_bytes"), "total"), Sense::larger, std::nullopt, 1, true});
  return {row};
}

std::vector<DiffRow> bench_rows(const Json& json) {
  if (!json.contains("results")) return {bench_row(json)};
  std::vector<DiffRow> rows;
  for (const Json& result : list(json, "results")) rows.push_back(bench_row(result));
  return rows;
}

struct Schema {
  std::string_view name;
  std::vector<DiffRow> (*rows)(const Json&);
};
constexpr Schema kSchemas[] = {{"plumb.bench", bench_rows},     {"plumb.measure", measure_rows},
                               {"plumb.sweep", sweep_rows},     {"plumb.report-card", card_rows},
                               {"plumb.machine", machine_rows}, {"plumb.verify", verify_rows},
                               {"plumb.predict", predict_rows}};

/// The documents of a file: one, those of an array, or one a line.
std::vector<Json> documents(const std::string& text) {
  Json whole = Json::parse(text, nullptr, false);
  if (whole.is_array()) return whole.get<std::vector<Json>>();
  if (!whole.is_discarded()) return {std::move(whole)};
  std::vector<Json> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    if (end > at) lines.push_back(Json::parse(text.substr(at, end - at), nullptr, false));
    if (!lines.empty() && lines.back().is_discarded()) return {};
    at = end + 1;
  }
  return lines;
}

void read_into(DiffFile& file, const std::string& text) {
  const std::vector<Json> all = documents(text);
  if (all.empty()) throw Error(ErrorCode::bad_value, "is no JSON, or none that has something to compare");
  for (const Json& document : all) {
    const Json& name = field(document, "schema");
    const auto schema = std::find_if(std::begin(kSchemas), std::end(kSchemas), [&](const Schema& s) {
      return name.is_string() && name.get<std::string>() == s.name;
    });
    if (schema == std::end(kSchemas)) {
      std::string known;
      for (const Schema& s : kSchemas) known += (known.empty() ? "" : ", ") + std::string(s.name);
      throw Error(ErrorCode::bad_value, fmt::format("field 'schema' is {}, expected one of {}", shown(name), known));
    }
    if (number(document, "schema_version") != kJsonVersion)
      throw Error(ErrorCode::unsupported_version, fmt::format("field 'schema_version' is {}, expected {}",
                                                              shown(document["schema_version"]), kJsonVersion));
    if (file.schema.empty()) {
      file.schema = schema->name;
      file.time = shown(field(document, "time"));
      for (const char* part : {"program", "machine", "profile", "settings"}) file.head[part] = field(document, part);
    } else if (file.schema != schema->name) {
      throw Error(ErrorCode::bad_value, fmt::format("has both {} and {}", file.schema, schema->name));
    }
    for (DiffRow& row : schema->rows(document)) file.rows.push_back(std::move(row));
  }
}

/// Every leaf of a tree by its path.
void flatten(const Json& json, const std::string& path, std::map<std::string, std::string>& leaves) {
  if (json.is_object()) {
    for (const auto& [key, value] : json.items()) flatten(value, path.empty() ? key : path + "." + key, leaves);
    return;
  }
  // What is never twice the same says nothing.
  if (!path.ends_with("load_average") && !path.ends_with("memory_available_bytes")) leaves[path] = shown(json);
}

std::vector<std::string> conditions(const Json& a, const Json& b) {
  std::map<std::string, std::string> before, after;
  flatten(a, "", before);
  flatten(b, "", after);
  std::vector<std::string> all;
  const auto text = [](const std::map<std::string, std::string>& of, const std::string& path) {
    const auto found = of.find(path);
    return found == of.end() ? std::string("nothing") : found->second;
  };
  for (const auto& [path, value] : before)
    if (text(after, path) != value) all.push_back(fmt::format("{}: {} -> {}", path, value, text(after, path)));
  for (const auto& [path, value] : after)
    if (!before.contains(path)) all.push_back(fmt::format("{}: nothing -> {}", path, value));
  return all;
}

/// Rows by what names them; of several that are named alike, the first stands beside the first.
std::map<std::string, const DiffRow*> by_settings(const DiffFile& file) {
  std::map<std::string, const DiffRow*> rows;
  for (const DiffRow& row : file.rows) {
    std::string key;
    for (const auto& [name, value] : row.settings) key.append(name).append("=").append(value).append("\n");
    while (!rows.emplace(key, &row).second) key += '+';
  }
  return rows;
}

/// Settings that name rows: those that are not the same in all, and the first where all are.
std::set<std::string> telling(const DiffFile& a, const DiffFile& b) {
  std::map<std::string, std::set<std::string>> values;
  for (const DiffFile* file : {&a, &b})
    for (const DiffRow& row : file->rows)
      for (const auto& [name, value] : row.settings) values[name].insert(value);
  std::set<std::string> names;
  for (const auto& [name, of] : values)
    if (of.size() > 1) names.insert(name);
  if (names.empty() && !a.rows.empty()) names.insert(a.rows.front().settings.front().first);
  return names;
}

std::string name_of(const DiffRow& row, const std::set<std::string>& telling) {
  std::string name;
  for (const auto& [setting, value] : row.settings) {
    if (!telling.contains(setting)) continue;
    const bool bare = value.find_first_not_of("0123456789.") != std::string::npos;  // tells by itself what it is
    name += (name.empty() ? "" : " ") + (bare ? value : setting + " " + value);
  }
  return name;
}

/// The half width, as a share of the old value, of the interval that holds 95% of what chance alone would give.
double chance(const DiffNumber& a, const DiffNumber& b) {
  const double va = a.error ? *a.error * *a.error : 0, vb = b.error ? *b.error * *b.error : 0;
  if (va + vb <= 0 || a.value == 0) return 0;
  // Welch 1947.
  const double degrees = (va + vb) * (va + vb) / (va * va / a.degrees + vb * vb / b.degrees);
  const double t = student_quantile(0.95, std::max(1, static_cast<int>(degrees)));
  return t * std::sqrt(va + vb) / std::abs(a.value);
}

std::string verdict(Sense more, bool grown) {
  switch (more) {
    case Sense::faster: return grown ? "faster" : "slower";
    case Sense::slower: return grown ? "slower" : "faster";
    case Sense::better: return grown ? "better" : "worse";
    case Sense::worse: return grown ? "worse" : "better";
    case Sense::larger: break;
  }
  return grown ? "larger" : "smaller";
}

DiffChange change_of(const std::string& row, const DiffNumber& a, const DiffNumber& b, std::optional<double> noise) {
  constexpr double kDrift = 0.02, kUnknown = 0.05;
  DiffChange c{row, a.name, a.unit, a.value, b.value, 0, 0, "", 0};
  c.change = a.value != 0 ? (b.value - a.value) / std::abs(a.value) : b.value == 0 ? 0 : 1;
  if (!a.exact) c.noise = std::max(chance(a, b), noise.value_or(a.error || b.error ? kDrift : kUnknown));
  const bool changed = std::abs(c.change) > c.noise;
  c.verdict = a.value == b.value ? "same" : changed ? verdict(a.more, c.change > 0) : "within noise";
  if (changed && c.verdict == "slower") c.slower = std::abs(c.change);
  return c;
}

}  // namespace

DiffFile read_diff_file(const std::string& path) {
  DiffFile file;
  file.path = printable(path, 4096);
  const std::string text = read_text(path);
  try {
    read_into(file, text);
  } catch (const Error& error) {
    throw Error(error.code(), file.path + ": " + error.what());
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::wrong_type, file.path + ": " + printable(error.what()));
  }
  return file;
}

Diff compare(const DiffFile& old_file, const DiffFile& new_file, std::optional<double> noise) {
  if (old_file.schema != new_file.schema)
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{} is of schema {}, {} of {}: expected two of one schema", old_file.path, old_file.schema,
                            new_file.path, new_file.schema));
  Diff diff;
  diff.conditions = conditions(old_file.head, new_file.head);
  const auto before = by_settings(old_file), after = by_settings(new_file);
  const std::set<std::string> names = telling(old_file, new_file);
  std::set<const DiffRow*> matched;
  std::map<const DiffRow*, const DiffRow*> partner;
  for (const auto& [key, row] : before)
    if (const auto found = after.find(key); found != after.end()) {
      partner[row] = found->second;
      matched.insert(found->second);
    }
  for (const DiffRow& row : old_file.rows) {  // in the order of the file
    const std::string name = name_of(row, names);
    const auto other = partner.find(&row);
    if (other == partner.end()) {
      diff.only_old.push_back(name);
      continue;
    }
    for (const DiffNumber& a : row.numbers)
      for (const DiffNumber& b : other->second->numbers)
        if (a.name == b.name) diff.changes.push_back(change_of(name, a, b, noise));
  }
  for (const DiffRow& row : new_file.rows)
    if (!matched.contains(&row)) diff.only_new.push_back(name_of(row, names));
  return diff;
}

}  // namespace plumb::cli
