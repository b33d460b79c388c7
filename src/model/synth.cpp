#include "plumb/model/synth.hpp"

#include <algorithm>

#include "plumb/core/memory.hpp"
#include "plumb/core/parallel.hpp"
#include "plumb/model/config_from_gguf.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/model/random_weights.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Bytes made at once by all threads before they are written.
constexpr std::size_t kChunkBytes = std::size_t{8} << 20;

/// Makes rows in chunks and hands each to `append`, in order.
void write_rows(const RandomTensor& tensor, AlignedBuffer& chunk, const GgufAppend& append) {
  const std::size_t row_bytes = tensor.row_bytes();
  const std::int64_t rows = tensor.shape().rows();
  const std::int64_t at_once = std::max<std::int64_t>(1, static_cast<std::int64_t>(kChunkBytes / row_bytes));
  const std::size_t needed = static_cast<std::size_t>(std::min(at_once, rows)) * row_bytes;
  if (chunk.size() < needed) chunk = AlignedBuffer(std::max(needed, kChunkBytes));
  for (std::int64_t first = 0; first < rows; first += at_once) {
    const std::int64_t n = std::min(at_once, rows - first);
    run_parallel(default_threads(), [&](const Worker& worker) {
      const Range mine = worker.share(n);
      for (std::int64_t r = mine.begin; r < mine.end; ++r)
        tensor.fill(first + r, chunk.data() + static_cast<std::size_t>(r) * row_bytes);
    });
    append({chunk.data(), static_cast<std::size_t>(n) * row_bytes});
  }
}

std::uint32_t u32(int value) { return static_cast<std::uint32_t>(value); }

void set_experts(GgufWriter& writer, const std::string& prefix, const MoeConfig& moe) {
  writer.set(prefix + "expert_count", u32(moe.count));
  writer.set(prefix + "expert_used_count", u32(moe.used));
  writer.set(prefix + "expert_feed_forward_length", u32(moe.ffn_dim));
  if (moe.shared_ffn_dim > 0) writer.set(prefix + "expert_shared_feed_forward_length", u32(moe.shared_ffn_dim));
}

}  // namespace

void set_config(GgufWriter& writer, const ModelConfig& config) {
  const std::string prefix = config.architecture + ".";
  writer.set("general.architecture", config.architecture);
  if (!config.name.empty()) writer.set("general.name", config.name);
  writer.set(prefix + "vocab_size", u32(config.vocab_size));
  writer.set(prefix + "context_length", u32(config.context));
  writer.set(prefix + "embedding_length", u32(config.width));
  writer.set(prefix + "block_count", u32(config.n_layers));
  // llama has one key for the width of blocks and of experts.
  const bool of_experts = config.is_moe() && config.architecture == "llama";
  writer.set(prefix + "feed_forward_length", u32(of_experts ? config.moe.ffn_dim : config.ffn_dim));
  writer.set(prefix + "attention.head_count", u32(config.n_heads));
  writer.set(prefix + "attention.head_count_kv", u32(config.n_kv_heads));
  writer.set(prefix + "attention.key_length", u32(config.head_dim));
  writer.set(prefix + "attention.value_length", u32(config.head_dim));
  writer.set(prefix + "attention.layer_norm_rms_epsilon", config.norm_eps);
  if (config.is_moe()) set_experts(writer, prefix, config.moe);
  if (config.sliding_window > 0) writer.set(prefix + "attention.sliding_window", u32(config.sliding_window));
  const RopeConfig& rope = config.rope;
  writer.set(prefix + "rope.dimension_count", u32(rope.dims > 0 ? rope.dims : config.head_dim));
  writer.set(prefix + "rope.freq_base", rope.base);
  if (rope.scaling == RopeScaling::none) return;
  writer.set(prefix + "rope.scaling.type", rope.scaling == RopeScaling::yarn ? "yarn" : "linear");
  writer.set(prefix + "rope.scaling.factor", rope.factor);
  writer.set(prefix + "rope.scaling.attn_factor", rope.attn_factor);
  if (rope.original_context > 0)
    writer.set(prefix + "rope.scaling.original_context_length", u32(rope.original_context));
}

void write_random_model(const std::filesystem::path& path, const ModelConfig& config, const SynthOptions& options) {
  check_runnable(config, config.name.empty() ? "configuration" : config.name);
  const std::vector<RandomTensor> tensors =
      random_tensors(config, weight_types_by_name(options.type, config), options.seed);
  GgufWriter writer;
  set_config(writer, config);
  const int file_type = Recipe::parse(options.type).file_type();
  if (file_type >= 0) writer.set("general.file_type", static_cast<std::uint32_t>(file_type));
  writer.set("general.quantization_version", std::uint32_t{2});
  if (config.vocab_size >= kSmallestSynthVocabulary) set_vocabulary(writer, synthetic_vocabulary(config.vocab_size));
  std::uint64_t total = 0, done = 0;
  for (const RandomTensor& tensor : tensors) {
    writer.add_tensor(tensor.name(), tensor.type(), tensor.shape());
    total += writer.tensors().back().bytes;
  }
  AlignedBuffer chunk;
  auto next = tensors.begin();  // the writer asks in the order in which tensors were added
  writer.write(path, [&](const GgufTensorPlan& plan, const GgufAppend& append) {
    write_rows(*next++, chunk, append);
    done += plan.bytes;
    if (options.progress) options.progress(static_cast<double>(done) / static_cast<double>(total));
  });
}

}  // namespace plumb
