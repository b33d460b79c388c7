#include "src/quantize/legacy_importance.hpp"

#include <cmath>
#include <cstring>
#include <string_view>
#include <utility>

#include "plumb/core/printable.hpp"
#include "plumb/io/byte_reader.hpp"

namespace plumb::inline PLUMB_ABI::detail {
namespace {

constexpr std::int32_t kMostEntries = 1 << 18;
constexpr std::int32_t kLongestName = 4096;

std::string read_name(ByteReader& reader, const char* field) {
  const auto length = reader.number<std::int32_t>(field);
  if (length < 1 || length > kLongestName)
    reader.fail(ErrorCode::bad_value, std::string(field) + " has length " + std::to_string(length) +
                                          ", expected 1 to " + std::to_string(kLongestName));
  const auto bytes = reader.take(static_cast<std::uint64_t>(length), field);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

ImportanceEntry read_values(ByteReader& reader, const std::string& name) {
  const auto calls = reader.number<std::int32_t>("number of calls");
  const auto count = reader.number<std::int32_t>("number of values");
  if (calls < 0 || count < 1)
    reader.fail(ErrorCode::bad_value, "entry " + quote(name) + " has " + std::to_string(calls) + " calls and " +
                                          std::to_string(count) + " values, expected at least one value");
  const auto bytes = reader.take(static_cast<std::uint64_t>(count) * sizeof(float), "values");
  ImportanceEntry entry;
  entry.columns = count;
  entry.sums.resize(static_cast<std::size_t>(count));
  std::memcpy(entry.sums.data(), bytes.data(), bytes.size());
  entry.counts.assign(1, static_cast<float>(calls));
  for (const float value : entry.sums)
    if (!(value >= 0) || !std::isfinite(value))
      reader.fail(ErrorCode::bad_value, "entry " + quote(name) + " holds " + std::to_string(value) +
                                            ", expected finite numbers that are not negative");
  return entry;
}

}  // namespace

void read_legacy_importance(std::span<const std::byte> bytes, const std::string& file,
                            std::map<std::string, ImportanceEntry, std::less<>>& entries,
                            std::vector<std::string>& datasets, std::uint32_t& chunk_count) {
  ByteReader reader(bytes, file);
  const auto count = reader.number<std::int32_t>("number of entries");
  if (count < 1 || count > kMostEntries)
    reader.fail(ErrorCode::bad_magic, "is neither a GGUF file nor an importance file of the older form");
  reader.require(static_cast<std::uint64_t>(count), 4 * sizeof(std::int32_t), "number of entries");
  for (std::int32_t i = 0; i < count; ++i) {
    std::string name = read_name(reader, "name of an entry");
    ImportanceEntry entry = read_values(reader, name);
    if (!entries.emplace(name, std::move(entry)).second)
      reader.fail(ErrorCode::duplicate, "entry " + quote(name) + " stands twice");
  }
  if (reader.remaining() == 0) return;  // the oldest files end here
  const auto chunks = reader.number<std::int32_t>("number of chunks");
  if (chunks < 0) reader.fail(ErrorCode::bad_value, "number of chunks is " + std::to_string(chunks));
  chunk_count = static_cast<std::uint32_t>(chunks);
  if (reader.remaining() > 0) datasets.push_back(read_name(reader, "name of the text"));
}

}  // namespace plumb::detail
