#pragma once
/// What a Hugging Face folder calls the tensors of a family, and where their numbers stand in it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keys.hpp"
#include "plumb/io/tensor_id.hpp"
#include "plumb/model/spec.hpp"

namespace plumb::inline PLUMB_ABI::family {

/// Rows and columns of a tensor of ours as layouts count them: a bias, or a vector, has a row for each number. A stack
/// of matrices has the rows of all of them.
struct RowShape {
  std::int64_t matrices = 1, rows = 1, cols = 1;  ///< rows of each matrix

  std::int64_t all_rows() const { return matrices * rows; }
};
RowShape row_shape(const TensorSpec& tensor);

/// Where the numbers of a tensor stand in one of the folder. Left alone: in the same order.
struct Gather {
  /// Rows of each matrix there, where there are others.
  std::int64_t rows = 0;
  /// Columns there, where there are others.
  std::int64_t cols = 0;
  /// Which row there ours is; rows are counted over all matrices of a stack.
  std::function<std::int64_t(std::int64_t row)> row = {};
  /// Which column there ours is.
  std::function<std::int64_t(std::int64_t col)> col = {};
  bool turned = false;  ///< the folder has rows as columns
  bool flat = false;    ///< the folder has the matrices of a stack one below the other, as one
  /// What becomes of a number; `row` is ours.
  std::function<float(std::int64_t row, float number)> change = {};
  /// The same where it depends on all numbers of the tensor, in whatever order.
  std::function<std::function<float(float number)>(const std::vector<float>& all)> change_by_all = {};
};

/// What a layout is asked for.
struct Asked {
  const ModelSpec& spec;
  const TensorSpec& tensor;
  const Keys& config;
  bool blocks = false;  ///< the folder has it as MXFP4, whose blocks are of neighbouring columns

  const LayerSpec& layer() const { return spec.layers[static_cast<std::size_t>(tensor.id.layer)]; }
  const AttentionSpec& attention() const { return std::get<AttentionSpec>(layer().mixer); }
  RowShape shape() const { return row_shape(tensor); }
};
using Take = Gather (*)(const Asked&);

/// What follows a name.
enum class Suffix {
  usual,       ///< ".weight", ".bias"
  none,        ///< nothing; no bias is called so
  underscore,  ///< nothing, "_bias"
};

/// A name of a role's tensors. A role may have several: the first that is in a folder counts.
struct Place {
  TensorRole role;
  /// Within the layer, or the model. "{}" stands for a number, counted from 0: each matrix of a stack has its own
  /// tensor.
  std::string_view name;
  Take take = nullptr;
  Suffix suffix = Suffix::usual;
  /// Instead of numbers: what "{}" stands for, a letter each.
  std::string_view letters = {};
};

/// Tensors of a folder, as far as a spec depends on them.
class FolderTensors {
 public:
  virtual ~FolderTensors() = default;
  /// By its name without what stands before the layers ("layers.3.mlp.act_fn.beta").
  virtual bool has(const std::string& name) const = 0;
  /// A tensor of one number. Nothing where it is absent. @throws Error{bad_shape}.
  virtual std::optional<float> number(const std::string& name) const = 0;
  /// Rows of a tensor; nothing where it is absent.
  virtual std::optional<std::int64_t> rows(const std::string& name) const = 0;
};

/// A folder in the folder, with tensors of its own.
struct Module {
  std::string_view folder;
  std::string_view name;  ///< what the names of its tensors get in front
};

/// How folders of a family are laid out. What is left alone is as in Llama's.
struct Folder {
  std::span<const Place> places = {};  ///< names of its own, before the usual ones
  std::string_view layers = "layers.";
  std::string_view other_layers = {};  ///< where some models of the family have them
  bool halves = false;                 ///< rows of q and k are for a rotation of halves, where ours is of neighbours
  bool norms_less_one = false;         ///< weights of norms are stored minus one
  /// Changes the spec by what stands in the tensors.
  void (*complete)(ModelSpec& spec, const FolderTensors& tensors) = nullptr;
  std::span<const Module> modules = {};
};

/// The names of Llama's folders and of what is close to them.
std::span<const Place> usual_places();
/// Several lists as one.
template <std::size_t... kCounts>
consteval auto joined(const Place (&... lists)[kCounts]) {
  std::array<Place, (kCounts + ...)> all{};
  std::size_t count = 0;
  const auto add = [&](std::span<const Place> list) {
    for (const Place& place : list) all[count++] = place;
  };
  (add(lists), ...);
  return all;
}
/// Whether a role is a norm of the stream, of a part's output, or of heads.
bool is_norm(TensorRole role);

// -- layouts that several families have
// --------------------------------------------------------------------------------

/// q, k and v one below the other in one matrix.
Gather take_qkv(const Asked& asked);
/// The same, with a column for each output.
Gather take_turned_qkv(const Asked& asked);
/// For each KV head its queries, its key, its value. With as many KV heads as heads: q, k, v of each head.
Gather take_grouped_qkv(const Asked& asked);
/// The gate's rows and then up's, of a dense block or of each expert.
Gather take_gate_up(const Asked& asked);
/// The same, turned: a column for each output.
Gather take_turned_gate_up(const Asked& asked);
/// A matrix with a column for each output.
Gather take_turned(const Asked& asked);
/// -exp of each number.
Gather take_minus_exp(const Asked& asked);
/// Keys' rows of a matrix that makes keys and values of latent attention, turned; values' rows.
Gather take_latent_keys(const Asked& asked);
Gather take_latent_values(const Asked& asked);
/// Shifts all rows: ours begin there at row `first` of `all`.
Gather rows_from(std::int64_t first, std::int64_t all);

// -- names that several families have

/// Experts as Mixtral's files call them.
inline constexpr Place kMixtralPlaces[] = {
    {TensorRole::router, "block_sparse_moe.gate"},
    {TensorRole::expert_gate, "block_sparse_moe.experts.{}.w1"},
    {TensorRole::expert_up, "block_sparse_moe.experts.{}.w3"},
    {TensorRole::expert_down, "block_sparse_moe.experts.{}.w2"},
};
/// State spaces that are the mixer, and those beside others.
inline constexpr Place kMixerPlaces[] = {
    {TensorRole::ssm_in, "mixer.in_proj"},
    {TensorRole::ssm_conv, "mixer.conv1d"},
    {TensorRole::ssm_a, "mixer.A_log", take_minus_exp, Suffix::none},
    {TensorRole::ssm_d, "mixer.D", nullptr, Suffix::none},
    {TensorRole::ssm_norm, "mixer.norm"},
    {TensorRole::ssm_out, "mixer.out_proj"},
};
inline constexpr Place kMambaPlaces[] = {
    {TensorRole::ssm_in, "mamba.in_proj"},
    {TensorRole::ssm_conv, "mamba.conv1d"},
    {TensorRole::ssm_a, "mamba.A_log", take_minus_exp, Suffix::none},
    {TensorRole::ssm_d, "mamba.D", nullptr, Suffix::none},
    {TensorRole::ssm_norm, "mamba.norm"},
    {TensorRole::ssm_out, "mamba.out_proj"},
};

}  // namespace plumb::family
