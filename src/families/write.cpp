// A spec as the keys of its family. What they say is read back before anything is written, so that a feature that has
// no key is refused by name and never lost.

#include <algorithm>
#include <cstring>
#include <map>

#include "difference.hpp"
#include "plumb/core/memory.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/weights.hpp"
#include "registry.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Sets keys below the architecture's prefix.
class KeyWriter {
 public:
  KeyWriter(GgufWriter& writer, const std::string& architecture) : writer_(writer), prefix_(architecture + ".") {}

  void count(std::string_view key, int value) { writer_.set(full(key), static_cast<std::uint32_t>(value)); }
  void real(std::string_view key, float value) { writer_.set(full(key), value); }
  void flag(std::string_view key, bool value) { writer_.set(full(key), value); }
  void text(std::string_view key, std::string_view value) { writer_.set(full(key), value); }
  /// A number that files leave out where it is the usual one.
  void real_unless(std::string_view key, float value, float usual) {
    if (value != usual) real(key, value);
  }
  /// One number where all layers agree, else one for each.
  void per_layer(std::string_view key, const std::vector<int>& values) {
    if (values.empty()) return;
    if (std::all_of(values.begin(), values.end(), [&](int v) { return v == values.front(); }))
      return count(key, values.front());
    GgufArray array(GgufType::u32);
    for (const int value : values) array.add(static_cast<std::uint32_t>(value));
    writer_.set(full(key), array);
  }
  void flags(std::string_view key, const std::vector<bool>& values) {
    GgufArray array(GgufType::boolean);
    for (const bool value : values) array.add(value);
    writer_.set(full(key), array);
  }

 private:
  std::string full(std::string_view key) const { return prefix_ + std::string(key); }
  GgufWriter& writer_;
  std::string prefix_;
};

/// A period whose last layers have no window while all others do; 0: every layer has one; nothing: no period.
std::optional<int> period_of(const std::vector<bool>& windowed) {
  const auto first_global = std::find(windowed.begin(), windowed.end(), false);
  if (first_global == windowed.end()) return 0;
  const std::size_t period = static_cast<std::size_t>(first_global - windowed.begin()) + 1;
  for (std::size_t l = 0; l < windowed.size(); ++l)
    if (windowed[l] == ((l + 1) % period == 0)) return std::nullopt;
  return static_cast<int>(period);
}

void write_windows(KeyWriter& keys, const ModelSpec& spec) {
  std::vector<bool> windowed;
  int window = 0;
  for (const LayerSpec& layer : spec.layers) {
    const auto* attention = std::get_if<AttentionSpec>(&layer.mixer);
    windowed.push_back(attention && attention->window > 0);
    if (windowed.back() && window == 0) window = attention->window;
  }
  if (window == 0) return;
  keys.count("attention.sliding_window", window);
  if (const auto period = period_of(windowed))
    keys.count("attention.sliding_window_pattern", *period);
  else
    keys.flags("attention.sliding_window_pattern", windowed);
}

void write_attention(KeyWriter& keys, const ModelSpec& spec) {
  std::vector<int> heads, kv_heads;
  for (const LayerSpec& layer : spec.layers)
    if (const auto* attention = std::get_if<AttentionSpec>(&layer.mixer)) {
      heads.push_back(attention->n_heads);
      kv_heads.push_back(attention->n_kv_heads);
    }
  keys.per_layer("attention.head_count", heads);
  keys.per_layer("attention.head_count_kv", kv_heads);
  const AttentionSpec& first = *first_attention(spec);
  keys.count("attention.key_length", first.head_dim);
  keys.count("attention.value_length", first.v_dim());
  keys.real_unless("attention.scale", first.scale, 0.0f);
  keys.real_unless("attention.clamp_kqv", first.clip, 0.0f);
  keys.real_unless("attn_logit_softcapping", first.softcap, 0.0f);
  if (!first.causal || !spec.output.head) keys.flag("attention.causal", first.causal);
  write_windows(keys, spec);
}

void write_latent(KeyWriter& keys, const LatentAttentionSpec& latent) {
  keys.count("attention.head_count", latent.n_heads);
  keys.count("attention.head_count_kv", 1);
  if (latent.q_rank > 0) keys.count("attention.q_lora_rank", latent.q_rank);
  keys.count("attention.kv_lora_rank", latent.kv_rank);
  keys.count("attention.key_length", latent.latent());
  keys.count("attention.value_length", latent.kv_rank);
  keys.count("attention.key_length_mla", latent.nope_dims + latent.rope_dims);
  keys.count("attention.value_length_mla", latent.v_dims);
  keys.real_unless("attention.scale", latent.scale, 0.0f);
  if (!latent.indexer.exists()) return;
  keys.count("attention.indexer.head_count", latent.indexer.heads);
  keys.count("attention.indexer.key_length", latent.indexer.dims);
  keys.count("attention.indexer.top_k", latent.indexer.top);
}

void write_ropes(KeyWriter& keys, const ModelSpec& spec) {
  if (spec.ropes.empty()) return;
  const RopeSpec& rope = spec.ropes[0];
  keys.count("rope.dimension_count", rope.dims);
  keys.real("rope.freq_base", rope.base);
  if (spec.ropes.size() > 1 && spec.ropes[1].pairs == rope.pairs) keys.real("rope.freq_base_swa", spec.ropes[1].base);
  keys.real_unless("rope.scaling.attn_factor", rope.attn_factor, 1.0f);
  if (rope.original_context > 0) keys.count("rope.scaling.original_context_length", rope.original_context);
  if (rope.scaling == RopeScaling::none) {
    if (rope.factors == RopeFactors::long_short) keys.text("rope.scaling.type", "longrope");
    return;
  }
  keys.text("rope.scaling.type", rope.scaling == RopeScaling::yarn ? "yarn" : "linear");
  keys.real("rope.scaling.factor", rope.factor);
  if (rope.scaling != RopeScaling::yarn) return;
  keys.real("rope.scaling.yarn_beta_fast", rope.yarn_beta_fast);
  keys.real("rope.scaling.yarn_beta_slow", rope.yarn_beta_slow);
  keys.real_unless("rope.scaling.yarn_ext_factor", rope.yarn_ext_factor, 1.0f);
}

void write_feed_forward(KeyWriter& keys, const ModelSpec& spec) {
  const ExpertsSpec* experts = first_experts(spec);
  std::vector<int> inner;
  int leading = 0;
  for (const LayerSpec& layer : spec.layers) {
    const auto* dense = std::get_if<DenseSpec>(&layer.ffn);
    // Experts have a key of their own; the common one stands for dense blocks, and for experts where there are none.
    inner.push_back(dense ? dense->inner : 0);
    if (dense && leading + 1 == static_cast<int>(inner.size())) ++leading;
  }
  const auto some = std::find_if(inner.begin(), inner.end(), [](int width) { return width > 0; });
  const int usual = some != inner.end() ? *some : experts ? experts->expert.inner : 0;
  std::replace(inner.begin(), inner.end(), 0, usual);
  keys.per_layer("feed_forward_length", inner);
  if (!experts) return;
  keys.count("expert_count", experts->count);
  keys.count("expert_used_count", experts->used);
  keys.count("expert_feed_forward_length", experts->expert.inner);
  if (experts->has_shared() && experts->shared.inner % experts->expert.inner == 0)
    keys.count("expert_shared_count", experts->shared.inner / experts->expert.inner);
  if (experts->has_shared()) keys.count("expert_shared_feed_forward_length", experts->shared.inner);
  if (leading > 0) keys.count("leading_dense_block_count", leading);
  keys.count("expert_gating_func", experts->routing.sigmoid ? 2 : 1);
  keys.flag("expert_weights_norm", experts->routing.renormalise);
  keys.real_unless("expert_weights_scale", experts->routing.weight_scale, 1.0f);
  if (experts->routing.groups == 0) return;
  keys.count("expert_group_count", experts->routing.groups);
  keys.count("expert_group_used_count", experts->routing.groups_used);
}

void set_keys(GgufWriter& writer, const ModelSpec& spec, const family::Family& own) {
  writer.set("general.architecture", spec.family);
  if (!spec.name.empty()) writer.set("general.name", spec.name);
  KeyWriter keys(writer, spec.family);
  keys.count("vocab_size", spec.vocab_size);
  keys.count("context_length", spec.context);
  keys.count("embedding_length", spec.width);
  keys.count("block_count", spec.n_layers());
  if (first_attention(spec))
    write_attention(keys, spec);
  else if (const LatentAttentionSpec* latent = first_latent(spec))
    write_latent(keys, *latent);
  write_ropes(keys, spec);
  write_feed_forward(keys, spec);
  const std::optional<NormSpec>& last =
      spec.output.norm ? spec.output.norm : spec.layers.front().mixer_branch.stream_norm;
  const NormSpec norm = last.value_or(NormSpec{});
  keys.real(norm.kind == NormKind::rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", norm.eps);
  keys.real_unless("residual_scale", spec.layers.front().residual_scale, 1.0f);
  keys.real_unless("embedding_scale", spec.embedding.scale, 1.0f);
  keys.real_unless("logit_scale", spec.output.scale, 1.0f);
  keys.real_unless("final_logit_softcapping", spec.output.softcap, 0.0f);
  if (spec.output.pooling != Pooling::none) keys.count("pooling_type", static_cast<int>(spec.output.pooling));
  if (spec.embedding.token_types > 0)
    writer.set("tokenizer.ggml.token_type_count", static_cast<std::uint32_t>(spec.embedding.token_types));
  if (own.write) own.write(writer, spec);
}

/// What a file with these keys and the spec's tensors says.
ModelSpec read_back(const GgufWriter& keys, const ModelSpec& spec, const family::Family& own) {
  const std::vector<std::byte> bytes = keys.header();
  AlignedBuffer memory(bytes.size());
  std::memcpy(memory.data(), bytes.data(), bytes.size());
  const GgufFile file = GgufFile::from_memory({memory.data(), bytes.size()}, spec.name.empty() ? "spec" : spec.name);
  std::map<std::string, std::int64_t, std::less<>> rows;
  for_each_tensor(spec,
                  [&](const TensorSpec& tensor) { rows[family::name_in(own, spec, tensor.id)] = tensor.shape.rows(); });
  const family::Keys reader(file, own, [&](const std::string& name) -> std::optional<std::int64_t> {
    const auto found = rows.find(name);
    if (found == rows.end()) return std::nullopt;
    return found->second;
  });
  ModelSpec read = own.read(reader);
  read.family = spec.family;
  return read;
}

}  // namespace

void write_spec(GgufWriter& writer, const ModelSpec& spec) {
  const std::string where = spec.name.empty() ? "spec" : printable(spec.name);
  const family::Family* own = family::find_family(spec.family);
  if (!own)
    throw Error(ErrorCode::unsupported_architecture,
                where + ": no family of models is called " + quote(spec.family, 60));
  check_spec(spec, where);
  GgufWriter trial;
  set_keys(trial, spec, *own);
  const std::string lost = family::difference(spec, read_back(trial, spec, *own));
  if (!lost.empty())
    throw Error(ErrorCode::unsupported_architecture, where + ": files of the family " + spec.family +
                                                         " have no keys for this spec: " + lost +
                                                         " as these files would have it");
  set_keys(writer, spec, *own);
}

}  // namespace plumb
