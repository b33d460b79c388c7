#include "plumb/io/gguf_ranges.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "plumb/core/memory.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/io/gguf.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// The first range, and the largest of those that follow each other.
constexpr std::size_t kFirstRange = std::size_t{64} << 10, kLargestRange = std::size_t{512} << 10;
/// What is looked at to tell strings from other things.
constexpr std::size_t kLook = 4096;
/// Values up to here are read, longer ones are stepped over. Arrays of so many strings are read one by one.
constexpr std::uint64_t kReadBytes = std::uint64_t{64} << 10, kReadStrings = 2048;
/// Longest token or merge that is taken for one.
constexpr std::uint64_t kLongestString = 1024;
/// So many strings in a row are no coincidence.
constexpr int kEnoughStrings = 8;

std::uint64_t number_at(std::span<const std::byte> bytes, std::size_t at) {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

/// Bytes of a file, of which no more are fetched than may be.
class Ranges {
 public:
  Ranges(std::string name, RangeReader reader, std::uint64_t most, std::uint64_t& fetched)
      : name_(std::move(name)), reader_(std::move(reader)), most_(most), fetched_(fetched) {}

  std::uint64_t size() const { return reader_.size; }
  [[noreturn]] void fail(ErrorCode code, const std::string& what) const { throw Error(code, name_ + ": " + what); }

  /// Bytes [at, at + count) of what is read from front to back; valid until the next call.
  std::span<const std::byte> next(std::uint64_t at, std::size_t count) {
    if (at > size() || count > size() - at)
      fail(ErrorCode::truncated, "the header needs " + std::to_string(count) + " bytes at " + std::to_string(at) +
                                     ", the file has " + std::to_string(size()));
    if (at < begin_ || at > begin_ + window_.size()) {  // a step over something
      window_.clear();
      begin_ = at;
      range_ = kFirstRange / 2;
    }
    while (begin_ + window_.size() < at + count) {
      const std::uint64_t from = begin_ + window_.size(), missing = at + count - from;
      std::uint64_t want = std::max<std::uint64_t>(missing, range_);
      if (want > left()) want = missing;
      range_ = std::min(2 * range_, kLargestRange);
      window_.erase(window_.begin(), window_.begin() + static_cast<std::ptrdiff_t>(at - begin_));
      begin_ = at;
      const std::vector<std::byte> more = look(from, want);
      window_.insert(window_.end(), more.begin(), more.end());
    }
    return std::span<const std::byte>(window_).subspan(static_cast<std::size_t>(at - begin_), count);
  }

  /// Up to `count` bytes from `at` on, apart from the others.
  std::vector<std::byte> look(std::uint64_t at, std::uint64_t count) {
    count = std::min(count, size() - at);
    if (count > left())
      fail(ErrorCode::unsupported_type, "keys and the list of tensors take more than the " + std::to_string(most_) +
                                            " bytes that are fetched at most; download the file");
    std::vector<std::byte> bytes(static_cast<std::size_t>(count));
    if (count > 0) reader_.read(at, bytes);
    fetched_ += count;
    return bytes;
  }

 private:
  std::uint64_t left() const { return most_ - std::min(most_, fetched_); }

  std::string name_;
  RangeReader reader_;
  std::uint64_t most_;
  std::uint64_t& fetched_;
  std::uint64_t begin_ = 0;
  std::size_t range_ = kFirstRange;
  std::vector<std::byte> window_;
};

/// Strings one after the other from a place on.
struct StringRun {
  std::vector<std::size_t> starts;
  std::size_t filled = 0;   ///< of them not empty
  bool to_the_end = false;  ///< the last of them leaves the bytes

  bool convinces() const {
    return starts.size() >= static_cast<std::size_t>(kEnoughStrings) && 2 * filled >= starts.size();
  }
};

StringRun strings_from(std::span<const std::byte> bytes, std::size_t at) {
  StringRun run;
  while (true) {
    if (bytes.size() - at < 8) {
      run.to_the_end = true;
      return run;
    }
    const std::uint64_t length = number_at(bytes, at);
    if (length > kLongestString) return run;
    run.starts.push_back(at);
    run.filled += length > 0 ? 1 : 0;
    if (length > bytes.size() - at - 8) {
      run.to_the_end = true;
      return run;
    }
    at += 8 + static_cast<std::size_t>(length);
  }
}

/// The first place of which on there are strings to the end; nothing where these are no strings.
std::optional<std::size_t> first_string(std::span<const std::byte> bytes) {
  for (std::size_t at = 0; at <= kLongestString + 8 && at + 8 <= bytes.size(); ++at) {
    const StringRun run = strings_from(bytes, at);
    if (run.to_the_end && run.convinces()) return at;
  }
  return std::nullopt;
}

/// Reads a header and keeps what is short.
class ShortHeader {
 public:
  explicit ShortHeader(Ranges& ranges) : ranges_(ranges) {}

  /// The header without the long arrays, padded, and the bytes of the data behind it.
  std::pair<std::vector<std::byte>, std::uint64_t> read() {
    const auto head = copy(24);
    if (std::memcmp(head.data(), "GGUF", 4) != 0) {
      // Nothing more is read: GgufFile says what is wrong.
      return {std::move(out_), 0};
    }
    const std::uint64_t tensors = number_at(head, 8), pairs = number_at(head, 16);
    if (tensors > kGgufMaxTensors || pairs > kGgufMaxKeys) return {std::move(out_), 0};
    std::uint64_t kept = 0;
    for (pairs_left_ = pairs; pairs_left_ > 0;) {
      --pairs_left_;
      const std::size_t mark = out_.size();
      if (read_pair())
        ++kept;
      else
        out_.resize(mark);
    }
    std::memcpy(out_.data() + 16, &kept, sizeof kept);
    for (std::uint64_t i = 0; i < tensors; ++i) {
      copy_string(kGgufMaxName, "name of tensor " + std::to_string(i));
      const auto rank = copy_number<std::uint32_t>();
      if (rank > Shape::kMaxRank)
        ranges_.fail(ErrorCode::bad_shape,
                     "tensor " + std::to_string(i) + " has " + std::to_string(rank) + " dimensions, expected 1 to 4");
      copy(std::size_t{8} * rank + 4 + 8);
    }
    const std::uint64_t data = round_up<std::uint64_t>(at_, alignment_);
    out_.resize(round_up<std::size_t>(out_.size(), alignment_));
    return {std::move(out_), ranges_.size() > data ? ranges_.size() - data : 0};
  }

 private:
  std::span<const std::byte> copy(std::size_t count) {
    const auto bytes = ranges_.next(at_, count);
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    at_ += count;
    return std::span<const std::byte>(out_).last(count);
  }
  template <class T>
  T copy_number() {
    T value;
    std::memcpy(&value, copy(sizeof value).data(), sizeof value);
    return value;
  }
  std::string_view copy_string(std::uint64_t most, const std::string& what) {
    const auto length = copy_number<std::uint64_t>();
    if (length > most)
      ranges_.fail(ErrorCode::bad_value, what + " has " + std::to_string(length) + " bytes, at most " +
                                             std::to_string(most) + " are allowed");
    const auto bytes = copy(static_cast<std::size_t>(length));
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  /// false: it was stepped over.
  bool read_pair() {
    const std::string key(copy_string(kGgufMaxName, "the name of a key"));
    const auto type = copy_number<std::uint32_t>();
    const auto is = [&](GgufType other) { return type == static_cast<std::uint32_t>(other); };
    if (type > static_cast<std::uint32_t>(GgufType::f64)) bad_type(key, type);
    if (is(GgufType::string)) return read_string();
    if (is(GgufType::array)) return read_array(key);
    const auto value = copy(gguf_type_bytes(static_cast<GgufType>(type)));
    if (key == "general.alignment" && is(GgufType::u32)) {
      std::uint32_t alignment = 0;
      std::memcpy(&alignment, value.data(), sizeof alignment);
      if (std::has_single_bit(alignment) && alignment <= kGgufMaxAlignment) alignment_ = alignment;
    }
    return true;
  }
  bool read_string() {
    const auto length = copy_number<std::uint64_t>();
    if (length > kReadBytes) return step(length);
    copy(static_cast<std::size_t>(length));
    return true;
  }
  bool read_array(const std::string& key) {
    const auto type = copy_number<std::uint32_t>();
    const auto count = copy_number<std::uint64_t>();
    if (type > static_cast<std::uint32_t>(GgufType::f64)) bad_type(key, type);
    const auto element = static_cast<GgufType>(type);
    const std::uint64_t least = std::max<std::size_t>(gguf_type_bytes(element), 1);
    if (count > ranges_.size() / least)
      ranges_.fail(ErrorCode::truncated, "key " + quote(key) + " announces " + std::to_string(count) +
                                             " elements, more than the file has bytes");
    if (element == GgufType::array)
      ranges_.fail(ErrorCode::unsupported_type, "key " + quote(key) + " is an array of arrays; download the file");
    if (element != GgufType::string) {
      const std::uint64_t bytes = count * gguf_type_bytes(element);
      if (bytes > kReadBytes) return step(bytes);
      copy(static_cast<std::size_t>(bytes));
      return true;
    }
    if (count > kReadStrings) {
      at_ = end_of_strings(key, count);
      return false;
    }
    for (std::uint64_t i = 0; i < count; ++i) copy_string(kReadBytes, "a string of key " + quote(key));
    return true;
  }
  bool step(std::uint64_t bytes) {
    if (bytes > ranges_.size() - at_) ranges_.fail(ErrorCode::truncated, "a value reaches beyond the end of the file");
    at_ += bytes;
    return false;
  }
  [[noreturn]] void bad_type(const std::string& key, std::uint32_t type) const {
    ranges_.fail(ErrorCode::bad_value, "key " + quote(key) + ": value type " + std::to_string(type) +
                                           " is unknown, the format has types 0 to 12");
  }

  /// Whether a name of the next key, or of the first tensor where there are no more keys, stands there.
  bool is_name(std::span<const std::byte> bytes, std::size_t at) const {
    const std::uint64_t length = number_at(bytes, at);
    if (length == 0 || length > 256 || bytes.size() - at < 8 + length + 4) return false;
    const std::string_view text(reinterpret_cast<const char*>(bytes.data() + at + 8), static_cast<std::size_t>(length));
    const auto usual = [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
    };
    if (text.find('.') == std::string_view::npos || !std::all_of(text.begin(), text.end(), usual)) return false;
    std::uint32_t next = 0;
    std::memcpy(&next, bytes.data() + at + 8 + length, sizeof next);
    return pairs_left_ > 0 ? next <= static_cast<std::uint32_t>(GgufType::f64) : next >= 1 && next <= Shape::kMaxRank;
  }

  /// Where the strings of an array that begins here end. Looks at places ahead that are near enough not to miss what
  /// is between two arrays of strings (numbers, at least four bytes for each token), then in between.
  std::uint64_t end_of_strings(const std::string& key, std::uint64_t count) {
    const std::uint64_t size = ranges_.size(), stride = std::max<std::uint64_t>(2 * count, kLook);
    const auto is_string = [&](std::uint64_t at) { return first_string(ranges_.look(at, kLook)).has_value(); };
    if (count > (size - at_) / 8)
      ranges_.fail(ErrorCode::truncated, "key " + quote(key) + " announces " + std::to_string(count) +
                                             " strings, more than the file has room for");
    std::uint64_t inside = at_, outside = at_ + 8 * count;  // each has its length in front
    while (outside < size && is_string(outside)) {
      inside = outside;
      outside = std::min(size, outside + stride);
    }
    while (outside - inside > 2 * kLook) {
      const std::uint64_t middle = inside + (outside - inside) / 2;
      (is_string(middle) ? inside : outside) = middle;
    }
    const std::vector<std::byte> bytes = ranges_.look(inside, outside - inside + 2 * kLook);
    const std::span<const std::byte> all(bytes);
    const auto first =
        inside == at_ ? std::optional<std::size_t>(0) : first_string(all.first(std::min(kLook, all.size())));
    if (first) {
      const StringRun run = strings_from(all, *first);
      // A name of what follows reads as a string, and so may a few bytes behind it.
      const std::size_t tries = std::min<std::size_t>(run.starts.size(), 4);
      for (std::size_t back = 1; back <= tries; ++back) {
        const std::size_t at = run.starts[run.starts.size() - back];
        if (is_name(all, at)) return inside + at;
      }
    }
    ranges_.fail(ErrorCode::unsupported_type,
                 "where the strings of key " + quote(key) + " end cannot be seen; download the file");
  }

  Ranges& ranges_;
  std::vector<std::byte> out_;
  std::uint64_t at_ = 0, pairs_left_ = 0;
  std::uint32_t alignment_ = kGgufDefaultAlignment;
};

}  // namespace

RangedModel open_gguf_by_ranges(const std::string& name, const OpenRanges& open, std::uint64_t most) {
  std::uint64_t bytes = 0, fetched = 0;
  const auto open_part = [&](const std::filesystem::path& path) {
    const std::string shown = printable(path.native(), 4096);
    RangeReader reader = open(path.native());
    if (reader.size == 0) throw Error(ErrorCode::truncated, shown + ": the file is empty");
    bytes += reader.size;
    if (reader.size < 24)
      throw Error(ErrorCode::truncated,
                  shown + ": the file has " + std::to_string(reader.size) + " bytes, fewer than a header");
    Ranges ranges(shown, std::move(reader), most, fetched);
    const auto [head, data] = ShortHeader(ranges).read();
    return FileMapping::beginning(head, head.size() + static_cast<std::size_t>(data), path);
  };
  GgufOptions options;
  options.open_part = open_part;
  const GgufFile file = GgufFile::open(open_part(name), options);
  return {file, bytes, fetched};
}

}  // namespace plumb
