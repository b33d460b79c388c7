// Tensors that files have in another order than products take them: made anew.

#include <cstring>
#include <vector>

#include "folder.hpp"
#include "plumb/core/half.hpp"
#include "plumb/model/family.hpp"
#include "plumb/quant/dequantize.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Older files have the keys' and the values' matrices of all heads of latent attention in one tensor
/// [H * (nope + v_dims), kv_rank]: of each head the rows that make keys, then those that make values.
struct KeysAndValues {
  const LatentAttentionSpec* latent;
  const GgufTensor* whole;

  std::int64_t head_rows() const { return std::int64_t{latent->nope_dims} + latent->v_dims; }
};

std::optional<KeysAndValues> find_keys_and_values(const ModelFile& file, const ModelSpec& spec,
                                                  const TensorSpec& tensor) {
  const TensorId& id = tensor.id;
  if (id.layer < 0 || id.layer >= spec.n_layers() || id.bias) return std::nullopt;
  if (id.role != TensorRole::mla_k_up && id.role != TensorRole::mla_v_up) return std::nullopt;
  const auto* latent = std::get_if<LatentAttentionSpec>(&spec.layers[static_cast<std::size_t>(id.layer)].mixer);
  const GgufTensor* whole = file.find_tensor(family::fused_name("attn_kv_b", id.layer, false));
  if (!latent || !whole) return std::nullopt;
  const KeysAndValues found{latent, whole};
  const Shape expected{latent->n_heads * found.head_rows(), latent->kv_rank};
  const ConstTensorView& view = whole->view;
  if (view.shape().rank() != 2 || view.shape() != expected)
    file.fail_tensor(
        ErrorCode::bad_shape, whole->name,
        "shape " + view.shape().to_string() + ", expected " + expected.to_string() + " by the configuration");
  if (!dtype_info(view.dtype()).computed)
    file.fail_tensor(ErrorCode::unsupported_type, whole->name,
                     "type " + std::string(dtype_name(view.dtype())) + " cannot be computed");
  return found;
}

/// Keys change rows for columns, which blocks of quantized types cannot: these become F16.
DType type_of(const KeysAndValues& found, TensorRole role) {
  const DType stored = found.whole->view.dtype();
  return role == TensorRole::mla_k_up && dtype_info(stored).quantized() ? DType::f16 : stored;
}

/// [nope, kv_rank] of every head as [kv_rank, nope].
void turn_keys(const KeysAndValues& found, DType type, std::byte* out) {
  const LatentAttentionSpec& latent = *found.latent;
  const ConstTensorView& from = found.whole->view;
  const std::size_t size = dtype_info(type).block_bytes;
  std::vector<float> row(static_cast<std::size_t>(latent.kv_rank));
  std::vector<Half> halves(row.size());
  for (std::int64_t h = 0; h < latent.n_heads; ++h, out += tensor_bytes(type, Shape{latent.kv_rank, latent.nope_dims}))
    for (std::int64_t i = 0; i < latent.nope_dims; ++i) {
      const std::byte* values = from.row(h * found.head_rows() + i);
      if (type != from.dtype()) {
        dequantize_row(from.dtype(), values, row.data(), latent.kv_rank);
        for (std::size_t r = 0; r < row.size(); ++r) halves[r] = to_half(row[r]);
        values = reinterpret_cast<const std::byte*>(halves.data());
      }
      for (std::int64_t r = 0; r < latent.kv_rank; ++r)
        std::memcpy(out + static_cast<std::size_t>(r * latent.nope_dims + i) * size,
                    values + static_cast<std::size_t>(r) * size, size);
    }
}

/// The values' rows of every head, side by side.
void gather_values(const KeysAndValues& found, std::byte* out) {
  const ConstTensorView& from = found.whole->view;
  const std::size_t bytes = static_cast<std::size_t>(found.latent->v_dims) * from.row_stride();
  for (std::int64_t h = 0; h < found.latent->n_heads; ++h, out += bytes)
    std::memcpy(out, from.row(h * found.head_rows() + found.latent->nope_dims), bytes);
}

}  // namespace

const GgufTensor* family::made_from(const ModelFile& file, const ModelSpec& spec, const TensorSpec& tensor) {
  const auto found = find_keys_and_values(file, spec, tensor);
  return found ? found->whole : nullptr;
}

std::optional<MadeTensor> make_tensor(const ModelFile& file, const ModelSpec& spec, const TensorSpec& tensor) {
  if (const family::FolderAssembly* folder = family::folder_of(file)) {
    const family::Assembled* const found = folder->find(tensor.id);
    if (!found) return std::nullopt;
    MadeTensor made{AlignedBuffer(found->bytes()), {}, {}};
    made.view = ConstTensorView(made.memory.data(), found->type, found->shape);
    made.fill = [folder, found](std::byte* out) {
      found->write_all(out);
      folder->release(*found);
    };
    return made;
  }
  const auto found = find_keys_and_values(file, spec, tensor);
  if (!found) return std::nullopt;
  const DType type = type_of(*found, tensor.id.role);
  MadeTensor made{AlignedBuffer(tensor_bytes(type, tensor.shape)), {}, {}};
  if (tensor.id.role == TensorRole::mla_k_up)
    turn_keys(*found, type, made.memory.data());
  else
    gather_values(*found, made.memory.data());
  made.view = ConstTensorView(made.memory.data(), type, tensor.shape);
  return made;
}

std::optional<DType> found_type(const ModelFile& file, const ModelSpec& spec, const TensorSpec& tensor) {
  if (const family::FolderAssembly* folder = family::folder_of(file)) {
    const family::Assembled* const found = folder->find(tensor.id);
    return found ? std::optional(found->type) : std::nullopt;
  }
  if (const auto stored = find_tensor(file, spec, tensor)) return stored->view.dtype();
  const auto found = find_keys_and_values(file, spec, tensor);
  if (!found) return std::nullopt;
  return type_of(*found, tensor.id.role);
}

}  // namespace plumb
