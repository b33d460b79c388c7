// Phi-3 and Phi-4: the Llama shape with rotation of halves; files hold q, k and v in one matrix, and gate and up in
// another (tensors.cpp). Long-context models have long and short rope factors.
//
// Both kinds of files have a `sliding_window`. The engine that GGUF files are made for does not read it, and answers of
// long prompts would differ from its own, so windows are left out here too.

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace {

ModelSpec read_phi3(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  return read_decoder(keys, style);
}

constexpr ModelType kPhi3[] = {
    {"phi3", R"({"max_position_embeddings":4096,"original_max_position_embeddings":4096,"rms_norm_eps":1e-5})"}};

constexpr Family kFamilies[] = {
    {"phi3", "Phi-3, Phi-3.5 and Phi-4, text", read_phi3, kPhi3},
};

}  // namespace

std::span<const Family> phi_families() { return kFamilies; }

}  // namespace plumb::family
