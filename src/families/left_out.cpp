// What stands in a file and is not read.

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "../core/format.hpp"
#include "folder.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/weights.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Which tensors of a file the tensors of a spec are made of. A tensor may hold parts of several: bytes tell.
class ReadTensors {
 public:
  explicit ReadTensors(const ModelFile& file) {
    for (const GgufTensor& tensor : file.tensors()) places_.push_back({&tensor, false});
    std::sort(places_.begin(), places_.end(), [](const Place& a, const Place& b) { return a.begin() < b.begin(); });
  }
  void mark(const std::byte* read) {
    auto place = std::upper_bound(places_.begin(), places_.end(), read,
                                  [](const std::byte* at, const Place& p) { return at < p.begin(); });
    if (place == places_.begin()) return;
    --place;
    place->read |= read < place->begin() + place->tensor->view.bytes();
  }
  /// Calls visit(const GgufTensor&) for those that nothing was made of.
  template <class Visit>
  void for_each_unread(const Visit& visit) const {
    for (const Place& place : places_)
      if (!place.read) visit(*place.tensor);
  }

 private:
  struct Place {
    const GgufTensor* tensor;
    bool read;
    const std::byte* begin() const { return tensor->view.data(); }
  };
  std::vector<Place> places_;
};

/// Some tensors that are left out.
struct Sum {
  std::size_t tensors = 0;
  std::uint64_t bytes = 0;

  void add(const GgufTensor& tensor) {
    ++tensors;
    bytes += tensor.view.bytes();
  }
  std::string text() const {
    return formatted("{} tensor{} of {:.4g} MB", tensors, tensors == 1 ? "" : "s", static_cast<double>(bytes) / 1e6);
  }
};

/// Layers that guess the token after next.
struct Guesses {
  int first = 0, count = 0;
  std::string_view example;
  Sum sum;

  bool has(int layer) const { return layer >= first && layer - first < count; }
  void add(const GgufTensor& tensor) {
    const auto own = [](std::string_view name) { return name.find(".nextn.") != std::string_view::npos; };
    if (example.empty() || (own(tensor.name) && !own(example))) example = tensor.name;
    sum.add(tensor);
  }
  std::string note(const std::string& family) const {
    const std::string what = count == 1 ? formatted("layer {} of {} predicts further tokens and is", first, family)
                                        : formatted("layers {} to {} of {} predict further tokens and are", first,
                                                    first + count - 1, family);
    return what + " not run: " + sum.text() + ", such as " + quote(example);
  }
};

/// Files hold keys and values of all layers, also of those that read an earlier layer's.
bool is_known_spare(const ModelSpec& spec, std::string_view name) {
  const auto id = tensor_id_of_gguf_name(name);
  if (!id || id->layer < 0 || id->layer >= spec.n_layers()) return false;
  const auto* attention = std::get_if<AttentionSpec>(&spec.layers[static_cast<std::size_t>(id->layer)].mixer);
  return attention && !attention->own_kv() &&
         (id->role == TensorRole::attn_k || id->role == TensorRole::attn_v || id->role == TensorRole::attn_k_norm);
}

/// Most kinds of tensors that a note names.
constexpr std::size_t kMostNames = 8;

}  // namespace

std::vector<std::string> left_out(const ModelFile& file, const ModelSpec& spec) {
  if (const family::FolderAssembly* folder = family::folder_of(file)) return folder->left_out();
  ReadTensors tensors(file);
  for_each_tensor(spec, [&](const TensorSpec& tensor) {
    if (const auto stored = find_tensor(file, spec, tensor)) {
      if (stored->each.empty()) tensors.mark(stored->view.data());
      for (const std::byte* part : stored->each) tensors.mark(part);
    } else if (const GgufTensor* whole = family::made_from(file, spec, tensor)) {
      tensors.mark(whole->view.data());
    }
  });

  Guesses guesses;
  guesses.first = spec.n_layers();
  if (const GgufValue* count = file.find(spec.family + ".nextn_predict_layers"))
    guesses.count = static_cast<int>(std::clamp<std::int64_t>(count->as_int().value_or(0), 0, SpecLimits::kLayers));
  // Tensors that differ in their layer alone are one kind.
  std::map<std::tuple<bool, std::string_view, std::string_view>, Sum> kinds;
  Sum others;
  tensors.for_each_unread([&](const GgufTensor& tensor) {
    const GgufName name = split_gguf_name(tensor.name);
    if (guesses.has(name.layer)) return guesses.add(tensor);
    if (is_known_spare(spec, tensor.name)) return;
    others.add(tensor);
    kinds[{name.layer >= 0, name.base, name.suffix}].add(tensor);
  });

  std::vector<std::string> notes;
  if (guesses.sum.tensors > 0) notes.push_back(guesses.note(spec.family));
  if (kinds.empty()) return notes;
  std::string names;
  std::size_t named = 0;
  for (const auto& [kind, sum] : kinds) {
    if (named++ == kMostNames) {
      names += ", ...";
      break;
    }
    const auto& [in_layer, base, suffix] = kind;
    const std::string name = (in_layer ? "blk.*." : "") + std::string(base.substr(0, 200)) + std::string(suffix);
    names += (names.empty() ? "" : ", ") + quote(name) + (sum.tensors > 1 ? formatted(" ({})", sum.tensors) : "");
  }
  notes.push_back(others.text() + " " + (others.tensors == 1 ? "is" : "are") + " not read: " + names);
  return notes;
}

}  // namespace plumb
