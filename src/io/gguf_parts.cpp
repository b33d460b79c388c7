// Split models. Keys and names: llama.cpp, tools/gguf-split.

#include <algorithm>
#include <string>
#include <utility>

#include "plumb/core/printable.hpp"
#include "plumb/io/gguf.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr std::string_view kNumber = "split.no", kCount = "split.count", kTensors = "split.tensors.count";

/// How the name of a part ends; `number` counts from 0.
std::string part_ending(std::int64_t number, std::int64_t count) {
  const auto five_digits = [](std::int64_t n) {
    const std::string digits = std::to_string(n);
    return std::string(5 - std::min<std::size_t>(digits.size(), 5), '0') + digits;
  };
  return "-" + five_digits(number + 1) + "-of-" + five_digits(count) + ".gguf";
}

/// The path of another part beside part `from`. @throws Error{bad_value} when that is not named as parts are.
std::filesystem::path part_path(const GgufFile& file, std::int64_t from, std::int64_t to, std::int64_t count) {
  const std::filesystem::path& path = file.files().front()->path();
  const std::string ending = part_ending(from, count);
  std::string name = path.filename().native();
  if (!name.ends_with(ending))
    file.fail_key(ErrorCode::bad_value, kCount,
                  std::to_string(count) + " parts, of which this is number " + std::to_string(from + 1) +
                      ": expected a file name that ends in '" + ending + "', by which the others are found");
  name.resize(name.size() - ending.size());
  return path.parent_path() / (name + part_ending(to, count));
}

void expect_number(const GgufFile& part, std::string_view key, std::int64_t expected) {
  const std::int64_t found = part.get_int(key);
  if (found != expected)
    part.fail_key(ErrorCode::bad_value, key, std::to_string(found) + ", expected " + std::to_string(expected));
}

}  // namespace

void GgufFile::add_parts(const GgufOptions& options) {
  const std::int64_t count = int_or(kCount, 0, 0, kGgufMaxParts);
  if (count <= 1) return;  // files that were put together again say 0
  const std::int64_t number = get_int(kNumber, 0, count - 1);
  if (number > 0)
    fail_key(ErrorCode::invalid_argument, kNumber,
             "this is part " + std::to_string(number + 1) + " of " + std::to_string(count) +
                 ", open the first, which opens all: " + quote(part_path(*this, number, 0, count).native(), 4096));
  const std::int64_t all = get_int(kTensors, 0, kGgufMaxTensors);
  std::vector<GgufTensor> tensors(this->tensors().begin(), this->tensors().end());
  const auto check_tensors = [&](const GgufFile& part, bool last) {
    const auto found = static_cast<std::int64_t>(tensors.size());
    if (found > all || (last && found < all))
      part.fail_key(ErrorCode::bad_value, kTensors,
                    std::to_string(all) + ", the parts up to number " + std::to_string(files().size()) + " of " +
                        std::to_string(count) + " hold " + std::to_string(found));
  };
  check_tensors(*this, false);
  for (std::int64_t i = 1; i < count; ++i) {
    const std::filesystem::path path = part_path(*this, 0, i, count);
    const GgufFile part(options.open_part ? options.open_part(path) : FileMapping::open(path, options.mode));
    expect_number(part, kNumber, i);
    expect_number(part, kCount, count);
    expect_number(part, kTensors, all);
    for (GgufTensor tensor : part.tensors()) {
      tensor.file = static_cast<std::size_t>(i);
      tensors.push_back(tensor);
    }
    add_file(part.files().front());
    check_tensors(part, i + 1 == count);
  }
  set_tensors(std::move(tensors));
  set_format(format() + " in " + std::to_string(count) + " parts");
}

}  // namespace plumb
