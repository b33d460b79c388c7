// Where the tensors of a spec stand in a file: by their names, or as parts of tensors that hold several.

#include <algorithm>
#include <array>
#include <vector>

#include "folder.hpp"
#include "plumb/model/family.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

const family::Family& family_of(const ModelSpec& spec) {
  const family::Family* known = family::find_family(spec.family);
  if (!known) throw Error(ErrorCode::unsupported_architecture, "no family of models is called '" + spec.family + "'");
  return *known;
}

/// A part of a fused tensor: rows [first, first + rows) of `all`.
struct Part {
  std::int64_t first = 0, rows = 0, all = 0;
};

/// The part's rows of a matrix, or its values of a bias. @throws Error{bad_shape} unless the whole has the shape that
/// its parts add up to.
ConstTensorView slice(const ModelFile& file, const GgufTensor& whole, const Part& part, const TensorSpec& wanted) {
  const ConstTensorView& view = whole.view;
  const bool bias = wanted.id.bias;
  const Shape expected = bias ? Shape{part.all} : Shape{part.all, wanted.shape.cols()};
  const bool fits =
      bias ? view.rows() == 1 && view.cols() == part.all : view.shape().rank() == 2 && view.shape() == expected;
  if (!fits)
    file.fail_tensor(
        ErrorCode::bad_shape, whole.name,
        "shape " + view.shape().to_string() + ", expected " + expected.to_string() + " by the configuration");
  if (!bias) return view.slice_rows(part.first, part.rows);
  const DTypeInfo& type = dtype_info(view.dtype());
  if (type.block_elements != 1)
    file.fail_tensor(ErrorCode::wrong_type, whole.name,
                     "type " + std::string(dtype_name(view.dtype())) + ", expected F32, F16 or BF16");
  return {view.data() + static_cast<std::size_t>(part.first) * type.block_bytes, view.dtype(), Shape{part.rows}};
}

/// q, k and v in one tensor, rows of q first.
std::optional<ConstTensorView> find_in_qkv(const ModelFile& file, const LayerSpec& layer, const TensorSpec& tensor) {
  const auto* attention = std::get_if<AttentionSpec>(&layer.mixer);
  const TensorRole role = tensor.id.role;
  if (!attention || (role != TensorRole::attn_q && role != TensorRole::attn_k && role != TensorRole::attn_v))
    return std::nullopt;
  const GgufTensor* whole = file.find_tensor(family::fused_name("attn_qkv", tensor.id.layer, tensor.id.bias));
  if (!whole) return std::nullopt;
  const std::int64_t q = attention->q_matrix_rows(), k = attention->k_rows(), v = attention->v_rows(), all = q + k + v;
  const Part part = role == TensorRole::attn_q   ? Part{0, q, all}
                    : role == TensorRole::attn_k ? Part{q, k, all}
                                                 : Part{q + k, v, all};
  return slice(file, *whole, part, tensor);
}

/// Gate and up in the tensor that is named after up, rows of the gate first: so where there is no gate of its own.
struct GateAndUp {
  TensorRole gate, up;
};
constexpr std::array kGateAndUp{GateAndUp{TensorRole::ffn_gate, TensorRole::ffn_up},
                                GateAndUp{TensorRole::shared_gate, TensorRole::shared_up}};

bool is_gated(const LayerSpec& layer, TensorRole gate) {
  if (gate == TensorRole::ffn_gate) {
    const auto* dense = std::get_if<DenseSpec>(&layer.ffn);
    return dense && dense->gated;
  }
  const auto* experts = std::get_if<ExpertsSpec>(&layer.ffn);
  return experts && experts->has_shared() && experts->shared.gated;
}

std::optional<ConstTensorView> find_in_up(const ModelFile& file, const ModelSpec& spec, const LayerSpec& layer,
                                          const TensorSpec& tensor) {
  for (const GateAndUp& roles : kGateAndUp) {
    const bool gate = tensor.id.role == roles.gate;
    if ((!gate && tensor.id.role != roles.up) || !is_gated(layer, roles.gate)) continue;
    const TensorId gate_id{roles.gate, tensor.id.layer, tensor.id.bias};
    const TensorId up_id{roles.up, tensor.id.layer, tensor.id.bias};
    if (file.find_tensor(tensor_name(spec, gate_id))) return std::nullopt;
    const GgufTensor* whole = file.find_tensor(tensor_name(spec, up_id));
    if (!whole) return std::nullopt;
    const std::int64_t rows = tensor.shape[0];
    const std::int64_t found = tensor.id.bias ? whole->view.cols() : whole->view.rows();
    if (found == rows) return std::nullopt;  // up alone: it is the gate that is missing
    return slice(file, *whole, {gate ? 0 : rows, rows, 2 * rows}, tensor);
  }
  return std::nullopt;
}

/// Matrices of experts where a file does not hold them as a stack: `alone` names the tensor of one expert.
struct ExpertNames {
  TensorRole role;
  std::string_view alone;
};
constexpr std::array kExpertNames{ExpertNames{TensorRole::expert_gate, "ffn_gate"},
                                  ExpertNames{TensorRole::expert_up, "ffn_up"},
                                  ExpertNames{TensorRole::expert_down, "ffn_down"}};
constexpr std::string_view kGateUpStack = "ffn_gate_up_exps";

/// Gates and ups of all experts in one tensor [E, 2F, D]: of each expert the rows of the gate first.
std::optional<ops::StoredTensor> find_in_gate_up(const ModelFile& file, const TensorSpec& tensor) {
  const TensorId& id = tensor.id;
  if (id.role != TensorRole::expert_gate && id.role != TensorRole::expert_up) return std::nullopt;
  const GgufTensor* whole = file.find_tensor(family::fused_name(kGateUpStack, id.layer, id.bias));
  if (!whole) return std::nullopt;
  const ConstTensorView& view = whole->view;
  const std::int64_t count = tensor.shape[0], inner = tensor.shape[1];
  const Shape expected = id.bias ? Shape{count, 2 * inner} : Shape{count, 2 * inner, tensor.shape[2]};
  if (view.shape() != expected)
    file.fail_tensor(
        ErrorCode::bad_shape, whole->name,
        "shape " + view.shape().to_string() + ", expected " + expected.to_string() + " by the configuration");
  const std::int64_t first = id.role == TensorRole::expert_gate ? 0 : inner;
  if (id.bias) {
    const DTypeInfo& type = dtype_info(view.dtype());
    if (type.block_elements != 1)
      file.fail_tensor(ErrorCode::wrong_type, whole->name,
                       "type " + std::string(dtype_name(view.dtype())) + ", expected F32, F16 or BF16");
    const std::byte* const begin = view.data() + static_cast<std::size_t>(first) * type.block_bytes;
    return ConstTensorView(begin, view.dtype(), tensor.shape, view.row_stride());
  }
  std::vector<const std::byte*> each;
  for (std::int64_t e = 0; e < count; ++e) each.push_back(view.row(e * 2 * inner + first));
  return ops::StoredTensor(ConstTensorView(each.front(), view.dtype(), tensor.shape), each);
}

/// A tensor for every expert, "blk.3.ffn_gate.0.weight", as files had before there were stacks.
std::optional<ops::StoredTensor> find_one_by_one(const ModelFile& file, const TensorSpec& tensor) {
  const TensorId& id = tensor.id;
  const auto names = std::find_if(kExpertNames.begin(), kExpertNames.end(),
                                  [&](const ExpertNames& own) { return own.role == id.role; });
  if (names == kExpertNames.end() || id.bias) return std::nullopt;
  const Shape expected{tensor.shape[1], tensor.shape[2]};
  const GgufTensor* first = nullptr;
  std::vector<const std::byte*> each;
  for (std::int64_t e = 0; e < tensor.shape[0]; ++e) {
    const std::string name = family::fused_name(std::string(names->alone) + "." + std::to_string(e), id.layer, false);
    const GgufTensor* own = file.find_tensor(name);
    if (!own && e == 0) return std::nullopt;
    if (!own) file.fail_tensor(ErrorCode::missing_key, name, "is absent, expected one for each expert");
    if (!first) first = own;
    if (own->view.shape() != expected)
      file.fail_tensor(
          ErrorCode::bad_shape, name,
          "shape " + own->view.shape().to_string() + ", expected " + expected.to_string() + " by the configuration");
    if (own->view.dtype() != first->view.dtype())
      file.fail_tensor(ErrorCode::wrong_type, name,
                       "type " + std::string(dtype_name(own->view.dtype())) + ", expected that of the first expert, " +
                           std::string(dtype_name(first->view.dtype())));
    each.push_back(own->view.data());
  }
  return ops::StoredTensor(ConstTensorView(each.front(), first->view.dtype(), tensor.shape), each);
}

}  // namespace

std::string tensor_name(const ModelSpec& spec, const TensorId& id) {
  return family::name_in(family_of(spec), spec, id);
}

std::optional<FusedTensor> fused_tensor(const ModelSpec& spec, const TensorSpec& tensor) {
  const TensorId& id = tensor.id;
  if (id.layer < 0) return std::nullopt;
  const family::Fused& fused = family_of(spec).fused;
  switch (id.role) {
    case TensorRole::attn_q:
    case TensorRole::attn_k:
    case TensorRole::attn_v:
      if (!fused.qkv) break;
      return FusedTensor{family::fused_name("attn_qkv", id.layer, id.bias), TensorRole::attn_q};
    case TensorRole::ffn_gate:
    case TensorRole::ffn_up:
      if (!fused.gate_up || !is_gated(spec.layers[static_cast<std::size_t>(id.layer)], TensorRole::ffn_gate)) break;
      return FusedTensor{tensor_name(spec, {TensorRole::ffn_up, id.layer, id.bias}), TensorRole::ffn_gate};
    default: break;
  }
  return std::nullopt;
}

std::string name_in_file(const ModelSpec& spec, const TensorSpec& tensor) {
  if (!family::find_family(spec.family)) return gguf_tensor_name(tensor.id);
  const std::optional<FusedTensor> whole = fused_tensor(spec, tensor);
  return whole ? whole->name : tensor_name(spec, tensor.id);
}

namespace {

/// A tensor that a folder has as it is.
std::optional<ops::StoredTensor> find_in_folder(const family::FolderAssembly& folder, const TensorSpec& tensor) {
  const family::Assembled* const found = folder.find(tensor.id);
  if (!found || found->stored.empty()) return std::nullopt;
  const ConstTensorView view(found->stored.front(), found->type, found->shape);
  if (found->stored.size() == 1) return ops::StoredTensor(view);
  return ops::StoredTensor(view, found->stored);
}

}  // namespace

std::optional<ops::StoredTensor> find_tensor(const ModelFile& file, const ModelSpec& spec, const TensorSpec& tensor) {
  if (const family::FolderAssembly* folder = family::folder_of(file)) return find_in_folder(*folder, tensor);
  const TensorId& id = tensor.id;
  const bool in_layer = id.layer >= 0 && id.layer < spec.n_layers();
  if (in_layer) {  // before the name: `up` may stand for more than up
    if (auto part = find_in_up(file, spec, spec.layers[static_cast<std::size_t>(id.layer)], tensor)) return part;
  }
  if (const GgufTensor* found = file.find_tensor(tensor_name(spec, id))) return found->view;
  if (!in_layer) return std::nullopt;
  if (auto parts = find_in_gate_up(file, tensor)) return parts;
  if (auto parts = find_one_by_one(file, tensor)) return parts;
  return find_in_qkv(file, spec.layers[static_cast<std::size_t>(id.layer)], tensor);
}

}  // namespace plumb
