/// Models whose matrices change type at load: the same weights as quantizing the rows by hand, in whichever form they
/// are kept, and logits near those of the same weights with f32 activations.

#include <gtest/gtest.h>

#include <cmath>

#include "plumb/io/gguf_writer.hpp"
#include "plumb/io/open_model.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/forward_pass.hpp"
#include "plumb/model/pack_weights.hpp"
#include "plumb/model/synth.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/models.hpp"
#include "tests/support/numeric.hpp"
#include "tests/support/specs.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::requantize_test {
namespace {

/// 384 wide, so that every group size divides; ffn 320, which 128 does not divide.
ModelSpec small_spec(bool tied) {
  return llama_spec({.vocab = 600,
                     .width = 384,
                     .layers = 2,
                     .heads = 6,
                     .kv_heads = 2,
                     .head_dim = 64,
                     .ffn = 320,
                     .context = 64,
                     .tied = tied});
}

const std::vector<Token> kTokens = {5, 100, 37, 599, 5, 6, 7, 100, 200, 300, 400, 500};

/// By single tokens and by a batch: both ways through a product.
std::vector<float> logits_of(const Model& model, int threads) {
  std::vector<float> logits = test::all_logits(model, kTokens, 1, {.threads = threads});
  const std::vector<float> batch = test::all_logits(model, kTokens, kTokens.size(), {.threads = threads});
  EXPECT_EQ(logits, batch);
  return logits;
}

class Requantized : public testing::TestWithParam<const char*> {
 protected:
  std::filesystem::path write(bool tied, const std::string& type = "f32") {
    const std::filesystem::path path = dir_.path() / (type + (tied ? "-tied.gguf" : ".gguf"));
    write_random_model(path, small_spec(tied), {.type = type, .seed = 3});
    return path;
  }
  test::TempDir dir_;
};

TEST_P(Requantized, HasTheTypesAndTheRowsOfTheQuantizer) {
  for (const bool tied : {false, true}) {
    const std::filesystem::path path = write(tied);
    const ModelFile file = open_model_file(path);
    const DType type = *dtype_from_name(GetParam());
    for (const QuantMethod method : {QuantMethod::nearest, QuantMethod::search}) {
      const Model model = Model::load(path, {.repack = false, .weights = GetParam(), .method = method});
      for_each_matrix(
          model.spec(), model.transformer().weights, [&](const TensorSpec& tensor, const ops::WeightMatrix& w) {
            const std::string name = tensor_name(model.spec(), tensor.id);
            SCOPED_TRACE(name);
            EXPECT_EQ(w.type, fitting_type(type, w.cols));
            ASSERT_EQ(w.file.dtype(), w.type);
            const ConstTensorView source = file.find_tensor(name)->view;
            std::vector<std::byte> row(row_bytes(w.type, w.cols));
            for (std::int64_t r = 0; r < w.rows; ++r) {
              quantize_rows(w.type, source.row_span<float>(r).data(), row.data(), 1, w.cols, nullptr, method);
              ASSERT_EQ(std::memcmp(w.file.row(r), row.data(), row.size()), 0) << "row " << r;
            }
          });
    }
  }
}

TEST_P(Requantized, IsTheSamePackedOrNotOnAnyNumberOfThreads) {
  for (const bool tied : {false, true}) {
    const std::filesystem::path path = write(tied);
    const Model packed = Model::load(path, {.weights = GetParam()});
    const Model plain = Model::load(path, {.repack = false, .weights = GetParam()});
    EXPECT_EQ(logits_of(packed, 2), logits_of(plain, 1)) << "tied " << tied;
    EXPECT_EQ(packed.weight_bytes(), plain.weight_bytes());
    for_each_matrix(packed.spec(), packed.transformer().weights,
                    [&](const TensorSpec& tensor, const ops::WeightMatrix& w) {
                      EXPECT_EQ(w.packed(), !is_table(tensor.id.role)) << role_name(tensor.id.role);
                    });
    EXPECT_EQ(packed.transformer().weights.head.w.packed(), true);
  }
}

// Products round activations to int8, which costs what it costs every quantized type: NMSE of a few 1e-5 a product.
TEST_P(Requantized, LogitsAreNearThoseOfF32Activations) {
  const std::filesystem::path path = write(false);
  const std::vector<float> exact = logits_of(Model::load(path, {.exact = true, .weights = GetParam()}), 2);
  const std::vector<float> fast = logits_of(Model::load(path, {.weights = GetParam()}), 2);
  EXPECT_LT((test::nmse<float, float>(fast, exact)), 5e-4);
  EXPECT_NE(fast, exact);
}

INSTANTIATE_TEST_SUITE_P(Types, Requantized,
                         testing::Values("int4g64z", "int4g128", "int4rowz", "int8g32", "int8row", "q8_0"),
                         [](const auto& info) { return std::string(info.param); });

using RequantizedFiles = Requantized;

TEST_F(RequantizedFiles, FromAnyComputedTypeAndByMixes) {
  for (const char* from : {"f16", "q8_0", "bf16"}) {
    const Model model = Model::load(write(false, from), {.weights = "int8g64"});
    const LayerWeights& layer = model.transformer().weights.layers[0];
    EXPECT_EQ(std::get<AttentionWeights>(layer.mixer).q.w.type, DType::int8g64);
    EXPECT_EQ(std::get<DenseWeights>(layer.ffn).down.w.type, DType::int8g64);
  }
  const Model mixed = Model::load(write(false), {.weights = "q4_k_m"});
  EXPECT_EQ(mixed.transformer().weights.head.w.type, fitting_type(DType::q6_k, 384));
  test::expect_error(ErrorCode::invalid_argument, [&] { (void)Model::load(write(false), {.weights = "int5"}); });
}

TEST_F(RequantizedFiles, WeightsWithoutAFastPathAreReported) {
  std::vector<std::string> warnings;
  LoadOptions options{.warning = [&](std::string_view message) { warnings.emplace_back(message); }};
  const std::filesystem::path path = write(false);
  Model::load(path, options);
  EXPECT_TRUE(warnings.empty()) << warnings.front();
  options.weights = "int4g32";
  options.repack = false;
  Model::load(path, options);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings.front().find("15 matrices of type INT4G32"), std::string::npos) << warnings.front();
}

TEST_F(RequantizedFiles, AnotherTypeThanTheFilesMakesOtherLogits) {
  const std::filesystem::path path = write(false);
  EXPECT_EQ(logits_of(Model::load(path, {.weights = "f32"}), 1), logits_of(Model::load(path), 1));
  EXPECT_NE(logits_of(Model::load(path, {.weights = "int4g32"}), 1), logits_of(Model::load(path), 1));
}

TEST_F(RequantizedFiles, WeightsThatAreNotFiniteAreRefusedByName) {
  const std::filesystem::path good = write(false);
  std::string bytes = test::read_file(good);
  const ModelFile file = open_model_file(good);
  const ConstTensorView down = file.find_tensor("blk.1.ffn_down.weight")->view;
  const float nan = std::nanf("");
  std::memcpy(bytes.data() + (down.row(100) - file.files().front()->bytes().data()), &nan, sizeof nan);
  const std::filesystem::path bad = dir_.file("nan.gguf", bytes);
  EXPECT_NO_THROW(Model::load(bad));
  for (const bool repack : {false, true}) {
    const std::string message =
        test::expect_error(ErrorCode::bad_value, [&] { Model::load(bad, {.repack = repack, .weights = "int4g64"}); });
    EXPECT_NE(message.find("blk.1.ffn_down.weight"), std::string::npos) << message;
  }
}

/// The bound is what the other engine loses by int8 activations on the GGUF type of the same width.
TEST_F(RequantizedFiles, Int8ActivationsCostNoMoreThanForFileTypes) {
  PLUMB_REQUIRE_FIXTURES();
  const auto file = [&](std::string name) { return test::fixtures_dir() / "quant-models" / name; };
  const std::vector<Token> tokens = test::read_tokens(file("F32.tokens"));
  const auto bound = [&](const std::string& type) {
    return test::nmse<float, float>(test::read_array<float>(file(type + ".logits")),
                                    test::read_array<float>(file(type + ".logits64")));
  };
  const double bound4 = bound("Q4_0"), bound8 = bound("Q8_0");
  for (const DType type : kIntegerTypes) {
    const std::string name(dtype_name(type));
    const auto logits = [&](bool exact) {
      return test::all_logits(Model::load(file("F32.gguf"), {.exact = exact, .weights = name}), tokens);
    };
    EXPECT_LT((test::nmse<float, float>(logits(false), logits(true))), integer_type(type).bits == 4 ? bound4 : bound8)
        << name;
  }
}

/// More bits and smaller groups keep the logits of the F32 file better.
TEST_F(RequantizedFiles, BitsAndGroupsOrderTheError) {
  PLUMB_REQUIRE_FIXTURES();
  const auto file = [&](std::string name) { return test::fixtures_dir() / "quant-models" / name; };
  const std::vector<float> truth = test::read_array<float>(file("F32.logits64"));
  const std::vector<Token> tokens = test::read_tokens(file("F32.tokens"));
  const auto error = [&](const char* type) {
    const Model model = Model::load(file("F32.gguf"), {.exact = true, .weights = type});
    return test::nmse<float, float>(test::all_logits(model, tokens), truth);
  };
  EXPECT_LT(error("int8row"), error("int4g32z"));
  EXPECT_LT(error("int4g32z"), error("int4g32"));
  EXPECT_LT(error("int4g32"), error("int4g128"));
  EXPECT_LT(error("int4g128"), error("int4row"));
  EXPECT_LT(error("int4row"), 1.0);
}

}  // namespace
}  // namespace plumb::requantize_test
