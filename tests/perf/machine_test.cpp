// The machine profile: look-ups, JSON, what it says about threads, and what it reads from /proc and /sys.

#include "plumb/perf/machine.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "plumb/core/error.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::machine_test {
namespace {

/// A made-up machine of round numbers.
Machine round_machine() {
  Machine machine;
  machine.system.cpu = "Round CPU";
  machine.system.processors = machine.system.usable = 8;
  machine.system.cores = 4;
  machine.system.caches = {{1, 32768, 2}, {2, 1048576, 2}, {3, 16777216, 8}};
  machine.system.memory_bytes = 16e9;
  machine.isa = "avx2";
  for (int threads : {1, 2, 4, 8}) {
    const double scale = std::min(threads, 4);
    machine.bandwidths.push_back({threads, 1 << 15, 100e9 * scale});
    machine.bandwidths.push_back({threads, 1 << 20, 50e9 * scale});
    machine.bandwidths.push_back({threads, 1 << 30, threads == 1 ? 10e9 : 20e9});
    machine.peaks.push_back({"avx2", Arithmetic::f32, threads, 64e9 * scale});
    machine.peaks.push_back({"avx2", Arithmetic::int8, threads, 256e9 * scale});
    machine.peaks.push_back({"scalar", Arithmetic::f32, threads, 1e9 * scale});
    for (int columns : {1, 16})
      machine.kernels.push_back({"avx2", DType::q4_0, threads, columns, columns * 10e9 * scale});
    machine.syncs.push_back({threads, threads == 1 ? 0 : 1e-7 * threads, 1e-6 * threads});
  }
  return machine;
}

TEST(Machine, LooksUpBetweenMeasuredPoints) {
  const Machine machine = round_machine();
  EXPECT_DOUBLE_EQ(machine.bandwidth(1 << 15, 1), 100e9);
  EXPECT_DOUBLE_EQ(machine.bandwidth(1, 1), 100e9);
  EXPECT_DOUBLE_EQ(machine.bandwidth(1e15, 1), 10e9);
  EXPECT_NEAR(machine.bandwidth(std::exp2(17.5), 1), 75e9, 1);  // half way between 2^15 and 2^20
  EXPECT_DOUBLE_EQ(machine.bandwidth(1 << 15, 3), 300e9);       // half way between 2 and 4 threads
  EXPECT_DOUBLE_EQ(machine.bandwidth(1 << 15, 100), 400e9);
  EXPECT_DOUBLE_EQ(machine.memory_bandwidth(2), 20e9);
  EXPECT_DOUBLE_EQ(machine.peak(Arithmetic::f32, 1), 64e9);  // of the best tier, not of another
  EXPECT_DOUBLE_EQ(machine.peak(Arithmetic::bf16, 1), 0);
  EXPECT_DOUBLE_EQ(machine.kernel_rate(DType::q4_0, 1, 1), 10e9);
  EXPECT_DOUBLE_EQ(machine.kernel_rate(DType::q4_0, 16, 2), 320e9);
  EXPECT_DOUBLE_EQ(machine.kernel_rate(DType::q4_0, 4, 1), 1 / ((1 / 10e9 + 1 / 160e9) / 2));  // half way in log2
  EXPECT_DOUBLE_EQ(machine.kernel_rate(DType::q8_0, 4, 1), 0);
  EXPECT_DOUBLE_EQ(machine.barrier_seconds(4), 4e-7);
  EXPECT_DOUBLE_EQ(Machine().bandwidth(1e6, 1), 0);
  EXPECT_EQ(Machine().max_threads(), 1);
}

TEST(Machine, SaysWhereMoreThreadsStopPaying) {
  const Machine machine = round_machine();
  EXPECT_EQ(machine.decode_saturation(), 2);
  EXPECT_EQ(machine.prefill_saturation(), 4);
}

TEST(Machine, WarnsAboutOversubscriptionAndLoad) {
  Machine machine = round_machine();
  EXPECT_TRUE(machine.warnings(4).empty());
  EXPECT_EQ(machine.warnings(8).size(), 1u);
  EXPECT_NE(machine.warnings(8)[0].find("hyper-threads"), std::string::npos);
  EXPECT_NE(machine.warnings(9)[0].find("take turns"), std::string::npos);
  machine.system.load_average = 6;
  machine.system.cpu_quota = 2;
  machine.system.governor = "powersave";
  machine.system.huge_pages = "never";
  EXPECT_EQ(machine.warnings(4).size(), 4u);
}

TEST(Machine, JsonGivesEverythingBack) {
  Machine machine = round_machine();
  machine.system.governor = "perfor\"mance\x1b";
  machine.measured_at = 1234567890.5;
  ASSERT_FALSE(machine.syncs.empty());
  machine.syncs.back().skew = 3.5;  // one worker waited longer than it worked: measured beside other programs
  const Machine back = Machine::from_json(machine.to_json(), "profile");
  EXPECT_EQ(back.bandwidths, machine.bandwidths);
  EXPECT_EQ(back.peaks, machine.peaks);
  EXPECT_EQ(back.kernels, machine.kernels);
  EXPECT_EQ(back.syncs, machine.syncs);
  EXPECT_EQ(back.isa, machine.isa);
  EXPECT_EQ(back.measured_at, machine.measured_at);
  EXPECT_EQ(back.system.governor.find('\x1b'), std::string::npos);
  EXPECT_TRUE(back.same_machine(machine.system, "avx2"));
  SystemInfo other = machine.system;
  other.cores = 3;
  EXPECT_FALSE(back.same_machine(other, "avx2"));
  EXPECT_FALSE(back.same_machine(machine.system, "avx512"));
}

TEST(Machine, HostileProfilesAreRefused) {
  using Json = nlohmann::json;
  const Json good = Json::parse(round_machine().to_json());
  struct Case {
    const char* name;
    std::function<void(Json&)> spoil;
    ErrorCode code;
  };
  const Case cases[] = {
      {"no version", [](Json& j) { j.erase("plumb_machine"); }, ErrorCode::missing_key},
      {"future version", [](Json& j) { j["plumb_machine"] = 99; }, ErrorCode::unsupported_version},
      {"version a string", [](Json& j) { j["plumb_machine"] = "1"; }, ErrorCode::wrong_type},
      {"no system", [](Json& j) { j.erase("system"); }, ErrorCode::missing_key},
      {"system a number", [](Json& j) { j["system"] = 4; }, ErrorCode::wrong_type},
      {"no bandwidths", [](Json& j) { j["bandwidths"] = Json::array(); }, ErrorCode::missing_key},
      {"bandwidth zero", [](Json& j) { j["bandwidths"][0]["bytes_per_second"] = 0; }, ErrorCode::bad_value},
      {"bandwidth negative", [](Json& j) { j["bandwidths"][0]["bytes_per_second"] = -5; }, ErrorCode::bad_value},
      {"bandwidth huge", [](Json& j) { j["bandwidths"][0]["bytes_per_second"] = 1e300; }, ErrorCode::bad_value},
      {"threads zero", [](Json& j) { j["bandwidths"][0]["threads"] = 0; }, ErrorCode::bad_value},
      {"threads huge", [](Json& j) { j["peaks"][0]["threads"] = 1 << 30; }, ErrorCode::bad_value},
      {"no peaks", [](Json& j) { j.erase("peaks"); }, ErrorCode::missing_key},
      {"unknown arithmetic", [](Json& j) { j["peaks"][0]["kind"] = "f64"; }, ErrorCode::bad_value},
      {"unknown type", [](Json& j) { j["kernels"][0]["type"] = "Q9_9"; }, ErrorCode::bad_value},
      {"columns zero", [](Json& j) { j["kernels"][0]["columns"] = 0; }, ErrorCode::bad_value},
      {"peaks an object", [](Json& j) { j["peaks"] = Json::object(); }, ErrorCode::wrong_type},
      {"peak a number", [](Json& j) { j["peaks"][0] = 1; }, ErrorCode::wrong_type},
      {"cores zero", [](Json& j) { j["system"]["cores"] = 0; }, ErrorCode::bad_value},
      {"cpu missing", [](Json& j) { j["system"].erase("cpu"); }, ErrorCode::missing_key},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    Json bad = good;
    test.spoil(bad);
    try {
      Machine::from_json(bad.dump(), "bad.json");
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error_code_name(error.code()), error_code_name(test.code)) << error.what();
      EXPECT_NE(std::string(error.what()).find("bad.json"), std::string::npos);
    }
  }
}

TEST(Machine, SavesAndLoadsAFile) {
  const test::TempDir dir;
  const Machine machine = round_machine();
  save_machine(machine, dir / "deep/er/machine.json");
  EXPECT_EQ(load_machine(dir / "deep/er/machine.json").bandwidths, machine.bandwidths);
  EXPECT_THROW(load_machine(dir / "absent.json"), Error);
}

TEST(Machine, CachePathFollowsTheEnvironment) {
  const char* const old = std::getenv("XDG_CACHE_HOME");
  const std::string kept = old ? old : "";
  ::setenv("XDG_CACHE_HOME", "/somewhere", 1);
  EXPECT_EQ(machine_cache_path(), "/somewhere/plumb/machine.json");
  ::setenv("XDG_CACHE_HOME", "relative", 1);  // must be ignored
  EXPECT_NE(machine_cache_path().native().rfind("relative", 0), 0u);
  old ? ::setenv("XDG_CACHE_HOME", kept.c_str(), 1) : ::unsetenv("XDG_CACHE_HOME");
}

TEST(Machine, MeasuresThisOne) {  // sanity only: no figure here depends on how fast the machine is
  double progress = 0;
  MachineOptions options;
  options.threads = {1, 2};
  options.max_working_set = 1 << 20;
  options.kernels = false;
  options.progress = [&](double fraction, std::string_view) {
    EXPECT_GE(fraction, progress);
    progress = fraction;
  };
  const Machine machine = measure_machine(options);
  EXPECT_DOUBLE_EQ(progress, 1.0);
  EXPECT_EQ(machine.thread_counts(), (std::vector<int>{1, 2}));
  for (const BandwidthPoint& point : machine.bandwidths) EXPECT_TRUE(std::isfinite(point.bytes_per_second));
  for (const PeakRate& rate : machine.peaks) EXPECT_GT(rate.per_second, 0) << rate.isa;
  EXPECT_GT(machine.peak(Arithmetic::int8, 1), 0);
  EXPECT_GT(machine.peak(Arithmetic::int4, 2), 0);
  EXPECT_EQ(machine.isa, isa_name(choose_isa()));
  EXPECT_TRUE(Machine::from_json(machine.to_json(), "own").same_machine(read_system_info(), machine.isa));
  EXPECT_THROW(measure_machine({.threads = {0}}), Error);
}

class FakeSystem {
 public:
  void put(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories((dir_ / path).parent_path());
    std::ofstream(dir_ / path) << text;
  }
  SystemInfo read() const { return read_system_info(dir_.path()); }

 private:
  test::TempDir dir_;
};

TEST(SystemInfo, ReadsAHyperthreadedTwoSocketMachine) {
  const FakeSystem fake;
  fake.put("proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU @ 2GHz\nflags\t\t: fpu avx2\n");
  fake.put("proc/meminfo", "MemTotal:       16000 kB\nMemAvailable:   8000 kB\n");
  fake.put("proc/loadavg", "1.25 0.5 0.1 2/300 1234\n");
  fake.put("sys/devices/system/cpu/online", "0-7\n");
  for (int cpu = 0; cpu < 8; ++cpu) {
    const std::string topology = "sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    fake.put(topology + "core_id", std::to_string(cpu % 2) + "\n");
    fake.put(topology + "physical_package_id", std::to_string(cpu / 4) + "\n");
  }
  const std::string cache = "sys/devices/system/cpu/cpu0/cache/index";
  fake.put(cache + "0/type", "Data\n"), fake.put(cache + "0/level", "1\n"), fake.put(cache + "0/size", "48K\n");
  fake.put(cache + "0/shared_cpu_list", "0,2\n");
  fake.put(cache + "1/type", "Instruction\n"), fake.put(cache + "1/level", "1\n");
  fake.put(cache + "2/type", "Unified\n"), fake.put(cache + "2/level", "3\n"), fake.put(cache + "2/size", "32M\n");
  fake.put(cache + "2/shared_cpu_list", "0-3\n");
  fake.put("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n");
  fake.put("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  fake.put("sys/fs/cgroup/cpu.max", "150000 100000\n");
  const SystemInfo info = fake.read();
  EXPECT_EQ(info.cpu, "Some CPU @ 2GHz");
  EXPECT_EQ(info.processors, 8);
  EXPECT_EQ(info.cores, 4);
  EXPECT_EQ(info.packages, 2);
  EXPECT_EQ(info.caches, (std::vector<CacheInfo>{{1, 48 * 1024, 2}, {3, 32.0 * (1 << 20), 4}}));
  EXPECT_EQ(info.memory_bytes, 16000.0 * 1024);
  EXPECT_EQ(info.governor, "powersave");
  EXPECT_EQ(info.huge_pages, "madvise");
  EXPECT_EQ(info.load_average, 1.25);
  EXPECT_EQ(info.cpu_quota, 1.5);
  EXPECT_EQ(info.useful_threads(), 2);
  EXPECT_FALSE(info.virtual_machine);
}

TEST(SystemInfo, SurvivesNonsenseAndNothing) {
  const FakeSystem empty;
  EXPECT_EQ(empty.read().processors, 1);
  EXPECT_EQ(empty.read().useful_threads(), 1);
  const FakeSystem odd;
  odd.put("sys/devices/system/cpu/online", "7-3,x,-,5-99999999,,2");
  odd.put("sys/devices/system/cpu/cpu0/cache/index0/type", "Data");
  odd.put("sys/devices/system/cpu/cpu0/cache/index0/level", "-1");
  odd.put("sys/devices/system/cpu/cpu0/cache/index0/size", "99999999999999999999K");
  odd.put("sys/fs/cgroup/cpu.max", "max 100000");
  odd.put("proc/meminfo", std::string(100000, '\xff'));
  const SystemInfo info = odd.read();
  EXPECT_EQ(info.processors, 1);
  EXPECT_TRUE(info.caches.empty());
  EXPECT_EQ(info.cpu_quota, 0);
}

}  // namespace
}  // namespace plumb::machine_test
