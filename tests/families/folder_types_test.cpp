// The types that folders have their weights in: each against the same numbers spelled as F32.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "plumb/core/half.hpp"
#include "plumb/io/open_model.hpp"
#include "plumb/model/model.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/model_folder.hpp"
#include "tests/support/models.hpp"
#include "tests/support/numeric.hpp"

namespace plumb::folder_types_test {
namespace {

using test::FolderTensor;
using test::ModelFolder;

/// A matrix of a folder, and its numbers.
struct Matrix {
  std::string name;
  std::int64_t rows, cols;
  std::vector<float> values;
};

std::vector<float> random_numbers(std::int64_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.3f);
  std::vector<float> numbers(static_cast<std::size_t>(n));
  for (float& number : numbers) number = normal(random);
  return numbers;
}

/// A Llama of one layer, 64 wide. `spell` gives each matrix of products its own tensors, and changes the numbers to
/// what they say.
struct TwoSpellings {
  ModelFolder spelled, plain;

  explicit TwoSpellings(const std::function<void(Matrix&, ModelFolder&)>& spell, const std::string& fields = "") {
    plain.config = R"({"model_type":"llama","vocab_size":20,"hidden_size":64,"intermediate_size":128,
      "num_hidden_layers":1,"num_attention_heads":4,"num_key_value_heads":2,"max_position_embeddings":32,
      "rms_norm_eps":1e-5})";
    spelled.config = plain.config;
    if (!fields.empty()) spelled.config.insert(1, fields + ",");
    unsigned seed = 1;
    const auto number = [&](const std::string& name, const std::vector<std::int64_t>& shape, bool norm) {
      std::vector<float> values = random_numbers(shape.size() == 1 ? shape[0] : shape[0] * shape[1], seed++);
      if (norm)
        for (float& value : values) value += 1;
      plain.tensors[name] = spelled.tensors[name] = {"F32", shape, test::bytes_of(values)};
    };
    number("model.embed_tokens.weight", {20, 64}, false);
    number("lm_head.weight", {20, 64}, false);
    number("model.norm.weight", {64}, true);
    number("model.layers.0.input_layernorm.weight", {64}, true);
    number("model.layers.0.post_attention_layernorm.weight", {64}, true);
    const auto matrix = [&](const std::string& name, std::int64_t rows, std::int64_t cols) {
      Matrix m{"model.layers.0." + name, rows, cols, random_numbers(rows * cols, seed++)};
      spell(m, spelled);
      plain.tensors[m.name + ".weight"] = {"F32", {rows, cols}, test::bytes_of(m.values)};
    };
    matrix("self_attn.q_proj", 64, 64);
    matrix("self_attn.k_proj", 32, 64);
    matrix("self_attn.v_proj", 32, 64);
    matrix("self_attn.o_proj", 64, 64);
    matrix("mlp.gate_proj", 128, 64);
    matrix("mlp.up_proj", 128, 64);
    matrix("mlp.down_proj", 64, 128);
  }
};

std::vector<float> logits(const ModelFolder& folder) {
  const test::TempDir place;
  folder.write(place);
  const Model model = Model::load(place.path(), {.exact = true});
  const std::vector<Token> tokens{3, 1, 4, 1, 5, 9, 2, 6};
  return test::all_logits(model, tokens);
}

void expect_close(const TwoSpellings& both, double bound) {
  const std::vector<float> got = logits(both.spelled), want = logits(both.plain);
  EXPECT_LT(test::nmse(std::span(got), std::span(want)), bound);
}

TEST(FolderTypes, DoublesBecomeFloats) {
  expect_close(TwoSpellings([](Matrix& m, ModelFolder& folder) {
                 const std::vector<double> wide(m.values.begin(), m.values.end());
                 folder.tensors[m.name + ".weight"] = {"F64", {m.rows, m.cols}, test::bytes_of(wide)};
               }),
               1e-14);
}

TEST(FolderTypes, HalvesAtOddAddresses) {
  expect_close(TwoSpellings([](Matrix& m, ModelFolder& folder) {
                 std::vector<Half> halves;
                 for (float& value : m.values) {
                   halves.push_back(to_half(value));
                   value = to_float(halves.back());
                 }
                 folder.tensors["A"] = {"U8", {1}};  // stands first, so that nothing is aligned
                 folder.tensors[m.name + ".weight"] = {"F16", {m.rows, m.cols}, test::bytes_of(halves)};
               }),
               1e-13);
}

/// Numbers of 8 bits with their scales, by a table of all of them.
void spell_bytes(Matrix& m, ModelFolder& folder, const std::string& type,
                 const std::function<float(std::uint8_t)>& number, const std::string& suffix,
                 const std::vector<std::int64_t>& scales, std::int64_t block_rows, std::int64_t block_cols) {
  std::mt19937 random(static_cast<unsigned>(m.rows * 131 + m.cols));
  std::string bytes;
  const auto n = static_cast<std::size_t>(scales.empty() ? 1 : scales.size() == 1 ? scales[0] : scales[0] * scales[1]);
  std::vector<float> factors;
  for (std::size_t i = 0; i < n; ++i) factors.push_back(0.001f + 0.0001f * static_cast<float>(i % 7));
  const std::int64_t across = scales.size() == 2 ? scales[1] : 1;
  for (std::int64_t r = 0; r < m.rows; ++r)
    for (std::int64_t c = 0; c < m.cols; ++c) {
      std::uint8_t byte = 0;
      do byte = static_cast<std::uint8_t>(random());
      while (!(std::abs(number(byte)) < 500));
      bytes += static_cast<char>(byte);
      const float factor = factors[n == 1 ? 0 : static_cast<std::size_t>(r / block_rows * across + c / block_cols)];
      m.values[static_cast<std::size_t>(r * m.cols + c)] = number(byte) * factor;
    }
  folder.tensors[m.name + ".weight"] = {type, {m.rows, m.cols}, bytes};
  folder.tensors[m.name + ".weight" + suffix] = {"F32", scales, test::bytes_of(factors)};
}

/// By the definition: sign, 4 bits of exponent, 3 of fraction.
float e4m3(std::uint8_t bits) {
  const int exponent = bits >> 3 & 15, fraction = bits & 7;
  if ((bits & 127) == 127) return NAN;
  const float magnitude = exponent == 0 ? std::ldexp(static_cast<float>(fraction), -9)
                                        : std::ldexp(static_cast<float>(8 + fraction), exponent - 10);
  return (bits & 128) != 0 ? -magnitude : magnitude;
}
float e5m2(std::uint8_t bits) { return to_float(Half{static_cast<std::uint16_t>(bits << 8)}); }
float i8(std::uint8_t bits) { return static_cast<float>(static_cast<std::int8_t>(bits)); }

TEST(FolderTypes, EightBitFloatsAndTheirScales) {
  const auto with = [](const std::string& type, float (*number)(std::uint8_t), const std::string& suffix, int kind) {
    SCOPED_TRACE(type + suffix + std::to_string(kind));
    expect_close(TwoSpellings([&](Matrix& m, ModelFolder& folder) {
                   const std::int64_t big = 1 << 20;
                   switch (kind) {
                     case 0: return spell_bytes(m, folder, type, number, suffix, {}, big, big);
                     case 1: return spell_bytes(m, folder, type, number, suffix, {1}, big, big);
                     case 2: return spell_bytes(m, folder, type, number, suffix, {m.rows}, 1, big);
                     case 3: return spell_bytes(m, folder, type, number, suffix, {m.rows, 1}, 1, big);
                     default:
                       return spell_bytes(m, folder, type, number, suffix, {(m.rows + 127) / 128, (m.cols + 127) / 128},
                                          128, 128);
                   }
                 }),
                 1e-6);
  };
  for (int kind = 0; kind < 5; ++kind) with("F8_E4M3", e4m3, kind == 4 ? "_scale_inv" : "_scale", kind);
  with("F8_E5M2", e5m2, "_scale", 2);
  with("I8", i8, "_scale", 3);
}

/// Packed integers: codes of `bits`, groups of `group` columns.
struct PackedSpelling {
  bool awq = false, symmetric = true, v2 = false;
  int bits = 4;
  std::int64_t group = 32;
  bool act_order = false;

  std::string fields() const {
    return R"("quantization_config":{"quant_method":")" + std::string(awq ? "awq" : "gptq") + R"(","bits":)" +
           std::to_string(bits) + R"(,"group_size":)" + std::to_string(group == 0 ? -1 : group) +
           (v2 ? R"(,"checkpoint_format":"gptq_v2")" : "") + "}";
  }

  void operator()(Matrix& m, ModelFolder& folder) const {
    std::mt19937 random(static_cast<unsigned>(m.rows * 7 + m.cols));
    const std::int64_t each = group == 0 ? m.cols : group, groups = m.cols / each, per_word = 32 / bits;
    const int range = 1 << bits;
    std::vector<int> codes(m.values.size()), zeros(static_cast<std::size_t>(groups * m.rows), range / 2);
    for (int& code : codes) code = static_cast<int>(random() % static_cast<unsigned>(range));
    if (!symmetric)
      for (int& zero : zeros) zero = 1 + static_cast<int>(random() % static_cast<unsigned>(range - 2));
    std::vector<Half> scales;
    for (std::size_t i = 0; i < zeros.size(); ++i)
      scales.push_back(to_half((0.05f + 0.001f * static_cast<float>(random() % 50)) * (bits == 8 ? 0.05f : 1.0f)));
    for (std::int64_t r = 0; r < m.rows; ++r)
      for (std::int64_t c = 0; c < m.cols; ++c) {
        const auto g = static_cast<std::size_t>(c / each * m.rows + r), i = static_cast<std::size_t>(r * m.cols + c);
        m.values[i] = to_float(scales[g]) * static_cast<float>(codes[i] - zeros[g]);
      }
    constexpr std::array<int, 8> kOrder{0, 2, 4, 6, 1, 3, 5, 7};  // AutoAWQ: which neighbour stands in place p
    const auto word = [&](const std::function<int(std::int64_t)>& number) {
      std::uint32_t all = 0;
      for (std::int64_t p = 0; p < per_word; ++p)
        all |= static_cast<std::uint32_t>(number(awq ? kOrder[static_cast<std::size_t>(p)] : p)) << (bits * p);
      return all;
    };
    const auto code = [&](std::int64_t r, std::int64_t c) { return codes[static_cast<std::size_t>(r * m.cols + c)]; };
    std::vector<std::uint32_t> qweight, qzeros;
    if (awq)
      for (std::int64_t c = 0; c < m.cols; ++c)
        for (std::int64_t r = 0; r < m.rows; r += 8) qweight.push_back(word([&](auto p) { return code(r + p, c); }));
    else
      for (std::int64_t c = 0; c < m.cols; c += per_word)
        for (std::int64_t r = 0; r < m.rows; ++r) qweight.push_back(word([&](auto p) { return code(r, c + p); }));
    for (std::int64_t g = 0; g < groups; ++g)
      for (std::int64_t r = 0; r < m.rows; r += per_word)
        qzeros.push_back(
            word([&](auto p) { return zeros[static_cast<std::size_t>(g * m.rows + r + p)] - (awq || v2 ? 0 : 1); }));
    const std::vector<std::int64_t> shape =
        awq ? std::vector{m.cols, m.rows / 8} : std::vector{m.cols / per_word, m.rows};
    folder.tensors[m.name + ".qweight"] = {"I32", shape, test::bytes_of(qweight)};
    folder.tensors[m.name + ".qzeros"] = {"I32", {groups, m.rows / per_word}, test::bytes_of(qzeros)};
    folder.tensors[m.name + ".scales"] = {"F16", {groups, m.rows}, test::bytes_of(scales)};
    if (awq) return;
    std::vector<std::int32_t> indices;
    for (std::int64_t c = 0; c < m.cols; ++c)
      indices.push_back(static_cast<std::int32_t>(act_order ? (m.cols - 1 - c) / each : c / each));
    folder.tensors[m.name + ".g_idx"] = {"I32", {m.cols}, test::bytes_of(indices)};
  }
};

TEST(FolderTypes, PackedIntegersKeepTheirCodesAndScales) {
  for (const auto& spelling :
       {PackedSpelling{}, PackedSpelling{.group = 64}, PackedSpelling{.group = 0}, PackedSpelling{.v2 = true},
        PackedSpelling{.bits = 8}, PackedSpelling{.bits = 8, .group = 64}})
    expect_close(TwoSpellings(spelling, spelling.fields()), 1e-12);
  // What a zero point is worth is rounded to F16.
  for (const auto& spelling : {PackedSpelling{.symmetric = false}, PackedSpelling{.symmetric = false, .group = 64},
                               PackedSpelling{.awq = true, .symmetric = false}, PackedSpelling{.awq = true}})
    expect_close(TwoSpellings(spelling, spelling.fields()), 1e-6);
}

TEST(FolderTypes, PackedIntegersHaveTypesOfTheirOwn) {
  const PackedSpelling spelling;
  const test::TempDir place;
  TwoSpellings(spelling, spelling.fields()).spelled.write(place);
  const ModelFile file = open_model_file(place.path());
  EXPECT_EQ(file.get_tensor("blk.0.attn_q.weight").view.dtype(), DType::int4g32);
  EXPECT_EQ(file.get_tensor("token_embd.weight").view.dtype(), DType::f32);
}

TEST(FolderTypes, WhatCannotBeKeptIsRefusedByName) {
  const auto refused = [](const PackedSpelling& spelling, const std::string& fields, ErrorCode code,
                          const std::string& mention) {
    SCOPED_TRACE(mention);
    const test::TempDir place;
    TwoSpellings(spelling, fields).spelled.write(place);
    const std::string message = test::expect_error(code, [&] { open_model_file(place.path()); });
    EXPECT_NE(message.find(mention), std::string::npos) << message;
  };
  const PackedSpelling act_order{.act_order = true};
  refused(act_order, act_order.fields(), ErrorCode::unsupported_type, "desc_act");
  const PackedSpelling plain;
  const auto section = [](const std::string& inner) { return R"("quantization_config":{)" + inner + "}"; };
  refused(plain, section(R"("quant_method":"bitsandbytes")"), ErrorCode::unsupported_type, "bitsandbytes");
  refused(plain, section(R"("quant_method":"gptq","bits":3)"), ErrorCode::unsupported_type, "bits");
  refused(plain, section(R"("quant_method":"gptq","bits":4,"group_size":16)"), ErrorCode::unsupported_type, "16");
  refused(plain, section(R"("quant_method":"awq","bits":4,"version":"gemv")"), ErrorCode::unsupported_type, "gemv");
  refused(plain, section(R"("quant_method":"compressed-tensors","format":"pack-quantized")"),
          ErrorCode::unsupported_type, "pack-quantized");
  refused(plain, section(R"("quant_method":7)"), ErrorCode::wrong_type, "quant_method");
}

// Zero points of 12 rows end within a word of 8: what stands behind is no zero point of theirs.
TEST(FolderTypes, PackedRowsThatEndWithinAWordAreRefused) {
  const PackedSpelling packed;
  TwoSpellings both(packed, packed.fields());
  ModelFolder& folder = both.spelled;
  folder.config.insert(1, R"("head_dim":6,)");
  const auto spell = [&](const std::string& name, std::int64_t rows) {
    folder.tensors[name + ".qweight"] = {"I32", {8, rows}};
    folder.tensors[name + ".qzeros"] = {"I32", {2, rows / 8}};
    folder.tensors[name + ".scales"] = {"F16", {2, rows}};
  };
  spell("model.layers.0.self_attn.q_proj", 24);
  spell("model.layers.0.self_attn.k_proj", 12);
  const test::TempDir place;
  folder.write(place);
  const std::string message = test::expect_error(ErrorCode::bad_shape, [&] { open_model_file(place.path()); });
  EXPECT_NE(message.find("12 rows, expected a multiple of 8"), std::string::npos) << message;
}

TEST(FolderTypes, PlainWeightsOfABitNetAreThoseOfOne) {
  const std::string section =
      R"("quantization_config":{"quant_method":"bitnet","linear_class":"autobitlinear","quantization_mode":"online"},)";
  const auto folder_of = [&](const std::string& type, bool quantized) {
    ModelFolder folder = test::small_llama_folder();
    folder.config.replace(folder.config.find("llama"), 5, type);
    if (quantized) folder.config.insert(1, section);
    folder.tensors["model.layers.0.self_attn.attn_sub_norm.weight"] = {"F32", {8}};
    folder.tensors["model.layers.0.mlp.ffn_sub_norm.weight"] = {"F32", {16}};
    return folder;
  };
  std::vector<std::string> queries;
  for (const bool quantized : {false, true}) {
    const test::TempDir place;
    folder_of("bitnet", quantized).write(place);
    const ModelFile file = open_model_file(place.path());
    const HeldTensor held = file.hold(file.get_tensor("blk.0.attn_q.weight"));
    queries.emplace_back(reinterpret_cast<const char*>(held.view.data()), held.view.bytes());
  }
  EXPECT_EQ(queries[0], queries[1]);
  const auto refused = [](const ModelFolder& folder, const std::string& mention) {
    const test::TempDir place;
    folder.write(place);
    const std::string message = test::expect_error(ErrorCode::unsupported_type, [&] { open_model_file(place.path()); });
    EXPECT_NE(message.find(mention), std::string::npos) << message;
  };
  refused(folder_of("llama", true), "bitnet of a BitNet");
  ModelFolder packed = folder_of("bitnet", true);
  packed.tensors["model.layers.0.self_attn.q_proj.weight_scale"] = {"F32", {1}};
  refused(packed, "q_proj.weight_scale");
}

TEST(FolderTypes, ZeroPointsOfBytesAreRefusedUnlessTheyAreZero) {
  for (const char zero : {'\0', '\1'}) {
    ModelFolder folder = test::small_llama_folder();
    folder.config.insert(1, R"("quantization_config":{"quant_method":"compressed-tensors","format":"int-quantized"},)");
    const std::string name = "model.layers.0.mlp.up_proj.weight";
    folder.tensors[name] = {"I8", {16, 8}};
    folder.tensors[name + "_scale"] = {"F32", {16, 1}};
    folder.tensors[name + "_zero_point"] = {"I8", {16, 1}, std::string(16, zero)};
    const test::TempDir place;
    folder.write(place);
    if (zero == 0) {
      open_model_file(place.path());
      continue;
    }
    const std::string message = test::expect_error(ErrorCode::unsupported_type, [&] { open_model_file(place.path()); });
    EXPECT_NE(message.find("_zero_point"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace plumb::folder_types_test
