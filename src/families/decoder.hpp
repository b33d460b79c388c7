#pragma once
/// What the decoders of all families have in common: the standard keys, read into a spec of the Llama shape, and the
/// parts that only some have. A family reads this and then sets what is its own.

#include <functional>
#include <optional>

#include "keys.hpp"
#include "plumb/io/gguf_writer.hpp"
#include "plumb/model/spec.hpp"

namespace plumb::inline PLUMB_ABI::family {

/// Which layers have a feed-forward block.
enum class FeedForwards {
  all,
  some,  ///< those whose inner width is not 0 (nemotron_h)
  none,  ///< no key says an inner width (mamba)
};

/// What the standard keys leave open.
struct Style {
  RopePairs pairs = RopePairs::interleaved;
  NormKind norm = NormKind::rms;
  bool norm_weight = true;  ///< norms have weights
  bool norm_bias = true;    ///< layer norms have biases
  Activation activation = Activation::silu;
  bool gated = true;
  /// GELU is computed in its tanh form, whatever config.json calls it.
  bool gelu_is_tanh = false;
  /// config.json without `attention_bias` or `mlp_bias`: these biases exist. GGUF: where their tensors are.
  bool biases = false;
  bool scaled_embedding = false;  ///< embeddings are multiplied by sqrt(D) where no key says otherwise
  int inner_multiple = 0;         ///< config.json without an inner width: this many widths; 0: it must be there
  /// GGUF files that count no KV heads in a layer mean a mixer of another kind there, which the family puts in.
  bool other_mixers = false;
  /// false: the family reads its mixers and rotation itself.
  bool attention = true;
  FeedForwards feed_forwards = FeedForwards::all;
  /// Attention sees later positions, and there is no head: what is made is embeddings. config.json, which does not say
  /// how they are pooled: by the mean.
  bool encoder = false;
};

/// Vocabulary, width, layers with their norms, attention and dense block, rotation, head.
ModelSpec read_decoder(const Keys& keys, const Style& style);

/// Windows where keys leave them open.
struct WindowStyle {
  int period = 0;             ///< the last of each group of so many layers has no window, the others do; 0: all do
  bool global_first = false;  ///< it is the first of each group
  int absent = 0;             ///< the window of GGUF files without a key for it
  /// false: the engine that GGUF files are made for takes a number there and never reads an array of flags.
  bool flags = true;
};
/// Windows of attention by `sliding_window` and the pattern: an array of flags, `layer_types`, or a period. A window of
/// 0 is none.
void read_windows(const Keys& keys, ModelSpec& spec, const WindowStyle& style = {});

/// How a family's experts are read.
struct ExpertStyle {
  bool renormalise = true;   ///< GGUF without `expert_weights_norm`; config.json says by `norm_topk_prob`
  bool sigmoid = false;      ///< scores become sigmoids where no key says how they become weights
  int fallback_inner = 0;    ///< inner width of an expert where no key says it; 0: the key must be there
  int shared_inner = 0;      ///< inner width of a shared expert where no key says it or how many there are; 0: none
  bool shared_gate = false;  ///< a shared expert has a gate
  bool biases = false;       ///< config.json: experts and router have biases; GGUF files tell by their tensors
  bool choice_bias = false;  ///< config.json: the choice has a bias; GGUF files tell by their tensors
  /// Layers that have experts by config.json; GGUF files tell by their tensors.
  std::function<bool(int layer)> sparse;
};
/// Puts experts in place of dense blocks, in all layers but the leading dense ones and those without a router.
void read_experts(const Keys& keys, ModelSpec& spec, const ExpertStyle& style);

/// What the engine that GGUF files are made for does with experts of some families whatever the keys say: weights that
/// are divided by their sum, and are not scaled.
void plain_expert_weights(ModelSpec& spec, bool sigmoid);

/// Queries and keys are normed by the norm of the stream.
void norm_queries_and_keys(ModelSpec& spec, QkNormOver over, bool after_rope = false);

/// Layers without a window rotate nothing, in models that have windows.
void rotate_windowed_layers_alone(ModelSpec& spec);

/// A rotation of the same pairs and dimensions by another base, not stretched.
RopeSpec plain_rope(const RopeSpec& like, float base);
/// The rotation of layers with a window that has a base of its own: `rope.freq_base_swa`, in config.json the field of
/// that name or the `rope_parameters` of that type of layer. 10000 where nothing says it.
RopeSpec read_local_rope(const Keys& keys, const RopeSpec& like, int context, std::string_view json_base);
/// Layers with a window or chunks rotate by a table of their own, unless they do not rotate.
void rotate_windows_by(ModelSpec& spec, const RopeSpec& local);
/// The same where a GGUF file has a base for them; stretching is that of the others.
void read_base_of_windows(const Keys& keys, ModelSpec& spec);

/// Calls visit(ExpertsSpec&) for the experts of every layer that has some.
template <class Visit>
void for_each_experts(ModelSpec& spec, const Visit& visit) {
  for (LayerSpec& layer : spec.layers)
    if (auto* experts = std::get_if<ExpertsSpec>(&layer.ffn)) visit(*experts);
}
/// The inner width of the first layer's dense block, before experts take its place.
inline int dense_inner(const ModelSpec& spec) { return std::get<DenseSpec>(spec.layers.front().ffn).inner; }

/// The rotation of heads of `head_dim` dimensions: base, rotated part, stretching, factors. `pairs` other than none.
/// `kind`: the type of layer, for files that have `rope_parameters` for each.
RopeSpec read_rope(const Keys& keys, RopePairs pairs, int head_dim, int context,
                   std::string_view kind = "full_attention");

/// The factors that GGUF files have as a tensor of this role, by what config.json says of the rotation. `count`: as
/// many as the longest table takes. @throws Error{missing_key, bad_value}.
std::vector<float> rope_factors(const Keys& keys, const ModelSpec& spec, TensorRole role, std::size_t count);

/// Sets the key that deals pairs of dimensions to time, height and width of a picture. For text, whose three positions
/// are equal, any deal is the same; other engines ask for one.
void write_rope_sections(GgufWriter& writer, const ModelSpec& spec);

/// YaRN's borders between frequencies that stay and those that are stretched are its usual ones, whatever the keys say:
/// the engine that GGUF files are made for reads the keys of few families.
void usual_yarn_borders(ModelSpec& spec);

/// Takes off the layers that guess the token after next. GGUF files count them, and hold them last.
void drop_guessing_layers(const Keys& keys, ModelSpec& spec);

/// Width / heads, where that divides. @throws Error{bad_value} naming the heads.
int head_dim_of(const Keys& keys, int width, int heads);

}  // namespace plumb::family
