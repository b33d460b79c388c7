#pragma once
/// @file
/// The machine profile: what this machine's memory, arithmetic and threads can do at best, measured, saved, compared.
/// A prediction divides the ledger by it.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/blocks/op.hpp"
#include "plumb/core/dtype.hpp"
#include "plumb/perf/system_info.hpp"

namespace plumb::inline PLUMB_ABI {

/// Kinds of arithmetic whose peak rate is measured. A multiply-add is two operations. f32, bf16 and int8 are loops over
/// registers; int4 is what decoding does with 4-bit weights in the first cache: unpack, then dot with one column.
enum class Arithmetic { f32, bf16, int8, int4 };

constexpr std::string_view arithmetic_name(Arithmetic kind) {
  switch (kind) {
    case Arithmetic::f32: return "f32";
    case Arithmetic::bf16: return "bf16";
    case Arithmetic::int8: return "int8";
    case Arithmetic::int4: return "int4";
  }
  return "unknown";
}

/// Bytes per second when `threads` threads read `working_set` bytes (all together, each its own part) again and again.
struct BandwidthPoint {
  int threads = 1;
  double working_set = 0;
  double bytes_per_second = 0;
  bool operator==(const BandwidthPoint&) const = default;
};

/// Operations per second of a register-only loop in one kernel tier.
struct PeakRate {
  std::string isa;
  Arithmetic kind = Arithmetic::f32;
  int threads = 1;
  double per_second = 0;
  bool operator==(const PeakRate&) const = default;
};

/// Multiply-adds per second of the matmul kernel of one weight type: `columns` tokens against calibration matrices of
/// `inputs` columns and `working_set` bytes together, which are read one after the other again and again. One column is
/// decoding. Unpacking the weights is part of it, and so is fetching them from wherever a working set of that size
/// lives: `bandwidth` is what the plain read loop got from the same bytes at the same time.
struct KernelRate {
  std::string isa;
  DType type = DType::f32;
  int threads = 1;
  int columns = 1;
  double macs_per_second = 0;
  double working_set = 0;
  double inputs = 0;     ///< k of the matrices; 0: as long as it takes
  double bandwidth = 0;  ///< bytes per second; 0: what the profile says about the working set
  bool operator==(const KernelRate&) const = default;
};

/// Time of attention: `group` query heads of one row share a KV head (`rows` = 1), or many rows at once (`rows` > 1).
/// Keys and values come from a cache of `working_set` bytes, which is walked layer by layer.
struct AttentionCost {
  std::string isa;
  DType kv = DType::f16;
  int threads = 1;
  int head_dim = 0, group = 1, rows = 1;
  double start = 0;        ///< seconds of each KV head, whatever the positions
  double score = 0;        ///< seconds of each (row, KV head, position), all query heads of the group
  double working_set = 0;  ///< bytes
  double bandwidth = 0;    ///< of the read loop, as in KernelRate
  bool rounded = false;    ///< by bf16 dots
  bool operator==(const AttentionCost&) const = default;
};

/// Time of an operation in the forward pass of a probe model: one occurrence of `op` on `rows` rows of `elements`
/// values each took `seconds` of the worker that had most to do. Of products and attention, which have rates of their
/// own, it is what they took beyond these: activations that lie in another core's cache, weights not yet on their way.
struct StepCost {
  Op op = Op::attn_norm;
  bool int8 = true;  ///< products want int8 activations, not f32 ones
  int threads = 1;
  int rows = 1;
  double elements = 0;
  double seconds = 0;
  bool operator==(const StepCost&) const = default;
};

/// Seconds that a team of threads needs to meet.
struct SyncCost {
  int threads = 1;
  double barrier = 0;  ///< one barrier inside a region
  double region = 0;   ///< to open and close a parallel region
  double layer = 0;    ///< meetings of one layer of a real pass, with the workers' skew; 0: not measured
  double pass = 0;     ///< meetings of a real pass outside its layers, the region's opening included; 0: not measured
  double skew = 0;     ///< waiting for the slower worker, as a share of the time worked
  bool operator==(const SyncCost&) const = default;
};

/// A measured machine.
struct PLUMB_API Machine {
  static constexpr int kSchema = 3;  ///< version of the JSON layout; other versions are refused

  SystemInfo system;
  std::string isa;                         ///< best kernel tier
  std::string build;                       ///< identifies the code whose kernels were measured
  std::vector<BandwidthPoint> bandwidths;  ///< ordered by threads, then working set
  std::vector<PeakRate> peaks;
  std::vector<KernelRate> kernels;
  std::vector<AttentionCost> attention;
  std::vector<StepCost> steps;
  std::vector<SyncCost> syncs;
  double measured_at = 0;        ///< seconds since 1970
  double measuring_seconds = 0;  ///< how long the measurement took

  /// Thread counts that were measured, rising.
  std::vector<int> thread_counts() const;
  /// The largest measured thread count.
  int max_threads() const;
  /// Read bandwidth for a working set that is read again and again, interpolated between measured sizes on a
  /// logarithmic scale and between thread counts linearly. 0 when nothing was measured.
  double bandwidth(double working_set, int threads) const;
  /// Bandwidth far beyond every cache.
  double memory_bandwidth(int threads) const;
  /// Peak operations per second in the best tier; 0 when not measured.
  double peak(Arithmetic kind, int threads) const;
  /// Multiply-adds per second of the kernel for `type` at `columns` columns and `inputs` of the matrix (0: very many)
  /// when all weights of a pass are `working_set` bytes. The time of a multiply-add follows the time that the read loop
  /// takes for a byte; it is linear in the logarithm of the columns and in 1 / inputs. 0 when not measured.
  double kernel_rate(DType type, double columns, int threads, double working_set = 0, double inputs = 0) const;
  /// Seconds of attention: `scores` (row, KV head, position) triples in `starts` (row, KV head) pairs, with `group`
  /// query heads to each; `many` rows at once or one, by bf16 dots if `rounded`; keys and values are part of
  /// `working_set` bytes. 0 when not measured.
  double attention_seconds(DType kv, int head_dim, double group, bool many, bool rounded, double starts, double scores,
                           double working_set, int threads) const;
  /// Seconds of one occurrence of a step on `rows` rows of `elements` values. 0 when not measured.
  double step_seconds(Op op, bool int8, double rows, double elements, int threads) const;
  /// Seconds of all meetings of a pass through `layers` layers in which the busiest worker works for `busy` seconds.
  double meeting_seconds(double layers, double busy, int threads) const;
  double barrier_seconds(int threads) const;
  double region_seconds(int threads) const;

  /// Fewest threads that reach 97% of the best memory bandwidth: beyond it decoding of large models gains nothing.
  int decode_saturation() const;
  /// Fewest threads that reach 97% of the best int8 (or f32) rate: beyond it reading prompts gains nothing.
  int prefill_saturation() const;
  /// Sentences about what makes this profile or a run with `threads` threads doubtful: oversubscription, load, quota.
  std::vector<std::string> warnings(int threads) const;
  /// Whether `other` is the same kind of machine, so that a saved profile of one serves the other. The code is compared
  /// apart, by `build`.
  bool same_machine(const SystemInfo& other, std::string_view other_isa) const;

  std::string to_json() const;
  /// @throws Error{bad_value, missing_key, wrong_type, duplicate, unsupported_version} naming `where` and the field.
  static Machine from_json(std::string_view text, std::string_view where);
};

/// How to measure. The library never prints: progress goes to the callback.
struct MachineOptions {
  std::vector<int> threads;    ///< thread counts; empty: 1, 2, 4, ... and all usable processors
  bool kernels = true;         ///< measure the kernels too: products of every weight type, attention, probe models
  double max_working_set = 0;  ///< bytes of memory to read at most; 0: four times the last cache, within reason
  std::function<void(double fraction, std::string_view what)> progress = {};
};

/// Measures this machine. @throws Error{out_of_memory, invalid_argument, unsupported_isa}.
PLUMB_API Machine measure_machine(const MachineOptions& options = {});

/// The profile with what changes on a shared machine measured again, for one team: the bandwidth beyond the cores' own
/// caches, which is what the neighbours leave (some tenths of a second); and where a barrier takes another time than
/// then, since the host has moved the processors to other cores, everything that goes from core to core: steps and
/// meetings (a second). @throws Error{out_of_memory}.
PLUMB_API Machine refreshed(Machine machine, int threads);

/// Identifies the code of this build of plumb: what the linker noted in the program or library that holds it. Empty
/// when it noted nothing.
PLUMB_API std::string build_id();

/// Where this user's profile lies: $XDG_CACHE_HOME/plumb/machine.json or ~/.cache/plumb/machine.json. Empty when
/// neither variable is set.
PLUMB_API std::filesystem::path machine_cache_path();

/// Writes a profile as JSON, through a temporary file. Creates the folder. @throws Error{io}.
PLUMB_API void save_machine(const Machine& machine, const std::filesystem::path& path);

/// Reads a profile. @throws as Machine::from_json, and Error{io, truncated}.
PLUMB_API Machine load_machine(const std::filesystem::path& path);

/// The saved profile of this user if it is of this machine and of this build of plumb, else a fresh measurement
/// (saved when that is possible).
PLUMB_API Machine load_or_measure_machine(const MachineOptions& options = {});

}  // namespace plumb
