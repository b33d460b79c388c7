/// Memory of sequences, to the byte: windows, chunks, latent attention, shared layers and recurrences, by arithmetic
/// from the config.json of each model as its publisher has it.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "plumb/model/presets.hpp"
#include "plumb/perf/ledger.hpp"

namespace plumb::memory_test {
namespace {

constexpr std::int64_t kBatch = 512;

/// Layers alike, in one model.
struct Layers {
  std::int64_t count;
  std::int64_t values;         ///< kept of a position
  std::int64_t window = 0;     ///< 0: every position is kept
  std::int64_t recurrent = 0;  ///< kept of a sequence, in f32
};

struct Case {
  const char* preset;
  std::int64_t context;
  std::vector<Layers> layers;
};

/// Keys and values of a position.
constexpr std::int64_t kv(std::int64_t heads, std::int64_t head_dim) { return 2 * heads * head_dim; }
/// Mamba 2: the last inputs of a convolution over inner width, B and C, and a matrix for each head.
constexpr std::int64_t mamba2(std::int64_t heads, std::int64_t head_dim, std::int64_t groups, std::int64_t state,
                              std::int64_t kernel) {
  return (kernel - 1) * (heads * head_dim + 2 * groups * state) + heads * head_dim * state;
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      // Five layers in six with a window of 1024; 62 layers.
      {"gemma-3-27b", 131072, {{52, kv(16, 128), 1024}, {10, kv(16, 128)}}},
      {"gemma-3-1b", 32768, {{22, kv(1, 256), 512}, {4, kv(1, 256)}}},
      // Every second layer.
      {"gemma-2-9b", 8192, {{21, kv(8, 256), 4096}, {21, kv(8, 256)}}},
      {"gpt-oss-20b", 131072, {{12, kv(8, 64), 128}, {12, kv(8, 64)}}},
      // All layers.
      {"mistral-7b", 32768, {{32, kv(8, 128), 4096}}},
      // Three in four.
      {"command-r7b", 132096, {{24, kv(8, 128), 4096}, {8, kv(8, 128)}}},
      {"olmo-3-7b", 65536, {{24, kv(32, 128), 4096}, {8, kv(32, 128)}}},
      // Chunks of 8192 in three layers of four.
      {"llama-4-scout", 131072, {{36, kv(8, 128), 8192}, {12, kv(8, 128)}}},
      // Of 30 layers the last ten read keys and values of earlier ones; four in five have a window.
      {"gemma-3n-e2b", 32768, {{16, kv(2, 256), 512}, {4, kv(2, 256)}, {10, 0}}},
      // Every sixth sees all, with two heads of 512.
      {"gemma-4-26b-a4b", 262144, {{25, kv(8, 256), 1024}, {5, kv(2, 512)}}},
      // One compressed vector of 512 and a rotated key of 64.
      {"deepseek-v3", 163840, {{61, 512 + 64}}},
      // Three delta nets and then attention: 16 heads of keys, 32 of values, convolutions of four positions over all.
      {"qwen3-next-80b-a3b", 262144, {{36, 0, 0, 3 * (2 * 16 + 32) * 128 + 32 * 128 * 128}, {12, kv(2, 256)}}},
      // The same with latent attention, and a convolution for each of q, k and v.
      {"kimi-linear-48b-a3b", 1048576, {{20, 0, 0, 3 * 3 * 32 * 128 + 32 * 128 * 128}, {7, 512 + 64}}},
      {"granite-4.0-h-tiny", 131072, {{36, 0, 0, mamba2(48, 64, 1, 128, 4)}, {4, kv(4, 128)}}},
      // 24 layers of Mamba, 4 of attention, 24 that are feed-forward blocks alone.
      {"nemotron-h-8b", 8192, {{24, 0, 0, mamba2(128, 64, 8, 128, 4)}, {4, kv(8, 128)}, {24, 0}}},
      // Both in each layer.
      {"falcon-h1-0.5b", 16384, {{36, kv(2, 64), 0, mamba2(24, 64, 1, 128, 4)}}},
      // Ten convolutions of three positions.
      {"lfm2-1.2b", 128000, {{10, 0, 0, 2 * 2048}, {6, kv(8, 64)}}},
  };
  return all;
}

TEST(SequenceMemory, IsThatOfThePublishedModels) {
  for (const Case& model : cases())
    for (const auto& [type, bytes] : {std::pair{DType::f16, 2}, std::pair{DType::f32, 4}}) {
      SCOPED_TRACE(model.preset);
      const ModelSpec spec = preset_spec(model.preset);
      std::int64_t layers = 0, seen = 0, held = 0, recurrent = 0;
      for (const Layers& own : model.layers) {
        layers += own.count;
        const std::int64_t positions = own.window > 0 ? own.window : model.context;
        // A ring takes the rows of a pass beside what its first row sees, in ranges of 256.
        const std::int64_t ring = own.window > 0 ? (own.window + kBatch - 1 + 255) / 256 * 256 : model.context;
        seen += own.count * (positions * own.values * bytes + 4 * own.recurrent);
        held += own.count * (std::min(ring, model.context) * own.values * bytes + 4 * own.recurrent);
        recurrent += own.count * own.recurrent;
      }
      EXPECT_EQ(layers, spec.n_layers());
      const MemoryUse use = memory_use(spec, DType::q4_0, type, model.context, 1, kBatch);
      EXPECT_EQ(use.kv, static_cast<double>(seen));
      // Recurrences are kept as they were at four earlier places.
      EXPECT_EQ(use.kv + use.room, static_cast<double>(held + 4 * 4 * recurrent));
      const MemoryUse three = memory_use(spec, DType::q4_0, type, model.context, 3, kBatch);
      EXPECT_EQ(three.kv, 3 * use.kv);
      EXPECT_EQ(three.room, 3 * use.room);
    }
}

TEST(SequenceMemory, WindowsAreNoLongerThanTheContext) {
  const ModelSpec spec = preset_spec("mistral-7b");
  const double position = 32 * 2 * 8 * 128 * 2;
  for (const std::int64_t context : {256, 4096})
    EXPECT_EQ(memory_use(spec, DType::q4_0, DType::f16, context).kv, position * static_cast<double>(context));
  EXPECT_EQ(memory_use(spec, DType::q4_0, DType::f16, 4096).room, 0);
  EXPECT_EQ(memory_use(spec, DType::q4_0, DType::f16, 4352).room, position * 256);
}

// Figures in GiB as people quote them.
TEST(SequenceMemory, OfWellKnownModels) {
  const auto gib = [](const char* preset, std::int64_t context) {
    return memory_use(preset_spec(preset), DType::q4_0, DType::f16, context).kv / (1 << 30);
  };
  EXPECT_NEAR(gib("gemma-3-27b", 131072), 10.4, 0.05);
  EXPECT_NEAR(gib("gemma-2-9b", 8192), 1.97, 0.005);
  EXPECT_EQ(gib("mistral-7b", 32768), 0.5);
}

}  // namespace
}  // namespace plumb::memory_test
