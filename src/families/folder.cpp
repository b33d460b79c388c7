#include "folder.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <set>
#include <tuple>

#include "../core/format.hpp"
#include "../io/json_reader.hpp"
#include "decoder.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/io/gguf.hpp"
#include "plumb/io/open_model.hpp"
#include "plumb/model/check_spec.hpp"
#include "plumb/model/weights.hpp"

namespace plumb::inline PLUMB_ABI {
namespace family {
namespace {

constexpr std::string_view kFormat = "safetensors";
/// Most kinds of tensors that a note names.
constexpr std::size_t kMostNames = 8;

/// The name with every number as '*', for what differs in a number alone is one kind.
std::string kind_of(std::string_view name) {
  std::string kind;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool digit = std::isdigit(static_cast<unsigned char>(name[i])) != 0 && (i == 0 || name[i - 1] == '.');
    if (!digit) {
      kind += name[i];
      continue;
    }
    while (i + 1 < name.size() && std::isdigit(static_cast<unsigned char>(name[i + 1])) != 0) ++i;
    kind += '*';
  }
  return kind;
}

/// What the files have besides weights: tables that code makes anew.
bool is_table_of_code(std::string_view name) {
  for (const std::string_view end : {"rotary_emb.inv_freq", ".attn.bias", ".masked_bias", "position_ids"})
    if (name.ends_with(end)) return true;
  return false;
}

/// What continues the name of a tensor that has parts, and what stands there in the name of the part that is counted.
struct PartName {
  std::string_view end, whole;
};
constexpr std::array<PartName, 8> kParts{PartName{"_zero_point", ""},   PartName{"_scale_inv", ""},
                                         PartName{"_scale", ""},        PartName{"_scales", "_blocks"},
                                         PartName{"qzeros", "qweight"}, PartName{"scales", "qweight"},
                                         PartName{"g_idx", "qweight"},  PartName{"input_scale", "weight"}};

/// Keys and values of layers that read those of an earlier one: no pass needs them, but other engines ask for them.
std::vector<TensorSpec> spares_of(const ModelSpec& spec) {
  std::vector<TensorSpec> spares;
  for (int l = 0; l < spec.n_layers(); ++l) {
    const auto* attention = std::get_if<AttentionSpec>(&spec.layers[static_cast<std::size_t>(l)].mixer);
    if (!attention || attention->own_kv()) continue;
    spares.push_back({{TensorRole::attn_k, l, false}, Shape{attention->k_rows(), spec.width}});
    spares.push_back({{TensorRole::attn_v, l, false}, Shape{attention->v_rows(), spec.width}});
    if (attention->qk_norm_over == QkNormOver::head)
      spares.push_back({{TensorRole::attn_k_norm, l, false}, Shape{attention->head_dim}});
  }
  return spares;
}

/// Low-rank products of RWKV's first layer that are read by nobody, and those that stand in for them: other engines ask
/// for tensors of that size.
constexpr std::array<std::pair<TensorRole, TensorRole>, 3> kFirstOfRwkv{
    std::pair{TensorRole::mix_first, TensorRole::mix_rate},
    std::pair{TensorRole::mix_first_down, TensorRole::mix_rate_down},
    std::pair{TensorRole::mix_first_up, TensorRole::mix_rate_up}};

/// A head that is the embedding is so because config.json says it or because there is none.
void find_head(const Config& config, const FolderTensors& tensors, ModelSpec& spec) {
  if (!spec.output.head) return;
  bool head = false;
  for (const std::span<const Place> places : {config.family().folder.places, usual_places()})
    for (const Place& place : places)
      head |= place.role == TensorRole::head && tensors.has(std::string(place.name) + ".weight");
  if (!head) spec.output.tied = true;
}

}  // namespace

std::optional<std::vector<float>> rope_factors_of(const Config& config, const ModelSpec& spec,
                                                  const TensorSpec& tensor) {
  if (!is_rope_factors(tensor.id.role)) return std::nullopt;
  return rope_factors(config.keys(), spec, tensor.id.role, static_cast<std::size_t>(tensor.shape.elements()));
}

FolderAssembly::FolderAssembly(const std::filesystem::path& folder, FileMapping::Mode mode)
    : folder_(folder), where_(printable(folder.native(), 4096)) {
  const std::filesystem::path file = folder / "config.json";
  const Config config(read_json_text(file), quote(file.string()));
  weights_ = Safetensors::open_folder(folder, mode);
  for (const Module& module : config.family().folder.modules)
    if (Safetensors::in_folder(folder / module.folder))
      weights_.merge(Safetensors::open_folder(folder / module.folder, mode), std::string(module.name));
  const FolderIndex index(weights_, packing_of(config, weights_), where_);
  spec_ = config.read();
  if (spec_.name == config.keys().text_or({"", "model_type"}, "") && folder.has_filename())
    spec_.name = printable(folder.filename().native());
  find_head(config, index, spec_);
  if (const auto complete = config.family().folder.complete) complete(spec_, index);
  check_spec(spec_, where_);
  for_each_tensor(
      spec_, [&](const TensorSpec& tensor) { tensors_.emplace(tensor.id, assemble(index, config, spec_, tensor)); });
  for (const TensorSpec& spare : spares_of(spec_))
    if (auto found = assemble_if_there(index, config, spec_, spare)) tensors_.emplace(spare.id, *std::move(found));
  if (const auto* rwkv = std::get_if<RwkvSpec>(&spec_.layers.front().mixer); rwkv && rwkv->first_rank == 0)
    for (const auto& [spare, like] : kFirstOfRwkv)
      tensors_.emplace(TensorId{spare, 0, false}, tensors_.at({like, 0, false}));
  left_out_ = config.other_parts();
  note_left_out(index);
  lay_out();
  try {
    write_spec(keys_, spec_);
    keys_.set("tokenizer.ggml.model", "none");
  } catch (const Error& error) {
    keys_ = GgufWriter();
    keys_.set("general.architecture", spec_.family);
    keys_.set("general.name", spec_.name);
    unwritable_ = error;
  }
}

const Assembled* FolderAssembly::find(const TensorId& id) const {
  const auto found = tensors_.find(id);
  return found == tensors_.end() ? nullptr : &found->second;
}

void FolderAssembly::note_left_out(const FolderIndex& index) {
  std::set<const std::byte*> read;
  for (const auto& [id, tensor] : tensors_)
    for (const auto& source : tensor.sources) read.insert(source.data());
  // What belongs to a tensor that is read, under a name that continues its own.
  const auto is_part = [&](const SafeTensor& tensor) {
    for (const auto& [end, whole] : kParts) {
      if (!tensor.name.ends_with(end)) continue;
      const std::string base = tensor.name.substr(0, tensor.name.size() - end.size());
      const SafeTensor* const own = weights_.find(base + std::string(whole));
      if (own && read.contains(own->bytes.data())) return true;
    }
    return false;
  };
  std::map<std::string, std::size_t> kinds;
  std::size_t count = 0;
  std::uint64_t bytes = 0;
  for (const SafeTensor& tensor : weights_.tensors()) {
    if (tensor.bytes.empty() || read.contains(tensor.bytes.data()) || index.numbers().contains(&tensor)) continue;
    if (is_table_of_code(tensor.name) || is_part(tensor)) continue;
    if (spec_.output.tied && tensor.name.ends_with("lm_head.weight")) continue;  // the embedding again
    ++count;
    bytes += tensor.bytes.size();
    ++kinds[kind_of(tensor.name)];
  }
  if (count == 0) return;
  std::string names;
  std::size_t named = 0;
  for (const auto& [kind, n] : kinds) {
    if (named++ == kMostNames) {
      names += ", ...";
      break;
    }
    names += (names.empty() ? "" : ", ") + quote(kind.substr(0, 200)) + (n > 1 ? formatted(" ({})", n) : "");
  }
  left_out_.push_back(formatted("{} tensor{} of {:.4g} MB {} not read: {}", count, count == 1 ? "" : "s",
                                static_cast<double>(bytes) / 1e6, count == 1 ? "is" : "are", names));
}

void FolderAssembly::lay_out() {
  std::map<std::string, std::size_t> fused;
  std::vector<std::vector<std::pair<TensorRole, const Assembled*>>> parts;
  const auto add = [&](const TensorSpec& tensor) {
    const auto whole = fused_tensor(spec_, tensor);
    std::string name = whole ? whole->name : tensor_name(spec_, tensor.id);
    const auto [found, first] = fused.try_emplace(name, written_.size());
    if (first) {
      written_.push_back({std::move(name), {}, {}, {}});
      parts.emplace_back();
    }
    parts[found->second].emplace_back(tensor.id.role, &tensors_.at(tensor.id));
  };
  for_each_tensor(spec_, add);
  for (const TensorSpec& spare : spares_of(spec_))
    if (find(spare.id)) add(spare);
  for (const auto& [spare, like] : kFirstOfRwkv)
    if (const TensorId id{spare, 0, false}; find(id) && !fused.contains(tensor_name(spec_, id)))
      add({id, find(id)->shape});
  for (std::size_t i = 0; i < written_.size(); ++i) {
    std::stable_sort(parts[i].begin(), parts[i].end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    Written& whole = written_[i];
    std::int64_t rows = 0;
    for (const auto& [role, part] : parts[i]) {
      whole.parts.push_back(part);
      rows += part->shape[0];
    }
    const Assembled& first = *whole.parts.front();
    whole.type = first.type;
    whole.shape = whole.parts.size() == 1   ? first.shape
                  : first.shape.rank() == 1 ? Shape{rows}
                                            : Shape{rows, first.shape.cols()};
    for (const Assembled* part : whole.parts)
      if (part->type != whole.type)
        throw Error(ErrorCode::wrong_type, where_ + ": the parts of tensor " + quote(whole.name) + " become " +
                                               std::string(dtype_name(whole.type)) + " and " +
                                               std::string(dtype_name(part->type)) + ", expected one type");
    written_by_name_.emplace(whole.name, i);
  }
}

const FolderAssembly::Written& FolderAssembly::written(std::string_view name) const {
  return written_[written_by_name_.at(name)];
}

std::vector<GgufTensor> FolderAssembly::tensors() const {
  std::vector<GgufTensor> all;
  for (const Written& whole : written_) {
    // In the file, if all rows of all parts follow each other there.
    const std::byte* begin = nullptr;
    const std::byte* end = nullptr;
    bool stored = true;
    for (const Assembled* part : whole.parts) {
      stored = stored && part->stored.size() == 1 && (!begin || part->stored.front() == end);
      if (!stored) break;
      if (!begin) begin = part->stored.front();
      end = part->stored.front() + part->bytes();
    }
    GgufTensor tensor{whole.name, ConstTensorView(stored ? begin : nullptr, whole.type, whole.shape), 0, 0};
    for (std::size_t f = 0; stored && f < weights_.files().size(); ++f) {
      const auto bytes = weights_.files()[f]->bytes();
      if (begin < bytes.data() || begin >= bytes.data() + bytes.size()) continue;
      tensor.file = f;
      tensor.offset = static_cast<std::uint64_t>(begin - bytes.data());
    }
    all.push_back(tensor);
  }
  return all;
}

void FolderAssembly::make(const GgufTensor& tensor, std::byte* out) const {
  for (const Assembled* part : written(tensor.name).parts) {
    part->write_all(out);
    out += part->bytes();
  }
}

void FolderAssembly::release(const GgufTensor& tensor) const noexcept {
  const auto found = written_by_name_.find(tensor.name);
  if (found == written_by_name_.end()) return;
  for (const Assembled* part : written_[found->second].parts) release(*part);
}

void FolderAssembly::release(const Assembled& tensor) const noexcept {
  for (const auto& source : tensor.sources)
    for (const auto& file : weights_.files()) {
      const std::byte* const first = file->bytes().data();
      if (source.data() >= first && source.data() < first + file->size())
        file->release(static_cast<std::size_t>(source.data() - first), source.size());
    }
}

void FolderAssembly::check_writable() const {
  if (unwritable_) throw Error(*unwritable_);
}

const FolderAssembly* folder_of(const ModelFile& file) { return dynamic_cast<const FolderAssembly*>(file.assembly()); }

namespace {

/// The folder as a file: its keys are encoded as in a GGUF file, so that values have something to point to.
class FolderFile final : public ModelFile {
 public:
  static ModelFile open(const std::filesystem::path& folder, FileMapping::Mode mode) {
    const auto assembly = std::make_shared<const FolderAssembly>(folder, mode);
    const std::vector<std::byte> encoded = assembly->keys().header();
    const auto memory = std::make_shared<AlignedBuffer>(encoded.size());
    std::memcpy(memory->data(), encoded.data(), encoded.size());
    const GgufFile keys = GgufFile::from_memory({memory->data(), encoded.size()}, assembly->where());
    FolderFile file(assembly->weights().files().front(), std::string(kFormat));
    for (const auto& shard : assembly->weights().files().subspan(1)) file.add_file(shard);
    file.set_name(assembly->where());
    file.set_metadata({keys.metadata().begin(), keys.metadata().end()});
    file.keep_alive(memory);
    file.set_assembly(assembly);
    file.set_tensors(assembly->tensors());
    return file;  // NOLINT(cppcoreguidelines-slicing)
  }

 private:
  using ModelFile::ModelFile;
};

}  // namespace
}  // namespace family

ModelFile open_model_folder(const std::filesystem::path& folder, FileMapping::Mode mode) {
  return family::FolderFile::open(folder, mode);
}

}  // namespace plumb
