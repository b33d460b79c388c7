#pragma once
/// @file
/// The description of a model: what is global, and one LayerSpec per layer. Presets, sweeps, GGUF files, config.json
/// and programs all make this struct; parameters, memory, work and the forward pass all follow from it. A spec exists
/// without any weights.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/blocks/altup.hpp"
#include "plumb/blocks/layer.hpp"
#include "plumb/blocks/per_layer_embedding.hpp"

namespace plumb::inline PLUMB_ABI {

/// How tokens enter the stream.
struct EmbeddingSpec {
  float scale = 1.0f;      ///< multiplies the row (gemma: sqrt(D))
  bool positions = false;  ///< a table of `context` position vectors (gpt2): context*D parameters, a row a token
  int token_types = 0;     ///< rows of a table of which the first is added to every token (bert): D parameters each
  std::optional<NormSpec> norm = {};                    ///< of the sum (bloom)
  std::optional<PerLayerEmbeddingSpec> per_layer = {};  ///< values of their own for every layer (gemma3n, gemma4)

  bool operator==(const EmbeddingSpec&) const = default;
};

/// How the rows of a text become one embedding.
enum class Pooling {
  none,  ///< they do not, by the model's own account
  mean,  ///< the mean of all rows
  cls,   ///< the first row
  last,  ///< the last row
};

/// How logits leave it, and embeddings.
struct OutputSpec {
  std::optional<NormSpec> norm = NormSpec{};
  bool head = true;      ///< false: the model makes embeddings and no logits (bert)
  bool tied = false;     ///< the head is the embedding matrix: V*D fewer parameters, the same bytes per token
  bool bias = false;     ///< V parameters
  float scale = 1.0f;    ///< multiplies the logits
  float softcap = 0.0f;  ///< cap * tanh(logit / cap), after the scale; 0: none
  Pooling pooling = Pooling::none;  ///< of embeddings
  int dense_2 = 0;  ///< width of a product with the pooled row (gemma-embedding): that * D parameters; 0: none
  int dense_3 = 0;  ///< width of a product with what comes out of that, or with the pooled row; 0: none

  bool operator==(const OutputSpec&) const = default;
};

/// One transformer.
struct ModelSpec {
  std::string name = {};         ///< for people; empty is fine
  std::string family = "llama";  ///< whose names of keys and tensors files use: GGUF `general.architecture`

  int vocab_size = 0;  ///< V. Embedding V*D parameters (one row read per token); head V*D (all read per token)
  int width = 0;       ///< D, the residual stream. Parameters per layer grow with D^2
  int context = 0;     ///< longest context the model was trained for; bounds the state
  EmbeddingSpec embedding = {};
  std::vector<RopeSpec> ropes = {};     ///< tables of rotation; a layer says which
  std::vector<LayerSpec> layers = {};   ///< everything but embedding and head is a sum over these
  std::optional<AltupSpec> altup = {};  ///< several streams in place of one (gemma3n)
  OutputSpec output = {};

  int n_layers() const { return static_cast<int>(layers.size()); }
  /// Values of an embedding.
  int embedding_width() const {
    return output.dense_3 > 0 ? output.dense_3 : output.dense_2 > 0 ? output.dense_2 : width;
  }
  bool operator==(const ModelSpec&) const = default;
};

/// Refuses a spec that describes no transformer: zero, negative or absurdly large dimensions, heads that do not
/// divide, scalars that are not finite. `where` names the file or preset in the message.
/// @throws Error{bad_value} naming layer and field, what was found and what was expected.
inline void check_spec(const ModelSpec& spec, std::string_view where);

/// Refuses a spec that this library cannot run: what check_spec refuses, features that a block has no implementation
/// for, sizes that overflow. @throws Error{bad_value, overflow}, Error{unsupported_architecture} naming layer and
/// feature, and what is supported.
inline void check_runnable(const ModelSpec& spec, std::string_view where);

/// The first attention layer, or nullptr.
inline const AttentionSpec* first_attention(const ModelSpec& spec) {
  for (const LayerSpec& layer : spec.layers)
    if (const auto* attention = std::get_if<AttentionSpec>(&layer.mixer)) return attention;
  return nullptr;
}
/// Whether rows see later rows of their text, so that it must be read in one pass and cannot be continued.
inline bool reads_at_once(const ModelSpec& spec) {
  for (const LayerSpec& layer : spec.layers)
    for (const Mixer* mixer : {&layer.mixer, &layer.beside})
      if (const auto* attention = std::get_if<AttentionSpec>(mixer))
        if (!attention->causal) return true;
  return false;
}
/// Whether it continues texts, rather than make embeddings alone.
inline bool generates(const ModelSpec& spec) { return spec.output.head && !reads_at_once(spec); }
/// Calls visit(AttentionSpec&) for the attention of every layer that has one.
template <class Visit>
void for_each_attention(ModelSpec& spec, const Visit& visit) {
  for (LayerSpec& layer : spec.layers)
    if (auto* attention = std::get_if<AttentionSpec>(&layer.mixer)) visit(*attention);
}
/// The first layer's latent attention of those that have some, or nullptr.
inline const LatentAttentionSpec* first_latent(const ModelSpec& spec) {
  for (const LayerSpec& layer : spec.layers)
    if (const auto* latent = std::get_if<LatentAttentionSpec>(&layer.mixer)) return latent;
  return nullptr;
}
/// The experts of the first layer that has some, or nullptr.
inline const ExpertsSpec* first_experts(const ModelSpec& spec) {
  for (const LayerSpec& layer : spec.layers)
    if (const auto* experts = std::get_if<ExpertsSpec>(&layer.ffn)) return experts;
  return nullptr;
}

/// What the layers remember.
inline std::vector<LayerState> layer_states(const ModelSpec& spec) {
  std::vector<LayerState> states;
  for (const LayerSpec& layer : spec.layers) states.push_back(layer_state(layer, spec.width));
  return states;
}

}  // namespace plumb

#include "plumb/model/check_spec.hpp"
