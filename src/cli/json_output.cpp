#include "json_output.hpp"

#include <ctime>
#include <nlohmann/json.hpp>

#include "options.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/version.hpp"
#include "plumb/cpu/kernel_table.hpp"

namespace plumb::cli {
namespace {

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

Json machine_json(const SystemInfo& s) {
  Json caches = Json::array();
  for (const CacheInfo& cache : s.caches)
    caches.push_back({{"level", cache.level}, {"bytes", cache.bytes}, {"shared_by", cache.shared_by}});
  return {{"cpu", s.cpu},
          {"processors", s.processors},
          {"usable", s.usable},
          {"cores", s.cores},
          {"packages", s.packages},
          {"cpu_quota", s.cpu_quota > 0 ? Json(s.cpu_quota) : Json()},
          {"caches", std::move(caches)},
          {"memory_bytes", s.memory_bytes},
          {"memory_available_bytes", s.memory_available},
          {"page_bytes", s.page_bytes},
          {"huge_pages", text_or_null(s.huge_pages)},
          {"governor", text_or_null(s.governor)},
          {"virtual_machine", s.virtual_machine},
          {"load_average", s.load_average}};
}

/// null where the environment asks for kernels that there are not.
Json isa_json() {
  try {
    return isa_name(choose_isa());
  } catch (const Error&) {
    return nullptr;
  }
}

Json profile_json(const Machine& m) {
  return {{"cpu", m.system.cpu},
          {"isa", m.isa},
          {"threads", m.max_threads()},
          {"build", m.build},
          {"time", utc_time(m.measured_at)},
          {"load_average", m.system.load_average}};
}

}  // namespace

std::string utc_time(double seconds) {
  const auto whole = static_cast<std::time_t>(seconds);
  std::tm t{};
  ::gmtime_r(&whole, &t);
  char text[sizeof "2026-01-15T09:05:07Z" + 16];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &t);
  return text;
}

Json json_head(std::string_view what, const Json& settings, const Machine* profile) {
  return {{"schema", "plumb." + std::string(what)},
          {"schema_version", kJsonVersion},
          {"program", {{"name", "plumb"}, {"version", version()}, {"build", build_id()}, {"isa", isa_json()}}},
          {"time", utc_time(static_cast<double>(std::time(nullptr)))},
          {"machine", machine_json(read_system_info())},
          {"profile", profile ? profile_json(*profile) : Json()},
          {"settings", settings.is_null() ? Json::object() : settings}};
}

Json run_settings(const RunOptions& run) {
  return {{"type", text_or_null(run.type)},
          {"kv", kv_type_name(run.session.kv)},
          {"threads", run.session.threads > 0 ? Json(run.session.threads) : Json()},
          {"exact", run.exact},
          {"repack", !run.no_repack}};
}

std::string json_document(std::string_view what, const Json& settings, const Json& fields, const Machine* profile) {
  Json document = json_head(what, settings, profile);
  document.update(fields);
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace plumb::cli
