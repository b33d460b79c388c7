// Nemotron and Arcee: feed-forward blocks of two matrices with a squared ReLU between them.

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace {

/// Norm weights stand in GGUF files as they are multiplied with.
ModelSpec read_nemotron(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  style.norm = NormKind::layer;
  style.activation = Activation::relu2;
  style.gated = false;
  return read_decoder(keys, style);
}

ModelSpec read_arcee(const Keys& keys) {
  Style style;
  style.activation = Activation::relu2;
  style.gated = false;
  return read_decoder(keys, style);
}

constexpr Alias kNemotronNames[] = {{"layer_norm_eps", "norm_eps"}};

constexpr ModelType kNemotron[] = {
    {"nemotron", R"({"max_position_embeddings":4096,"layer_norm_eps":1e-5,"partial_rotary_factor":0.5})",
     kNemotronNames}};
constexpr ModelType kArcee[] = {{"arcee", R"({"max_position_embeddings":4096,"rms_norm_eps":1e-5})"}};

constexpr Family kFamilies[] = {
    {"nemotron", "Nemotron 4, Minitron", read_nemotron, kNemotron},
    {"arcee", "AFM", read_arcee, kArcee},
};

}  // namespace

std::span<const Family> nemotron_families() { return kFamilies; }

}  // namespace plumb::family
