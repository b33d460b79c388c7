#include "state_space.hpp"

#include <algorithm>
#include <limits>

#include "plumb/core/checked.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace {

using Limits = SpecLimits;

const Field kInner{"ssm.inner_size", ""};
const Field kSteps{"ssm.time_step_rank", "num_heads"};
const Field kGroups{"ssm.group_count", "n_groups"};
const Field kExpand{"", "expand"}, kHeadDim{"", "mamba_head_dim"}, kWhole{"", "mamba_d_ssm"};

/// What both kinds have.
StateSpaceSpec read_common(const Keys& keys) {
  StateSpaceSpec space;
  space.kernel = keys.count({"ssm.conv_kernel", "conv_kernel"}, kMaxConvolution);
  space.size = keys.count({"ssm.state_size", "state_size"}, Limits::kStateDim);
  // Other engines ignore this; steps that are really bounded would be others.
  const Field limits{"", "time_step_limit"};
  if (!keys.has(limits)) return space;
  constexpr float kNone = std::numeric_limits<float>::max();
  const std::vector<float> bounds = keys.reals_per_layer(limits, kNone, 2);
  if (bounds[0] > 0 || bounds[1] < kNone)
    keys.fail(ErrorCode::unsupported_type, limits, "bounds the steps of time, expected 0 and Infinity");
  return space;
}

/// A multiple of the width. @throws Error{bad_value} where it is too large.
int expanded(const Keys& keys, int width) {
  const int factor = keys.count(kExpand, Limits::kWidth);
  if (std::int64_t{factor} * width > Limits::kWidth)
    keys.fail(ErrorCode::bad_value, kExpand,
              "is " + std::to_string(factor) + ", expected a product with the width of at most " +
                  std::to_string(Limits::kWidth));
  return factor * width;
}

/// Channels by config.json: heads times the length of one; the factor of the width must agree where both are there.
int read_channels(const Keys& keys, const ModelSpec& spec, int heads) {
  if (keys.is_gguf()) return keys.count(kInner, Limits::kWidth);
  const int whole = keys.has(kWhole)    ? keys.count(kWhole, Limits::kWidth)
                    : keys.has(kExpand) ? expanded(keys, spec.width)
                                        : 0;
  if (whole > 0 && (!keys.has(kHeadDim) || keys.is_text(kHeadDim))) return whole;  // "auto"
  const int dim = keys.count(kHeadDim, Limits::kHeadDim);
  const std::int64_t inner = std::int64_t{heads} * dim;
  if (inner > Limits::kWidth || (whole > 0 && inner != whole))
    keys.fail(ErrorCode::bad_value, kHeadDim,
              "is " + std::to_string(dim) + " for " + std::to_string(heads) + " heads, expected " +
                  (whole > 0 ? std::to_string(whole) : "at most " + std::to_string(Limits::kWidth)) +
                  " channels together");
  return static_cast<int>(inner);
}

}  // namespace

StateSpaceSpec read_mamba2(const Keys& keys, const ModelSpec& spec) {
  StateSpaceSpec space = read_common(keys);
  space.heads = keys.count(kSteps, Limits::kHeads);
  space.groups = keys.count(kGroups, Limits::kHeads);
  space.inner = read_channels(keys, spec, space.heads);
  if (space.inner % space.heads != 0)
    keys.fail(ErrorCode::bad_value, kSteps,
              "is " + std::to_string(space.heads) + ", expected a divisor of the " + std::to_string(space.inner) +
                  " channels");
  if (space.heads % space.groups != 0)
    keys.fail(
        ErrorCode::bad_value, kGroups,
        "is " + std::to_string(space.groups) + ", expected a divisor of the " + std::to_string(space.heads) + " heads");
  space.norm = spec.output.norm;
  return space;
}

StateSpaceSpec read_mamba1(const Keys& keys, const ModelSpec& spec) {
  StateSpaceSpec space = read_common(keys);
  const Field rank{"ssm.time_step_rank", "time_step_rank"};
  if (keys.is_gguf())
    space.inner = keys.count(kInner, Limits::kWidth);
  else
    space.inner = expanded(keys, spec.width);
  space.rank = !keys.is_gguf() && (!keys.has(rank) || keys.is_text(rank)) ? ceil_div(spec.width, 16)  // "auto"
                                                                          : keys.count(rank, Limits::kWidth);
  return space;
}

StateSpaceSpec state_space_of(const Keys& keys, const StateSpaceSpec& like, int layer) {
  StateSpaceSpec space = like;
  space.conv_bias = keys.is_gguf() ? keys.tensor_exists({TensorRole::ssm_conv, layer, true})
                                   : keys.flag_or({"", "use_conv_bias"}, true);
  for (const TensorRole role : {TensorRole::ssm_in, TensorRole::ssm_out})
    if (keys.tensor_exists({role, layer, true}))
      keys.fail_tensor(ErrorCode::unsupported_type, {role, layer, true},
                       "is there: projections of state spaces with biases are not known here");
  const Field biases{"", "use_bias"};
  if (keys.flag_or(biases, false))
    keys.fail(ErrorCode::unsupported_type, biases,
              "is true: projections of state spaces with biases are not known here");
  return space;
}

namespace {

template <class Read>
void fill(const Keys& keys, ModelSpec& spec, const Read& read) {
  std::optional<StateSpaceSpec> space;
  for (int l = 0; l < spec.n_layers(); ++l) {
    Mixer& mixer = spec.layers[static_cast<std::size_t>(l)].mixer;
    if (!std::holds_alternative<Nothing>(mixer)) continue;
    if (!space) space = read();
    mixer = state_space_of(keys, *space, l);
  }
}

}  // namespace

void fill_with_mamba2(const Keys& keys, ModelSpec& spec) {
  fill(keys, spec, [&] { return read_mamba2(keys, spec); });
}

void fill_with_mamba1(const Keys& keys, ModelSpec& spec, const std::optional<NormSpec>& step_norm) {
  fill(keys, spec, [&] {
    StateSpaceSpec space = read_mamba1(keys, spec);
    space.step_norm = step_norm;
    return space;
  });
}

const StateSpaceSpec* first_state_space(const ModelSpec& spec) {
  for (const LayerSpec& layer : spec.layers)
    for (const Mixer* mixer : {&layer.mixer, &layer.beside})
      if (const auto* space = std::get_if<StateSpaceSpec>(mixer)) return space;
  return nullptr;
}

void write_state_space(GgufWriter& writer, const ModelSpec& spec) {
  const StateSpaceSpec* space = first_state_space(spec);
  if (!space) return;
  const auto count = [&](const char* key, int value) {
    writer.set(spec.family + "." + key, static_cast<std::uint32_t>(value));
  };
  count("ssm.conv_kernel", space->kernel);
  count("ssm.inner_size", space->inner);
  count("ssm.state_size", space->size);
  count("ssm.time_step_rank", space->by_channel() ? space->rank : space->heads);
  if (!space->by_channel()) count("ssm.group_count", space->groups);
}

void write_kv_heads(GgufWriter& writer, const ModelSpec& spec) {
  const AttentionSpec* first = first_attention(spec);
  GgufArray kv_heads(GgufType::u32);
  for (const LayerSpec& layer : spec.layers) {
    const auto* attention = std::get_if<AttentionSpec>(&layer.mixer);
    kv_heads.add(static_cast<std::uint32_t>(attention ? attention->n_kv_heads : 0));
  }
  writer.set(spec.family + ".attention.head_count", static_cast<std::uint32_t>(first ? first->n_heads : 1));
  writer.set(spec.family + ".attention.head_count_kv", kv_heads);
}

}  // namespace plumb::family
