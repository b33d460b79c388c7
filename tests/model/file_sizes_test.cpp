/// Sizes of files: those that are published, and the same to the byte from every part of plumb that knows one.

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "plumb/io/gguf.hpp"
#include "plumb/io/mapping.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/model/presets.hpp"
#include "plumb/model/synth.hpp"
#include "plumb/perf/ledger.hpp"
#include "plumb/quantize/quantize_model.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::file_sizes_test {
namespace {

struct Published {
  const char* preset;
  const char* recipe;
  double megabytes;
};

/// File sizes in MB as the lists of files on huggingface.co show them (most with three digits).
constexpr Published kPublished[] = {
    // bartowski/Meta-Llama-3.1-8B-Instruct-GGUF; Q4_0: of llama.cpp's own table, without an importance matrix.
    {"llama-3.1-8b", "q8_0", 8540},
    {"llama-3.1-8b", "q6_k", 6600},
    {"llama-3.1-8b", "q5_k_m", 5730},
    {"llama-3.1-8b", "q5_k_s", 5600},
    {"llama-3.1-8b", "q4_k_m", 4920},
    {"llama-3.1-8b", "q4_k_s", 4690},
    {"llama-3.1-8b", "q4_0", 4661},
    {"llama-3.1-8b", "q3_k_l", 4320},
    {"llama-3.1-8b", "q3_k_m", 4020},
    {"llama-3.1-8b", "q3_k_s", 3660},
    {"llama-3.1-8b", "q2_k", 3180},
    // bartowski/gemma-2-9b-it-GGUF, gemma-2-27b-it-GGUF, gemma-2-2b-it-GGUF; Q4_0 of the 2B: without such a matrix.
    {"gemma-2-9b", "q8_0", 9830},
    {"gemma-2-9b", "q6_k", 7590},
    {"gemma-2-9b", "q5_k_m", 6650},
    {"gemma-2-9b", "q4_k_m", 5760},
    {"gemma-2-9b", "q3_k_l", 5130},
    {"gemma-2-9b", "q2_k", 3810},
    {"gemma-2-27b", "q4_k_m", 16650},
    {"gemma-2-27b", "q5_k_m", 19410},
    {"gemma-2-2b", "q4_0", 1630},
    {"gemma-2-2b", "q4_k_m", 1710},
    // TheBloke/Mistral-7B-Instruct-v0.1-GGUF, Llama-2-7B-GGUF, Llama-2-13B-GGUF, Llama-2-70B-GGUF.
    {"mistral-7b", "q4_0", 4110},
    {"mistral-7b", "q4_k_m", 4370},
    {"mistral-7b", "q5_k_m", 5130},
    {"mistral-7b", "q3_k_m", 3520},
    {"llama-2-7b", "q4_k_m", 4080},
    {"llama-2-7b", "q8_0", 7160},
    {"llama-2-13b", "q5_k_m", 9230},
    {"llama-2-70b", "q4_k_m", 41420},
    // microsoft/Phi-3-mini-4k-instruct-gguf (q4); bartowski/Phi-3-medium-4k-instruct-GGUF, phi-4-GGUF: q, k and v are
    // one matrix, and so are gate and up.
    {"phi-3-mini", "q4_k_m", 2393},
    {"phi-3-medium", "q4_k_m", 8570},
    {"phi-3-medium", "q5_k_m", 10070},
    {"phi-3-medium", "q8_0", 14830},
    {"phi-4", "q4_k_m", 9050},
    // bartowski/Mistral-Nemo-Instruct-2407-GGUF, Qwen2.5-14B-Instruct-GGUF, Qwen2.5-0.5B-Instruct-GGUF,
    // Qwen2.5-72B-Instruct-GGUF; Qwen/Qwen3-8B-GGUF, Qwen3-30B-A3B-GGUF.
    {"mistral-nemo-12b", "q4_k_m", 7480},
    {"qwen2.5-14b", "q4_k_m", 8990},
    {"qwen2.5-0.5b", "q4_k_m", 398},
    {"qwen2.5-72b", "q4_k_m", 47420},
    {"qwen3-8b", "q4_k_m", 5030},
    {"qwen3-30b-a3b", "q4_k_m", 18557},
    // bartowski/SmolLM2-135M-Instruct-GGUF, whose rows of 576 no block of 256 divides; Llama-3.2-1B-Instruct-GGUF.
    {"smollm2-135m", "q4_k_m", 105.45},
    {"llama-3.2-1b", "q4_k_m", 807.7},
    {"llama-3.2-1b", "q8_0", 1321},
    // ggml-org/gpt-oss-20b-GGUF, gemma-3-4b-it-GGUF; LiquidAI/LFM2-1.2B-GGUF.
    {"gpt-oss-20b", "mxfp4_moe", 12110},
    {"gemma-3-4b", "q4_k_m", 2490},
    {"lfm2-1.2b", "q4_k_m", 731},
};

TEST(FileSizes, AreThoseOfPublishedFiles) {
  for (const Published& file : kPublished) {
    const ModelSpec spec = preset_spec(file.preset);
    const double predicted = file_bytes(spec, weight_types_by_name(file.recipe, spec)) / 1e6;
    EXPECT_NEAR(predicted / file.megabytes, 1, 0.01) << file.preset << ' ' << file.recipe << ": " << predicted;
  }
}

/// The tensors of a file of F16 weights as a reader sees them, without its data.
GgufFile f16_file(const ModelSpec& spec) {
  const GgufWriter plan = plan_model_file(spec, "f16");
  const std::vector<std::byte> head = plan.header();
  std::uint64_t size = head.size();
  for (const GgufTensorPlan& tensor : plan.tensors()) size = std::max(size, head.size() + tensor.offset + tensor.bytes);
  return GgufFile::open(FileMapping::beginning(head, static_cast<std::size_t>(size), "f16.gguf"));
}

/// Bytes of tables that scale a rotation. Files have them, and a pass reads none of them.
double rope_factor_bytes(const ModelSpec& spec) {
  double bytes = 0;
  for_each_tensor(spec, [&](const TensorSpec& tensor) {
    if (is_rope_factors(tensor.id.role)) bytes += 4.0 * static_cast<double>(tensor.shape.elements());
  });
  return bytes;
}

// A file that `quantize` makes of F16 weights, one that `synth` writes, what `predict` and `decide` count.
TEST(FileSizes, OfEveryPresetAreTheSameForAll) {
  for (const Preset& preset : all_presets()) {
    const ModelSpec spec = preset.spec();
    const GgufFile file = f16_file(spec);
    for (const char* recipe :
         {"q4_k_m", "q4_0", "q2_k", "iq4_xs", "mxfp4_moe", "ffn_down*=q6_k,attn_*=q8_0,*=q4_k_s"}) {
      SCOPED_TRACE(std::string(preset.name) + ' ' + recipe);
      QuantizeOptions options;
      options.recipe = Recipe::parse(recipe);
      std::uint64_t quantized = 0;
      for (const QuantizedTensor& tensor : plan_quantization(file, options)) quantized += tensor.bytes_after;
      EXPECT_EQ(tensor_bytes(plan_model_file(spec, recipe)), quantized);
      const double predicted = weight_bytes(spec, weight_types_by_name(recipe, spec)) + rope_factor_bytes(spec);
      EXPECT_EQ(predicted, static_cast<double>(quantized));
    }
  }
}

std::uint64_t bytes_of_tensors(const std::filesystem::path& path) {
  std::uint64_t bytes = 0;
  const GgufFile file = GgufFile::open(path);
  for (const GgufTensor& tensor : file.tensors()) bytes += tensor.view.bytes();
  return bytes;
}

TEST(FileSizes, OfFilesThatAreWritten) {
  const test::TempDir dir;
  const ModelSpec spec = preset_spec("stories-260k");
  const std::filesystem::path f16 = dir / "f16.gguf", synth = dir / "synth.gguf", quantized = dir / "quantized.gguf";
  write_random_model(f16, spec, {.type = "f16"});
  for (const char* recipe : {"q4_k_m", "q8_0", "q3_k_l", "mxfp4"}) {
    SCOPED_TRACE(recipe);
    write_random_model(synth, spec, {.type = recipe});
    QuantizeOptions options;
    options.recipe = Recipe::parse(recipe);
    options.method = QuantMethod::nearest;
    quantize_model(f16, quantized, options);
    const std::uint64_t planned = tensor_bytes(plan_model_file(spec, recipe));
    EXPECT_EQ(bytes_of_tensors(synth), planned);
    EXPECT_EQ(bytes_of_tensors(quantized), planned);
  }
}

}  // namespace
}  // namespace plumb::file_sizes_test
