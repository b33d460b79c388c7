/// GPTQ on a real trained model: calibrated on one text, judged on another.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "plumb/io/open_model.hpp"
#include "plumb/model/collect_moments.hpp"
#include "plumb/model/write_logits.hpp"
#include "plumb/quant/dequantize.hpp"
#include "plumb/quantize/importance.hpp"
#include "plumb/quantize/quantize_model.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::gptq_model_test {
namespace {

namespace fs = std::filesystem;

/// stories260K, its activations on two texts, and its logits on the second.
class GptqStories : public testing::Test {
 protected:
  static constexpr int kContext = 256;
  static constexpr std::size_t kCalibrationTokens = 16384, kTextTokens = 1024;

  static fs::path folder() { return test::fixtures_dir() / "stories"; }
  static fs::path base() { return folder() / "stories260K-f32.gguf"; }
  static std::vector<Token> tokens(const Model& model, const char* name, std::size_t most) {
    std::vector<Token> all = model.tokenizer().encode(test::read_file(folder() / name));
    all.resize(std::min(all.size(), most));
    return all;
  }

  void SetUp() override {
    PLUMB_REQUIRE_FIXTURES();
    const Model model = Model::load(base(), {.exact = true});
    const auto calibration = tokens(model, "calib.txt", kCalibrationTokens);
    text_ = tokens(model, "text.txt", kTextTokens);
    CalibrationOptions options;
    options.context = kContext;
    options.session.threads = 1;
    moments_ = collect_second_moments(model, calibration, options);
    held_out_ = collect_second_moments(model, text_, options);
    logits_ = log_probabilities(model);
    for (const auto& [name, moment] : moments_) {
      std::vector<float> rms(static_cast<std::size_t>(moment->columns()));
      for (std::int64_t k = 0; k < moment->columns(); ++k)
        rms[static_cast<std::size_t>(k)] = std::sqrt(moment->at(k, k) / static_cast<float>(moment->tokens()));
      importance_.add(name, rms, moment->columns());
    }
  }

  std::vector<std::vector<double>> log_probabilities(const Model& model) const {
    std::vector<std::vector<double>> rows;
    for (std::size_t first = 0; first < text_.size(); first += kContext) {
      const std::size_t n = std::min<std::size_t>(kContext, text_.size() - first);
      for_each_logits(model, std::span(text_).subspan(first, n), {.context = kContext, .threads = 1},
                      [&](std::size_t, std::span<const float> logits) {
                        std::vector<double> row(logits.begin(), logits.end());
                        const double top = *std::max_element(row.begin(), row.end());
                        double sum = 0;
                        for (const double v : row) sum += std::exp(v - top);
                        for (double& v : row) v -= top + std::log(sum);
                        rows.push_back(std::move(row));
                      });
    }
    return rows;
  }

  struct Verdict {
    double output_nmse = 0;  ///< mean over tensors, on the held-out text
    double kl = 0;           ///< mean over its tokens
  };
  Verdict judge(QuantizeOptions options, const std::string& type) const {
    options.recipe = Recipe::parse("token_embd=f32,*=" + type);
    options.threads = 1;
    const test::TempDir folder;
    const fs::path out = folder / "out.gguf";
    const QuantizeResult result = quantize_model(base(), out, options);
    const ModelFile before = open_model_file(base()), after = open_model_file(out);
    Verdict verdict;
    int compared = 0;
    for (const QuantizedTensor& t : result.tensors) {
      if (!dtype_info(t.to).quantized()) continue;
      EXPECT_EQ(t.compensated, options.moments != nullptr) << t.name;
      std::vector<float> x = values(before, t.name), y = values(after, t.name);
      const SecondMoment& moment = *held_out_.at(t.name);
      for (std::size_t i = 0; i < x.size(); ++i) y[i] -= x[i];
      verdict.output_nmse +=
          moment.output_error(y.data(), t.shape.rows()) / moment.output_error(x.data(), t.shape.rows());
      ++compared;
    }
    EXPECT_GE(compared, 30);
    verdict.output_nmse /= compared;
    const auto rows = log_probabilities(Model::load(out, {.exact = true}));
    for (std::size_t r = 0; r < rows.size(); ++r)
      for (std::size_t v = 0; v < rows[r].size(); ++v)
        verdict.kl += std::exp(logits_[r][v]) * (logits_[r][v] - rows[r][v]) / static_cast<double>(rows.size());
    return verdict;
  }
  static std::vector<float> values(const ModelFile& file, const std::string& name) {
    const ConstTensorView& view = file.get_tensor(name).view;
    std::vector<float> x(static_cast<std::size_t>(view.shape().elements()));
    for (std::int64_t r = 0; r < view.rows(); ++r)
      dequantize_row(view.dtype(), view.row(r), x.data() + r * view.cols(), view.cols());
    return x;
  }

  std::vector<Token> text_;
  SecondMoments moments_, held_out_;
  ImportanceMatrix importance_;
  std::vector<std::vector<double>> logits_;
};

TEST_F(GptqStories, BeatsTheSearchInOutputErrorAndInKl) {
  for (const char* type : {"q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "iq4_nl", "mxfp4"}) {
    QuantizeOptions options;
    const Verdict search = judge(options, type);
    options.importance = &importance_;
    const Verdict weighted = judge(options, type);
    options.importance = nullptr;
    options.moments = &moments_;
    const Verdict gptq = judge(options, type);
    EXPECT_LT(gptq.output_nmse, 0.85 * search.output_nmse) << type;
    EXPECT_LT(gptq.output_nmse, 0.85 * weighted.output_nmse) << type;
    EXPECT_LT(gptq.kl, 0.8 * search.kl) << type;
    EXPECT_LT(gptq.kl, weighted.kl) << type;
  }
}

TEST_F(GptqStories, TheSameBytesOnAnyNumberOfThreadsAndTensorsWithoutMomentsAreNamed) {
  const test::TempDir folder;
  SecondMoments some = moments_;
  some.erase("blk.2.ffn_up.weight");
  QuantizeOptions options;
  options.recipe = Recipe::parse("token_embd=f16,*=q4_0");
  options.moments = &some;
  options.measure_error = true;
  std::vector<std::string> log;
  options.log = [&](const std::string& line) {
    if (line.find("fallback") == std::string::npos && line.find("multiple") == std::string::npos) log.push_back(line);
  };
  options.threads = 1;
  quantize_model(base(), folder / "one.gguf", options);
  ASSERT_EQ(log.size(), 1u);
  EXPECT_NE(log[0].find("blk.2.ffn_up.weight"), std::string::npos) << log[0];
  options.threads = 3;
  const QuantizeResult result = quantize_model(base(), folder / "three.gguf", options);
  EXPECT_EQ(test::read_file(folder / "one.gguf"), test::read_file(folder / "three.gguf"));
  for (const QuantizedTensor& t : result.tensors) {
    if (!dtype_info(t.to).quantized()) continue;
    EXPECT_EQ(t.compensated, t.name != "blk.2.ffn_up.weight") << t.name;
    EXPECT_EQ(t.output_nmse > 0, t.compensated) << t.name;
    EXPECT_GT(t.nmse, 0) << t.name;
  }
}

// Matrices that read the same activations have one Hessian between them, of as many tokens as were read.
TEST_F(GptqStories, MomentsAreSharedByInput) {
  EXPECT_EQ(moments_.at("blk.0.attn_q.weight"), moments_.at("blk.0.attn_v.weight"));
  EXPECT_EQ(moments_.at("blk.0.ffn_gate.weight"), moments_.at("blk.0.ffn_up.weight"));
  EXPECT_NE(moments_.at("blk.0.attn_q.weight"), moments_.at("blk.0.ffn_up.weight"));
  EXPECT_NE(moments_.at("blk.0.attn_q.weight"), moments_.at("blk.1.attn_q.weight"));
  for (const auto& [name, moment] : moments_)
    EXPECT_EQ(moment->tokens(), static_cast<std::int64_t>(kCalibrationTokens)) << name;
  EXPECT_THROW(collect_second_moments(Model::load(base(), {.exact = true}), {}, {}), Error);
}

}  // namespace
}  // namespace plumb::gptq_model_test
