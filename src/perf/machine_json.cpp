// The machine profile as JSON. The layout has a version; every number is checked when read.

#include <cmath>
#include <nlohmann/json.hpp>

#include "../io/json_reader.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/perf/machine.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMaxThreads = 65536;
constexpr double kMaxRate = 1e21;  // operations or bytes per second; beyond any machine, and its sums stay finite

Json system_json(const SystemInfo& system) {
  Json caches = Json::array();
  for (const CacheInfo& cache : system.caches)
    caches.push_back({{"level", cache.level}, {"bytes", cache.bytes}, {"shared_by", cache.shared_by}});
  return {{"cpu", system.cpu},
          {"processors", system.processors},
          {"usable", system.usable},
          {"cores", system.cores},
          {"packages", system.packages},
          {"cpu_quota", system.cpu_quota},
          {"caches", caches},
          {"memory_bytes", system.memory_bytes},
          {"memory_available", system.memory_available},
          {"page_bytes", system.page_bytes},
          {"huge_pages", system.huge_pages},
          {"governor", system.governor},
          {"virtual_machine", system.virtual_machine},
          {"load_average", system.load_average}};
}

/// A number within [0, high].
double amount(const JsonFields& json, std::string_view key, double high) {
  const double value = json.get_number(key);
  if (value < 0 || value > high) json.refuse(key, "is outside 0 to " + std::to_string(high));
  return value;
}

/// A number within (0, high].
double rate(const JsonFields& json, std::string_view key, double high = kMaxRate) {
  const double value = amount(json, key, high);
  if (value <= 0) json.refuse(key, "is not above zero");
  return value;
}

JsonFields need_object(const JsonFields& json, std::string_view key) {
  if (auto object = json.object(key)) return *object;
  throw Error(ErrorCode::missing_key, json.where() + ": field '" + std::string(key) + "' is missing");
}

SystemInfo read_system(const JsonFields& json) {
  SystemInfo system;
  system.cpu = printable(json.get_string("cpu"));
  system.processors = json.get_int("processors", 1, kMaxThreads);
  system.usable = json.get_int("usable", 1, kMaxThreads);
  system.cores = json.get_int("cores", 1, kMaxThreads);
  system.packages = json.get_int("packages", 1, kMaxThreads);
  system.cpu_quota = amount(json, "cpu_quota", kMaxThreads);
  for (const JsonFields& cache : json.objects_or_empty("caches"))
    system.caches.push_back(
        {cache.get_int("level", 1, 16), rate(cache, "bytes"), cache.get_int("shared_by", 1, kMaxThreads)});
  system.memory_bytes = amount(json, "memory_bytes", kMaxRate);
  system.memory_available = amount(json, "memory_available", kMaxRate);
  system.page_bytes = rate(json, "page_bytes");
  system.huge_pages = printable(json.string_or("huge_pages", ""));
  system.governor = printable(json.string_or("governor", ""));
  system.virtual_machine = json.bool_or("virtual_machine", false);
  system.load_average = amount(json, "load_average", 1e9);
  return system;
}

Arithmetic read_arithmetic(const JsonFields& json) {
  const std::string name = json.get_string("kind");
  for (const Arithmetic kind : {Arithmetic::f32, Arithmetic::bf16, Arithmetic::int8, Arithmetic::int4})
    if (arithmetic_name(kind) == name) return kind;
  json.refuse("kind", "is " + plumb::quote(name) + ", expected f32, bf16, int8 or int4");
}

DType read_type(const JsonFields& json, std::string_view key) {
  const std::string name = json.get_string(key);
  if (const auto type = dtype_from_name(name)) return *type;
  json.refuse(key, "is " + plumb::quote(name) + ", expected the name of a type");
}

Op read_op(const JsonFields& json) {
  const std::string name = json.get_string("op");
  for (const Op op : kAllOps)
    if (op_name(op) == name) return op;
  json.refuse("op", "is " + plumb::quote(name) + ", expected the name of an operation");
}

}  // namespace

std::string Machine::to_json() const {
  Json json = {{"plumb_machine", kSchema},
               {"isa", isa},
               {"build", build},
               {"measured_at", measured_at},
               {"measuring_seconds", measuring_seconds},
               {"system", system_json(system)}};
  for (const char* list : {"bandwidths", "peaks", "kernels", "attention", "steps", "syncs"}) json[list] = Json::array();
  for (const BandwidthPoint& point : bandwidths)
    json["bandwidths"].push_back(
        {{"threads", point.threads}, {"working_set", point.working_set}, {"bytes_per_second", point.bytes_per_second}});
  for (const PeakRate& peak : peaks)
    json["peaks"].push_back({{"isa", peak.isa},
                             {"kind", arithmetic_name(peak.kind)},
                             {"threads", peak.threads},
                             {"per_second", peak.per_second}});
  for (const KernelRate& kernel : kernels)
    json["kernels"].push_back({{"isa", kernel.isa},
                               {"type", dtype_name(kernel.type)},
                               {"threads", kernel.threads},
                               {"columns", kernel.columns},
                               {"working_set", kernel.working_set},
                               {"inputs", kernel.inputs},
                               {"bandwidth", kernel.bandwidth},
                               {"macs_per_second", kernel.macs_per_second}});
  for (const AttentionCost& cost : attention)
    json["attention"].push_back({{"isa", cost.isa},
                                 {"kv", dtype_name(cost.kv)},
                                 {"threads", cost.threads},
                                 {"head_dim", cost.head_dim},
                                 {"group", cost.group},
                                 {"rows", cost.rows},
                                 {"working_set", cost.working_set},
                                 {"bandwidth", cost.bandwidth},
                                 {"rounded", cost.rounded},
                                 {"start", cost.start},
                                 {"score", cost.score}});
  for (const StepCost& step : steps)
    json["steps"].push_back({{"op", op_name(step.op)},
                             {"int8", step.int8},
                             {"threads", step.threads},
                             {"rows", step.rows},
                             {"elements", step.elements},
                             {"seconds", step.seconds}});
  for (const SyncCost& sync : syncs)
    json["syncs"].push_back({{"threads", sync.threads},
                             {"barrier", sync.barrier},
                             {"region", sync.region},
                             {"layer", sync.layer},
                             {"pass", sync.pass},
                             {"skew", sync.skew}});
  return json.dump(1, ' ', false, Json::error_handler_t::replace);
}

Machine Machine::from_json(std::string_view text, std::string_view where) {
  const nlohmann::json root = parse_json_object(text, where);
  const JsonFields json(root, std::string(where));
  const int schema = json.get_int("plumb_machine", 0, 1 << 30);
  if (schema != kSchema)
    throw Error(ErrorCode::unsupported_version, std::string(where) + ": field 'plumb_machine' is " +
                                                    std::to_string(schema) + ", expected " + std::to_string(kSchema));
  Machine machine;
  machine.isa = printable(json.get_string("isa"));
  machine.build = printable(json.string_or("build", ""));
  machine.measured_at = amount(json, "measured_at", 1e12);
  machine.measuring_seconds = amount(json, "measuring_seconds", 1e9);
  machine.system = read_system(need_object(json, "system"));
  for (const JsonFields& point : json.objects_or_empty("bandwidths"))
    machine.bandwidths.push_back(
        {point.get_int("threads", 1, kMaxThreads), rate(point, "working_set"), rate(point, "bytes_per_second")});
  for (const JsonFields& peak : json.objects_or_empty("peaks"))
    machine.peaks.push_back({printable(peak.get_string("isa")), read_arithmetic(peak),
                             peak.get_int("threads", 1, kMaxThreads), rate(peak, "per_second")});
  for (const JsonFields& kernel : json.objects_or_empty("kernels"))
    machine.kernels.push_back({printable(kernel.get_string("isa")), read_type(kernel, "type"),
                               kernel.get_int("threads", 1, kMaxThreads), kernel.get_int("columns", 1, 1 << 20),
                               rate(kernel, "macs_per_second"), amount(kernel, "working_set", kMaxRate),
                               amount(kernel, "inputs", kMaxRate), amount(kernel, "bandwidth", kMaxRate)});
  for (const JsonFields& cost : json.objects_or_empty("attention"))
    machine.attention.push_back(
        {printable(cost.get_string("isa")), read_type(cost, "kv"), cost.get_int("threads", 1, kMaxThreads),
         cost.get_int("head_dim", 1, 1 << 20), cost.get_int("group", 1, 1 << 20), cost.get_int("rows", 1, 1 << 20),
         amount(cost, "start", 1e3), amount(cost, "score", 1e3), amount(cost, "working_set", kMaxRate),
         amount(cost, "bandwidth", kMaxRate), cost.bool_or("rounded", false)});
  for (const JsonFields& step : json.objects_or_empty("steps"))
    machine.steps.push_back({read_op(step), step.bool_or("int8", true), step.get_int("threads", 1, kMaxThreads),
                             step.get_int("rows", 1, 1 << 20), rate(step, "elements"), amount(step, "seconds", 1e3)});
  for (const JsonFields& sync : json.objects_or_empty("syncs"))
    machine.syncs.push_back({sync.get_int("threads", 1, kMaxThreads), amount(sync, "barrier", 1e3),
                             amount(sync, "region", 1e3), amount(sync, "layer", 1e3), amount(sync, "pass", 1e3),
                             amount(sync, "skew", 1e3)});
  if (machine.bandwidths.empty())
    throw Error(ErrorCode::missing_key, std::string(where) + ": field 'bandwidths' is missing or empty");
  if (machine.peak(Arithmetic::f32, 1) <= 0)
    throw Error(ErrorCode::missing_key, std::string(where) + ": field 'peaks' has no f32 rate of isa " + machine.isa);
  return machine;
}

}  // namespace plumb
