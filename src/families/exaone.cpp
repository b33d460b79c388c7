// EXAONE 4: norms of what each part adds, and of the heads of q and k. Models with windows rotate in the layers that
// have one, three of four. The engine that GGUF files are made for has windows in models of 64 layers alone, the one
// published size with windows.

#include <utility>

#include "decoder.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace exaone {
namespace {

constexpr int kLayersWithWindows = 64;
constexpr int kWindow = 4096;
constexpr int kPeriod = 4;

/// config.json may say which layers have a window by letters: "LLLG", L with one, over and over.
bool read_letters(const Keys& keys, ModelSpec& spec) {
  const Field pattern{"", "sliding_window_pattern"}, types{"", "layer_types"};
  if (keys.is_gguf() || keys.has(types) || !keys.is_text(pattern)) return false;
  const std::string letters = keys.text_or(pattern, "");
  if (letters.empty() || letters.find_first_not_of("LG") != std::string::npos)
    keys.fail(ErrorCode::bad_value, pattern, "is no word of the letters L and G");
  const int window = keys.natural_or({"", "sliding_window"}, 0, SpecLimits::kContext);
  for (std::size_t l = 0; l < spec.layers.size(); ++l)
    if (letters[l % letters.size()] == 'L') std::get<AttentionSpec>(spec.layers[l].mixer).window = window;
  return true;
}

ModelSpec read_exaone4(const Keys& keys) {
  Style style;
  style.pairs = RopePairs::halves;
  ModelSpec spec = read_decoder(keys, style);
  norm_queries_and_keys(spec, QkNormOver::head);
  for (LayerSpec& layer : spec.layers)
    for (BranchSpec* branch : {&layer.mixer_branch, &layer.ffn_branch}) std::swap(branch->norm, branch->post_norm);
  drop_guessing_layers(keys, spec);
  WindowStyle windows;
  windows.period = kPeriod;
  windows.absent = kWindow;
  windows.flags = false;
  if (keys.is_gguf() ? spec.n_layers() == kLayersWithWindows : !read_letters(keys, spec))
    read_windows(keys, spec, windows);
  rotate_windowed_layers_alone(spec);
  read_base_of_windows(keys, spec);
  return spec;
}

constexpr ModelType kExaone4[] = {
    {"exaone4", R"({"max_position_embeddings":2048,"rms_norm_eps":1e-5,"num_key_value_heads":32})"}};

constexpr Family kFamilies[] = {{"exaone4", "EXAONE 4", read_exaone4, kExaone4}};

}  // namespace
}  // namespace exaone

std::span<const Family> exaone_families() { return exaone::kFamilies; }

}  // namespace plumb::family
