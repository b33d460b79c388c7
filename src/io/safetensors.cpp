#include "plumb/io/safetensors.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "json_reader.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"
#include "safetensors_header.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr std::string_view kIndex = "model.safetensors.index.json", kSingle = "model.safetensors";

/// A name without folders, so that an index reaches nothing outside its own.
bool is_plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

}  // namespace

/// Which file each tensor is in.
struct Safetensors::Index {
  explicit Index(const std::filesystem::path& path);
  ~Index();
  const nlohmann::json& map() const;
  /// Whether all files are there.
  bool complete() const;

  std::filesystem::path folder;
  std::string name;  // for messages
  std::unique_ptr<const nlohmann::json> json;
  std::vector<std::string> shards;  // ascending
};

void Safetensors::add(std::shared_ptr<const FileMapping> mapping) {
  for (SafeTensor& tensor : read_safetensors(mapping->bytes(), mapping->name())) {
    tensor.file = files_.size();
    tensors_.push_back(std::move(tensor));
  }
  files_.push_back(std::move(mapping));
}

void Safetensors::finish() {
  std::sort(tensors_.begin(), tensors_.end(), [](const SafeTensor& a, const SafeTensor& b) { return a.name < b.name; });
  const auto twice = std::adjacent_find(tensors_.begin(), tensors_.end(),
                                        [](const SafeTensor& a, const SafeTensor& b) { return a.name == b.name; });
  if (twice == tensors_.end()) return;
  const std::string &first = files_[twice->file]->name(), &second = files_[std::next(twice)->file]->name();
  throw Error(ErrorCode::duplicate, first + ": tensor " + quote(twice->name) + " stands twice" +
                                        (first == second ? std::string() : ", the other time in " + second));
}

Safetensors Safetensors::from_mapping(std::shared_ptr<const FileMapping> mapping) {
  Safetensors opened;
  opened.path_ = mapping->name();
  opened.add(std::move(mapping));
  opened.finish();
  return opened;
}

Safetensors Safetensors::open(const std::filesystem::path& path, FileMapping::Mode mode) {
  return from_mapping(FileMapping::open(path, mode));
}

Safetensors::Index::Index(const std::filesystem::path& path)
    : folder(path.parent_path()),
      name(quote(path.string())),
      json(std::make_unique<nlohmann::json>(parse_json_object(read_json_text(path), name))) {
  const JsonFields fields(*json, name);
  if (!fields.object("weight_map")) fields.fail(ErrorCode::missing_key, "weight_map", "is missing");
  for (const auto& [tensor, shard] : map().items()) {
    if (!shard.is_string()) fields.fail(ErrorCode::wrong_type, "weight_map." + tensor, "is no string");
    shards.push_back(shard.get<std::string>());
    if (!is_plain_name(shards.back()))
      fields.refuse("weight_map." + tensor, "is " + quote(shards.back()) + ", expected a file name without folders");
  }
  if (shards.empty()) fields.refuse("weight_map", "names no tensor");
  std::sort(shards.begin(), shards.end());
  shards.erase(std::unique(shards.begin(), shards.end()), shards.end());
}

Safetensors::Index::~Index() = default;

const nlohmann::json& Safetensors::Index::map() const { return (*json)["weight_map"]; }

bool Safetensors::Index::complete() const {
  std::error_code failure;
  return std::all_of(shards.begin(), shards.end(),
                     [&](const std::string& shard) { return std::filesystem::exists(folder / shard, failure); });
}

Safetensors Safetensors::of_index(const Index& index, FileMapping::Mode mode) {
  Safetensors opened;
  opened.path_ = index.name;
  for (const std::string& shard : index.shards) opened.add(FileMapping::open(index.folder / shard, mode));
  opened.finish();
  for (const auto& [name, shard] : index.map().items()) {
    const SafeTensor* tensor = opened.find(name);
    const auto expected =
        std::lower_bound(index.shards.begin(), index.shards.end(), shard.get_ref<const std::string&>());
    const auto file = static_cast<std::size_t>(expected - index.shards.begin());
    if (!tensor || tensor->file != file)
      throw Error(ErrorCode::missing_key, opened.files_[file]->name() + ": tensor " + quote(name) +
                                              " is not in it, as " + opened.path_ + " says");
  }
  return opened;
}

Safetensors Safetensors::open_index(const std::filesystem::path& index, FileMapping::Mode mode) {
  return of_index(Index(index), mode);
}

void Safetensors::merge(const Safetensors& others, const std::string& prefix) {
  for (SafeTensor tensor : others.tensors_) {
    tensor.name.insert(0, prefix);
    tensor.file += files_.size();
    tensors_.push_back(std::move(tensor));
  }
  files_.insert(files_.end(), others.files_.begin(), others.files_.end());
  finish();
}

bool Safetensors::in_folder(const std::filesystem::path& folder) {
  std::error_code failure;
  return std::filesystem::exists(folder / kIndex, failure) || std::filesystem::exists(folder / kSingle, failure);
}

Safetensors Safetensors::open_folder(const std::filesystem::path& folder, FileMapping::Mode mode) {
  std::error_code failure;
  const bool single = std::filesystem::exists(folder / kSingle, failure);
  if (std::filesystem::exists(folder / kIndex, failure))
    if (const Index index(folder / kIndex); !single || index.complete()) return of_index(index, mode);
  if (single) return open(folder / kSingle, mode);
  throw Error(ErrorCode::io,
              quote(folder.string()) + " has neither " + std::string(kSingle) + " nor " + std::string(kIndex));
}

const SafeTensor* Safetensors::find(std::string_view name) const {
  const auto found =
      std::lower_bound(tensors_.begin(), tensors_.end(), name,
                       [](const SafeTensor& tensor, std::string_view wanted) { return tensor.name < wanted; });
  return found != tensors_.end() && found->name == name ? &*found : nullptr;
}

}  // namespace plumb
