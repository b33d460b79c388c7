// Apertus: norms of the heads of q and k, and a feed-forward block without a gate whose curve, xIELU, has learned
// numbers in every layer. GGUF files hold them under keys; in folders they are tensors, and a config.json alone means
// those that training starts from.

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace apertus {
namespace {

constexpr Field kAlphaP{"xielu.alpha_p", "", true};
constexpr Field kAlphaN{"xielu.alpha_n", "", true};
constexpr Field kBeta{"xielu.beta", "", true};
constexpr Field kEps{"xielu.eps", "", true};

ModelSpec read_apertus(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  style.activation = Activation::xielu;
  style.gated = false;
  ModelSpec spec = read_decoder(keys, style);
  norm_queries_and_keys(spec, QkNormOver::head);
  const int n = spec.n_layers();
  const auto numbers = [&](const Field& field, float usual) {
    if (keys.is_gguf() && !keys.has(field)) keys.fail(ErrorCode::missing_key, field, "is missing");
    return keys.reals_per_layer(field, usual, n);
  };
  const XieluSpec usual;
  const std::vector<float> alpha_p = numbers(kAlphaP, usual.alpha_p), alpha_n = numbers(kAlphaN, usual.alpha_n);
  const std::vector<float> beta = numbers(kBeta, usual.beta), eps = numbers(kEps, usual.eps);
  for (std::size_t l = 0; l < spec.layers.size(); ++l)
    std::get<DenseSpec>(spec.layers[l].ffn).xielu = {alpha_p[l], alpha_n[l], beta[l], eps[l]};
  return spec;
}

void write_apertus(GgufWriter& writer, const ModelSpec& spec) {
  const auto write = [&](const Field& field, float XieluSpec::*number) {
    GgufArray array(GgufType::f32);
    for (const LayerSpec& layer : spec.layers)
      if (const auto* dense = std::get_if<DenseSpec>(&layer.ffn)) array.add(dense->xielu.*number);
    writer.set(field.gguf, array);
  };
  write(kAlphaP, &XieluSpec::alpha_p);
  write(kAlphaN, &XieluSpec::alpha_n);
  write(kBeta, &XieluSpec::beta);
  write(kEps, &XieluSpec::eps);
}

constexpr ModelType kTypes[] = {
    {"apertus", R"({"max_position_embeddings":65536,"rms_norm_eps":1e-5,"rope_theta":12000000.0})"}};

constexpr Place kPlaces[] = {
    {TensorRole::attn_norm, "attention_layernorm"},
    {TensorRole::ffn_norm, "feedforward_layernorm"},
};
/// The learned numbers of the curves.
void find_numbers(ModelSpec& spec, const FolderTensors& tensors) {
  for (std::size_t l = 0; l < spec.layers.size(); ++l) {
    XieluSpec& xielu = std::get<DenseSpec>(spec.layers[l].ffn).xielu;
    const std::string prefix = "layers." + std::to_string(l) + ".mlp.act_fn.";
    xielu.alpha_p = tensors.number(prefix + "alpha_p").value_or(xielu.alpha_p);
    xielu.alpha_n = tensors.number(prefix + "alpha_n").value_or(xielu.alpha_n);
    xielu.beta = tensors.number(prefix + "beta").value_or(xielu.beta);
    xielu.eps = tensors.number(prefix + "eps").value_or(xielu.eps);
  }
}

constexpr Family kFamilies[] = {{.architecture = "apertus",
                                 .models = "Apertus",
                                 .read = read_apertus,
                                 .types = kTypes,
                                 .write = write_apertus,
                                 .folder = {.places = kPlaces, .complete = find_numbers}}};

}  // namespace
}  // namespace apertus

std::span<const Family> apertus_families() { return apertus::kFamilies; }

}  // namespace plumb::family
