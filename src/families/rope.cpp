// Rotation by the keys of a file. The spec keeps only what the kind of stretching uses, so that equal tables are equal.

#include <algorithm>
#include <cmath>

#include "decoder.hpp"
#include "plumb/core/printable.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace {

/// What says how the rotation is stretched: newer files have `rope_parameters`, some one for each type of layer.
Keys rope_section(const Keys& keys, std::string_view kind) {
  if (keys.is_gguf()) return keys;
  if (keys.has_object("rope_parameters")) {
    return keys.within("rope_parameters").within(kind);
  }
  return keys.within("rope_scaling");
}

/// The magnitude of long and short factors (Ding et al. 2024, as the models' own code has it).
float long_magnitude(double stretch, int original) {
  if (stretch <= 1.0 || original <= 1) return 1.0f;
  return static_cast<float>(std::sqrt(1.0 + std::log(stretch) / std::log(static_cast<double>(original))));
}

void read_yarn(const Keys& keys, RopeSpec& rope) {
  rope.scaling = RopeScaling::yarn;
  rope.yarn_ext_factor = keys.real_or({"rope.scaling.yarn_ext_factor", ""}, 1.0f);
  rope.yarn_beta_fast = keys.real_or({"rope.scaling.yarn_beta_fast", "beta_fast"}, 32.0f);
  rope.yarn_beta_slow = keys.real_or({"rope.scaling.yarn_beta_slow", "beta_slow"}, 1.0f);
}

}  // namespace

RopeSpec plain_rope(const RopeSpec& like, float base) {
  RopeSpec rope;
  rope.pairs = like.pairs;
  rope.dims = like.dims;
  rope.base = base;
  return rope;
}

RopeSpec read_local_rope(const Keys& keys, const RopeSpec& like, int context, std::string_view json_base) {
  if (keys.has_object("rope_parameters") && keys.within("rope_parameters").has_object("sliding_attention"))
    return read_rope(keys, like.pairs, like.dims, context, "sliding_attention");
  return plain_rope(like, keys.real_or({"rope.freq_base_swa", json_base}, 10000.0f));
}

void rotate_windows_by(ModelSpec& spec, const RopeSpec& local) {
  const int table = static_cast<int>(spec.ropes.size());
  bool used = false;
  for_each_attention(spec, [&](AttentionSpec& attention) {
    if ((attention.window == 0 && attention.chunk == 0) || attention.rope < 0) return;
    attention.rope = table;
    used = true;
  });
  if (used) spec.ropes.push_back(local);
}

void read_base_of_windows(const Keys& keys, ModelSpec& spec) {
  const Field field{"rope.freq_base_swa", ""};
  if (spec.ropes.empty() || !keys.has(field)) return;
  RopeSpec local = spec.ropes[0];
  local.base = keys.real(field);
  if (local != spec.ropes[0]) rotate_windows_by(spec, local);
}

void usual_yarn_borders(ModelSpec& spec) {
  for (RopeSpec& rope : spec.ropes) {
    rope.yarn_beta_fast = RopeSpec{}.yarn_beta_fast;
    rope.yarn_beta_slow = RopeSpec{}.yarn_beta_slow;
  }
}

RopeSpec read_rope(const Keys& keys, RopePairs pairs, int head_dim, int context, std::string_view kind) {
  const Keys own = rope_section(keys, kind);
  RopeSpec rope;
  rope.pairs = pairs;
  rope.base = own.real_or({"rope.freq_base", "rope_theta"}, 10000.0f);
  const Field share{"", "partial_rotary_factor"};
  const float rotated = own.real_or(share, 1.0f);
  if (!(rotated > 0.0f && rotated <= 1.0f)) own.fail(ErrorCode::bad_value, share, "is outside 0 to 1");
  // The share is a decimal fraction such as 0.4 whose float is a little off: what it makes of whole numbers is whole.
  const int by_share = static_cast<int>(static_cast<double>(rotated) * head_dim + 1e-4);
  rope.dims = own.count_or({"rope.dimension_count", ""}, by_share, SpecLimits::kHeadDim);

  const Field type{"rope.scaling.type", own.has({"", "rope_type"}) ? "rope_type" : "type"};
  const Field original{"rope.scaling.original_context_length", "original_max_position_embeddings"};
  const Field magnitude{"rope.scaling.attn_factor", "attention_factor"};
  const std::string scaling = own.text_or(type, "");
  const auto stretched = [&] {  // before there were types, a factor alone meant linear
    const Field factor{own.has({"rope.scaling.factor", ""}) || !own.has({"rope.scale_linear", ""})
                           ? "rope.scaling.factor"
                           : "rope.scale_linear",
                       "factor"};
    return own.is_gguf() ? own.real_or(factor, 1.0f) : own.real(factor);
  };
  const int trained = own.count_or(original, context, SpecLimits::kContext);
  if (own.is_gguf()) {
    rope.attn_factor = own.real_or(magnitude, 1.0f);
    if (own.tensor_exists({TensorRole::rope_factors, -1, false})) rope.factors = RopeFactors::one;
    if (own.tensor_exists({TensorRole::rope_factors_long, -1, false})) rope.factors = RopeFactors::long_short;
    const float factor = stretched();
    if (scaling == "yarn")
      read_yarn(own, rope);
    else if (scaling == "linear" || scaling.empty())
      rope.scaling = factor != 1.0f ? RopeScaling::linear : RopeScaling::none;
    else if (scaling != "none" && scaling != "longrope")
      own.fail(ErrorCode::bad_value, type, quote(scaling) + ", expected none, linear, yarn or longrope");
    if (rope.scaling != RopeScaling::none) rope.factor = factor;
  } else if (scaling == "linear") {
    rope.factor = stretched();
    if (rope.factor != 1.0f) rope.scaling = RopeScaling::linear;
  } else if (scaling == "yarn") {
    read_yarn(own, rope);
    rope.factor = stretched();
    // Ours multiplies the magnitude that comes with YaRN, theirs replaces it.
    if (own.has(magnitude)) rope.attn_factor = own.real(magnitude) / (1.0f + 0.1f * std::log(rope.factor));
  } else if (scaling == "llama3") {
    rope.factors = RopeFactors::one;
  } else if (scaling == "longrope" || scaling == "su") {
    rope.factors = RopeFactors::long_short;
    const Field factor{"", "factor"};
    const double stretch =
        own.has(factor) ? static_cast<double>(own.real(factor)) : static_cast<double>(context) / trained;
    rope.attn_factor = own.real_or(magnitude, long_magnitude(stretch, trained));
  } else if (!scaling.empty() && scaling != "default" && scaling != "dynamic" && scaling != "mrope") {
    own.fail(ErrorCode::bad_value, type,
             "is " + quote(scaling) + ", expected default, dynamic, linear, yarn, llama3, longrope or mrope");
  }
  // "mrope" rotates by three positions, of time, height and width. In a text they are one: nothing is stretched.
  if (rope.scaling == RopeScaling::yarn || rope.factors == RopeFactors::long_short) rope.original_context = trained;
  return rope;
}

namespace {

/// Llama 3.1 (its own code): slow frequencies are divided by the factor, fast ones are left, those between are mixed.
std::vector<float> llama3_factors(const Keys& own, const RopeSpec& rope) {
  const float base = rope.base, factor = own.real_or({"", "factor"}, 8.0f);
  const float low = own.real_or({"", "low_freq_factor"}, 1.0f), high = own.real_or({"", "high_freq_factor"}, 4.0f);
  const auto trained =
      static_cast<float>(own.count_or({"", "original_max_position_embeddings"}, 8192, SpecLimits::kContext));
  std::vector<float> factors;
  for (int i = 0; i < rope.dims; i += 2) {
    const float frequency = 1.0f / std::pow(base, static_cast<float>(i) / static_cast<float>(rope.dims));
    const float length = static_cast<float>(2 * 3.14159265358979323846) / frequency;
    if (length < trained / high) {
      factors.push_back(1.0f);
    } else if (length > trained / low) {
      factors.push_back(factor);
    } else {
      const float share = (trained / length - low) / (high - low);
      factors.push_back(1.0f / ((1.0f - share) / factor + share));
    }
  }
  return factors;
}

/// Gemma 4: the frequencies are those of a whole head, of which a share is rotated and the rest hardly.
std::vector<float> proportional_factors(const Keys& own, const RopeSpec& rope) {
  constexpr float kStill = 1e30f;
  const double share = static_cast<double>(own.real_or({"", "partial_rotary_factor"}, 1.0f));
  const auto rotated = static_cast<std::size_t>(share * rope.dims / 2 + 1e-4);
  std::vector<float> factors(static_cast<std::size_t>(rope.dims / 2), kStill);
  std::fill_n(factors.begin(), std::min(rotated, factors.size()), 1.0f);
  return factors;
}

}  // namespace

std::vector<float> rope_factors(const Keys& keys, const ModelSpec& spec, TensorRole role, std::size_t count) {
  const Keys own = rope_section(keys, "full_attention");
  std::vector<float> factors;
  if (role == TensorRole::rope_factors) {
    const auto used = std::find_if(spec.ropes.begin(), spec.ropes.end(),
                                   [](const RopeSpec& rope) { return rope.factors == RopeFactors::one; });
    const std::string type = own.text_or({"", own.has({"", "rope_type"}) ? "rope_type" : "type"}, "");
    factors = type == "llama3" ? llama3_factors(own, *used) : proportional_factors(own, *used);
    factors.resize(std::max(count, factors.size()), 1.0f);  // of tables with more dimensions
  } else {
    const Field field{"", role == TensorRole::rope_factors_long ? "long_factor" : "short_factor"};
    if (!own.has(field)) own.fail(ErrorCode::missing_key, field, "is missing");
    for (const double factor : own.reals(field)) factors.push_back(static_cast<float>(factor));
    if (factors.size() != count)
      own.fail(ErrorCode::bad_value, field,
               "has " + std::to_string(factors.size()) + " entries, expected " + std::to_string(count));
  }
  return factors;
}

void write_rope_sections(GgufWriter& writer, const ModelSpec& spec) {
  GgufArray sections(GgufType::i32);
  const int pairs = spec.ropes.empty() ? 0 : spec.ropes[0].dims / 2, part = pairs / 3;
  for (const int section : {pairs - 2 * part, part, part, 0}) sections.add(std::int32_t{section});
  writer.set(spec.family + ".rope.dimension_sections", sections);
}

}  // namespace plumb::family
