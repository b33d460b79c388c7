/// `plumb machine`: measures this machine's ceilings and shows them.

#include <fmt/format.h>

#include <unistd.h>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "commands.hpp"
#include "json_output.hpp"
#include "options.hpp"
#include "plumb/core/error.hpp"
#include "plumb/perf/machine.hpp"
#include "progress.hpp"
#include "say.hpp"
#include "table.hpp"
#include "units.hpp"

namespace plumb::cli {
namespace {

struct MachineCommand {
  std::vector<int> threads;
  std::string file;
  Format format = Format::text;
  bool save = false, saved = false;
};

std::string caches_text(const SystemInfo& system) {
  std::string text;
  for (const CacheInfo& cache : system.caches)
    text += fmt::format("{}L{} {} per {} processor{}", text.empty() ? "" : ", ", cache.level, binary_size(cache.bytes),
                        cache.shared_by, cache.shared_by == 1 ? "" : "s");
  return text.empty() ? "unknown" : text;
}

std::string system_text(const Machine& machine) {
  const SystemInfo& s = machine.system;
  std::string text = fmt::format("{}{}: {} processors ({} usable), {} cores, {} package{}\n",
                                 s.cpu.empty() ? "unknown CPU" : s.cpu, s.virtual_machine ? " (virtual machine)" : "",
                                 s.processors, s.usable, s.cores, s.packages, s.packages == 1 ? "" : "s");
  text += fmt::format("caches   {}\n", caches_text(s));
  text += fmt::format("memory   {} ({} available), pages {}, huge pages {}\n", binary_size(s.memory_bytes),
                      binary_size(s.memory_available), binary_size(s.page_bytes),
                      s.huge_pages.empty() ? "unknown" : s.huge_pages);
  text += fmt::format("governor {}   kernels {}   load {:.2f}   measured in {:.1f} s\n",
                      s.governor.empty() ? "not shown" : s.governor, machine.isa, s.load_average,
                      machine.measuring_seconds);
  return text;
}

Table bandwidth_table(const Machine& machine) {
  std::vector<Table::Column> columns{{"working set", Table::Align::right}};
  const std::vector<int> counts = machine.thread_counts();
  for (const int count : counts)
    columns.emplace_back(fmt::format("GB/s, {} thread{}", count, count == 1 ? "" : "s"), Table::Align::right);
  Table table(std::move(columns));
  for (const BandwidthPoint& point : machine.bandwidths) {
    if (point.threads != counts.front()) continue;
    std::vector<Cell> cells{binary_size(point.working_set)};
    for (const int count : counts)
      cells.push_back(fmt::format("{:.1f}", machine.bandwidth(point.working_set, count) / 1e9));
    table.add(std::move(cells));
  }
  return table;
}

Table rate_table(const Machine& machine) {
  Table table({{"tier", Table::Align::left},
               {"arithmetic", Table::Align::left},
               {"threads", Table::Align::right},
               {"GOP/s", Table::Align::right}});
  for (const PeakRate& rate : machine.peaks)
    table.add({rate.isa, std::string(arithmetic_name(rate.kind)), std::to_string(rate.threads),
               fmt::format("{:.0f}", rate.per_second / 1e9)});
  return table;
}

Table sync_table(const Machine& machine) {
  Table table(
      {{"threads", Table::Align::right}, {"barrier", Table::Align::right}, {"parallel region", Table::Align::right}});
  for (const SyncCost& sync : machine.syncs)
    table.add({std::to_string(sync.threads), time_text(sync.barrier), time_text(sync.region)});
  return table;
}

/// The profile behind the head of every document; it is read again by what predicts.
std::string json_text(const Machine& machine) {
  return json_document("machine", {{"threads", machine.thread_counts()}}, Json::parse(machine.to_json()), &machine);
}

/// CSV: one table of all that was measured.
std::string csv_text(const Machine& machine) {
  Table table({{"what", Table::Align::left},
               {"tier", Table::Align::left},
               {"threads", Table::Align::right},
               {"working set, bytes", Table::Align::right},
               {"GB/s", Table::Align::right},
               {"GOP/s", Table::Align::right},
               {"barrier, s", Table::Align::right},
               {"parallel region, s", Table::Align::right}});
  for (const BandwidthPoint& point : machine.bandwidths)
    table.add({"bandwidth", "", std::to_string(point.threads), plain_number(point.working_set),
               plain_number(point.bytes_per_second / 1e9), "", "", ""});
  for (const PeakRate& rate : machine.peaks)
    table.add({"peak " + std::string(arithmetic_name(rate.kind)), rate.isa, std::to_string(rate.threads), "", "",
               plain_number(rate.per_second / 1e9), "", ""});
  for (const SyncCost& sync : machine.syncs)
    table.add({"meeting", "", std::to_string(sync.threads), "", "", "", plain_number(sync.barrier),
               plain_number(sync.region)});
  return table.csv();
}

void print(const Machine& machine, Format format) {
  if (format == Format::json) return put("{}", json_text(machine));
  if (format == Format::csv) return put("{}", csv_text(machine));
  const auto show = [&](const Table& table) { put("{}\n", table.as(format)); };
  if (format == Format::text) put("{}\n", system_text(machine));
  show(bandwidth_table(machine));
  show(rate_table(machine));
  show(sync_table(machine));
  if (format != Format::text) return;
  put("decoding gains nothing beyond {} threads, reading a prompt nothing beyond {}\n", machine.decode_saturation(),
      machine.prefill_saturation());
  for (const std::string& warning : machine.warnings(machine.max_threads())) put("warning: {}\n", warning);
}

void run(const MachineCommand& command) {
  Machine machine;
  if (!command.file.empty()) {
    machine = load_machine(command.file);
  } else if (command.saved) {
    machine = load_machine(machine_cache_path());
  } else {
    Progress progress;
    machine = measure_machine({.threads = command.threads, .progress = progress.callback()});
  }
  print(machine, command.format);
  if (command.save) {
    const std::filesystem::path path = machine_cache_path();
    if (path.empty()) throw plumb::Error(ErrorCode::io, "no cache folder: neither XDG_CACHE_HOME nor HOME is set");
    save_machine(machine, path);
    say("saved as {}\n", path.string());
  }
}

}  // namespace

void add_machine(const Command& program) {
  auto command = std::make_shared<MachineCommand>();
  const Command sub = program.add_command(
      "machine", "Measure this machine: bandwidth of caches and memory, peak arithmetic, cost of barriers");
  sub.add_option("-t,--threads", command->threads, "Thread counts to measure (default: 1, 2, 4, ... all)")
      .comma_separated()
      .range(1, 4096);
  sub.add_flag("--save", command->save, "Keep the profile for later predictions");
  const Option file = sub.add_option("--file", command->file, "Show this profile instead of measuring");
  sub.add_flag("--saved", command->saved, "Show the saved profile instead of measuring").excludes(file);
  add_format(sub, command->format);
  sub.callback([command] { run(*command); });
}

}  // namespace plumb::cli
