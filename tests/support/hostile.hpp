#pragma once
/// What every hostile file must meet: the right error code, a message that names the culprit, bounded memory and time.

#include <gtest/gtest.h>
#include <time.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plumb/core/error.hpp"
#include "tests/support/aligned_copy.hpp"
#include "tests/support/allocation_meter.hpp"
#include "tests/support/gguf_builder.hpp"

namespace plumb::test {

/// One bad file: a valid one with one thing spoilt.
struct BadFile {
  std::string name;                   ///< of the test: letters, digits, underscores
  ErrorCode code;                     ///< what must be thrown
  std::string mention;                ///< what the message must contain
  std::function<std::string()> make;  ///< the bytes

  friend void PrintTo(const BadFile& bad, std::ostream* out) { *out << bad.name; }
};

/// What spoils a good file.
using Change = std::function<void(GgufBuilder&)>;

/// A key's or a tensor's name as part of a test's.
inline std::string test_name(std::string name) {
  for (char& c : name)
    if (c == '.') c = '_';
  return name;
}

/// Bad files under their names, most of them one good file with one thing spoilt.
class BadFiles {
 public:
  /// `prefix`: how the names of all of them begin.
  explicit BadFiles(std::function<GgufBuilder()> good, std::string prefix = "")
      : good_(std::move(good)), prefix_(std::move(prefix)) {}

  /// The good file after `change`.
  void spoil(const std::string& name, ErrorCode code, const std::string& mention, const Change& change) {
    make(name, code, mention, [good = good_, change] {
      GgufBuilder file = good();
      change(file);
      return file.bytes();
    });
  }
  /// Bytes of any origin.
  void make(const std::string& name, ErrorCode code, const std::string& mention, std::function<std::string()> bytes) {
    all_.push_back({prefix_ + name, code, mention, std::move(bytes)});
  }
  /// A key of the architecture whose value counts something: absent if it is needed, zero, too large, negative, of
  /// another type.
  void spoil_count(const std::string& architecture, const std::string& field, bool needed = true) {
    const std::string key = architecture + "." + field, name = test_name(field) + "_";
    if (needed) spoil(name + "missing", ErrorCode::missing_key, field, [key](GgufBuilder& file) { file.erase(key); });
    spoil(name + "0", ErrorCode::bad_value, field, [key](GgufBuilder& file) { file.set_u32(key, 0); });
    spoil(name + "2_31", ErrorCode::bad_value, field, [key](GgufBuilder& file) { file.set_u32(key, 1u << 31); });
    spoil(name + "negative", ErrorCode::bad_value, field,
          [key](GgufBuilder& file) { file.set(key, value_type::i32, encoded(std::int32_t{-2})); });
    spoil(name + "of_floats", ErrorCode::wrong_type, field, [key](GgufBuilder& file) { file.set_f32(key, 4); });
    spoil(name + "of_text", ErrorCode::wrong_type, field, [key](GgufBuilder& file) { file.set_string(key, "4"); });
  }
  /// A tensor with other dimensions, innermost first.
  void reshape(const std::string& name, const std::string& tensor,
               const std::function<void(std::vector<std::uint64_t>&)>& change) {
    spoil(name, ErrorCode::bad_shape, tensor, [=](GgufBuilder& file) {
      std::vector<std::uint64_t> dims = file.tensor(tensor).dims;
      change(dims);
      std::mt19937 random(1);
      file.erase_tensor(tensor);
      file.add_random(tensor, dims, random);
    });
  }
  /// A tensor longer, with one row more, of a rank more; `part`: of its name, for the test's.
  void spoil_shape(const std::string& part, const std::string& tensor) {
    const std::string name = test_name(part) + "_";
    reshape(name + "too_long", tensor, [](auto& dims) { ++dims[0]; });
    reshape(name + "one_more", tensor, [](auto& dims) { ++dims.back(); });
    reshape(name + "of_a_rank_more", tensor, [](auto& dims) {
      dims.resize(3, 1);
      dims.push_back(2);
    });
  }
  const std::vector<BadFile>& all() const { return all_; }

 private:
  std::function<GgufBuilder()> good_;
  std::string prefix_;
  std::vector<BadFile> all_;
};

/// A well-formed file of few keys and three tensors: a of 128 bytes at 0, b of 60 at 128, c of 32 at 192.
inline GgufBuilder small_gguf() {
  GgufBuilder file;
  std::mt19937 random(7);
  file.set_string("general.architecture", "llama");
  file.set_u32("llama.block_count", 1);
  file.set_bool("flag", true);
  file.add_random("a", {8, 4}, random);
  file.add_random("b", {3, 5}, random);
  file.add_random("c", {8}, random);
  return file;
}

/// Bounds that no input may exceed: the 64 MiB + twice the file, and a second.
inline constexpr std::size_t kMemoryBase = std::size_t{64} << 20;
inline constexpr double kSeconds = 1.0;

/// Processor time of this thread: does not depend on what else the machine does.
inline double thread_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// What became of a file.
struct Outcome {
  std::optional<ErrorCode> code;  ///< nothing: accepted
  std::string message;
};

/// Runs `read` on a file's bytes and checks the bounds. Anything but plumb::Error fails the test.
template <class Read>
Outcome read_bounded(std::string_view file, Read&& read) {
  const AlignedCopy copy(file);
  Outcome outcome;
  const double begin = thread_seconds();
  const AllocationMeter meter;
  try {
    read(copy.bytes());
  } catch (const Error& e) {
    outcome = {e.code(), e.what()};
  } catch (const std::exception& e) {
    ADD_FAILURE() << "threw something else than plumb::Error: " << e.what();
  }
  EXPECT_LE(meter.peak(), kMemoryBase + 2 * file.size());
  EXPECT_LE(thread_seconds() - begin, kSeconds);
  return outcome;
}

/// The whole check of one bad file.
template <class Read>
void expect_refused(const BadFile& bad, Read&& read) {
  const Outcome outcome = read_bounded(bad.make(), read);
  ASSERT_TRUE(outcome.code) << "the file was accepted, expected " << error_code_name(bad.code);
  EXPECT_EQ(error_code_name(*outcome.code), error_code_name(bad.code)) << outcome.message;
  EXPECT_NE(outcome.message.find(bad.mention), std::string::npos)
      << "the message does not mention \"" << bad.mention << "\": " << outcome.message;
}

}  // namespace plumb::test
