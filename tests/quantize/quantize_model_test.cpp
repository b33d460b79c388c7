#include "plumb/quantize/quantize_model.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <stop_token>
#include <string>
#include <vector>

#include "plumb/io/gguf.hpp"
#include "plumb/io/gguf_writer.hpp"
#include "plumb/quant/dequantize.hpp"
#include "plumb/quantize/importance.hpp"
#include "tests/support/fixtures.hpp"

namespace plumb::quantize_model_test {
namespace {

namespace fs = std::filesystem;

class QuantizeModel : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("plumb_quantize_model_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path path(const std::string& name) const { return folder_ / name; }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  /// A small llama-like file with the given value of one weight of blk.1.ffn_down (row 3, column 7).
  fs::path model(float special = 0.01f, DType type = DType::f32) {
    GgufWriter writer;
    writer.set("general.architecture", "llama");
    writer.set("llama.attention.head_count", std::uint32_t{8});
    writer.set("llama.attention.head_count_kv", std::uint32_t{2});
    writer.add_tensor("token_embd.weight", type, Shape{64, 256});
    writer.add_tensor("output_norm.weight", DType::f32, Shape{256});
    for (const std::string layer : {"blk.0.", "blk.1."}) {
      writer.add_tensor(layer + "attn_norm.weight", DType::f32, Shape{256});
      writer.add_tensor(layer + "attn_v.weight", type, Shape{64, 256});
      writer.add_tensor(layer + "ffn_gate_inp.weight", DType::f32, Shape{4, 256});
      writer.add_tensor(layer + "ffn_up.weight", type, Shape{96, 256});
      writer.add_tensor(layer + "ffn_down.weight", type, Shape{256, 96});  // rows of three small blocks
    }
    std::mt19937 random(11);
    std::normal_distribution<float> normal(0, 0.02f);
    const fs::path file = path("model.gguf");
    writer.write(file, [&](const GgufTensorPlan& plan, const GgufAppend& append) {
      std::vector<float> x(static_cast<std::size_t>(plan.shape.elements()));
      for (float& v : x) v = normal(random);
      if (plan.name == "blk.1.ffn_down.weight") x[3 * 96 + 7] = special;
      std::vector<std::byte> bytes(plan.bytes);
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (plan.type == DType::f32) {
          std::memcpy(bytes.data() + 4 * i, &x[i], 4);
        } else {
          const Half h = to_half(x[i]);
          std::memcpy(bytes.data() + 2 * i, &h, 2);
        }
      }
      append(bytes);
    });
    return file;
  }

  static QuantizeOptions options(const std::string& type) {
    QuantizeOptions o;
    o.recipe = Recipe::parse(type);
    o.threads = 2;
    return o;
  }

  static std::vector<float> values(const GgufTensor& tensor) {
    std::vector<float> x(static_cast<std::size_t>(tensor.view.shape().elements()));
    for (std::int64_t r = 0; r < tensor.view.rows(); ++r)
      dequantize_row(tensor.view.dtype(), tensor.view.row(r), x.data() + r * tensor.view.cols(), tensor.view.cols());
    return x;
  }

 private:
  fs::path folder_;
};

std::string code_of(const std::function<void()>& body, std::string* message = nullptr) {
  try {
    body();
  } catch (const Error& e) {
    if (message) *message = e.what();
    return std::string(error_code_name(e.code()));
  }
  return "none";
}

TEST_F(QuantizeModel, WritesWhatThePlanSays) {
  const fs::path in = model();
  std::vector<std::string> log;
  std::uint64_t last = 0;
  QuantizeOptions o = options("q4_k_m");
  o.measure_error = true;
  o.log = [&](const std::string& line) { log.push_back(line); };
  o.progress = [&](const QuantizeProgress& p) {
    EXPECT_GE(p.bytes_done, last);
    EXPECT_LE(p.bytes_done, p.bytes_total);
    last = p.bytes_done;
  };
  const QuantizeResult result = quantize_model(in, path("out.gguf"), o);
  EXPECT_EQ(last, result.bytes_before);
  ASSERT_EQ(log.size(), 2u);  // ffn_down of both layers: 96 is no multiple of 256
  EXPECT_NE(log[1].find("blk.1.ffn_down.weight"), std::string::npos);
  EXPECT_NE(log[1].find("Q8_0 instead"), std::string::npos) << log[1];
  const GgufFile source = GgufFile::open(in), file = GgufFile::open(path("out.gguf"));
  EXPECT_EQ(file.get_int("general.file_type"), 15);
  EXPECT_EQ(file.get_int("general.quantization_version"), 2);
  EXPECT_EQ(file.get_int("llama.attention.head_count"), 8);
  ASSERT_EQ(file.tensors().size(), source.tensors().size());
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < result.tensors.size(); ++i) {
    const QuantizedTensor& t = result.tensors[i];
    EXPECT_EQ(file.tensors()[i].name, t.name);
    EXPECT_EQ(file.tensors()[i].view.dtype(), t.to);
    EXPECT_EQ(file.tensors()[i].view.shape(), t.shape);
    bytes += t.bytes_after;
    // What is in the file is what the row quantizer gives, and the error is the one reported.
    const auto x = values(source.tensors()[i]), y = values(file.tensors()[i]);
    double error = 0, power = 0;
    for (std::size_t k = 0; k < x.size(); ++k) {
      error += std::pow(static_cast<double>(x[k]) - static_cast<double>(y[k]), 2);
      power += std::pow(static_cast<double>(x[k]), 2);
    }
    EXPECT_NEAR(t.nmse, error / power, 1e-9) << t.name;
    std::vector<std::byte> want(t.bytes_after);
    quantize_rows(t.to, x.data(), want.data(), t.shape.rows(), t.shape.cols());
    EXPECT_EQ(std::memcmp(want.data(), file.tensors()[i].view.data(), want.size()), 0) << t.name;
  }
  EXPECT_EQ(bytes, result.bytes_after);
  const auto type = [&](const char* name) { return file.get_tensor(name).view.dtype(); };
  EXPECT_EQ(type("token_embd.weight"), DType::q6_k);  // it is the head too
  EXPECT_EQ(type("blk.0.attn_v.weight"), DType::q4_k);
  EXPECT_EQ(type("blk.1.attn_v.weight"), DType::q6_k);
  EXPECT_EQ(type("blk.0.ffn_down.weight"), DType::q5_0);
  EXPECT_EQ(type("blk.1.ffn_down.weight"), DType::q8_0);
  EXPECT_EQ(type("blk.0.ffn_gate_inp.weight"), DType::f32);
}

TEST_F(QuantizeModel, TypesThatExistInMemoryOnlyAreRefusedAndNothingIsWritten) {
  const fs::path in = model();
  std::string message;
  for (const char* type : {"int4g64", "INT8ROW", "ffn_down=int8g32,*=q4_0"}) {
    EXPECT_EQ(code_of([&] { quantize_model(in, path("out.gguf"), options(type)); }, &message), "unsupported_type");
    EXPECT_NE(message.find("exists in memory only"), std::string::npos) << message;
  }
  EXPECT_EQ(files(), 1u);
}

TEST_F(QuantizeModel, TheSameBytesOnAnyNumberOfThreads) {
  const fs::path in = model(0.01f, DType::f16);
  QuantizeOptions o = options("ffn_down=iq4_nl,*=q5_k");
  o.threads = 1;
  quantize_model(in, path("one.gguf"), o);
  o.threads = 3;
  quantize_model(in, path("three.gguf"), o);
  EXPECT_EQ(test::read_file(path("one.gguf")), test::read_file(path("three.gguf")));
}

TEST_F(QuantizeModel, ImportanceReachesTheTensorItIsFor) {
  const fs::path in = model();
  ImportanceMatrix importance;
  std::vector<float> activations(256, 0.1f);
  for (std::size_t k = 0; k < 16; ++k) activations[k * 16] = 10.0f;
  importance.add("blk.0.ffn_up.weight", activations, 256);
  QuantizeOptions o = options("q4_0");
  quantize_model(in, path("plain.gguf"), o);
  o.importance = &importance;
  std::vector<std::string> log;
  o.log = [&](const std::string& line) { log.push_back(line); };
  const QuantizeResult result = quantize_model(in, path("weighted.gguf"), o);
  const GgufFile plain = GgufFile::open(path("plain.gguf")), weighted = GgufFile::open(path("weighted.gguf"));
  for (std::size_t i = 0; i < result.tensors.size(); ++i) {
    const QuantizedTensor& t = result.tensors[i];
    EXPECT_EQ(t.used_importance, t.name == "blk.0.ffn_up.weight") << t.name;
    const bool same = std::memcmp(plain.tensors()[i].view.data(), weighted.tensors()[i].view.data(),
                                  plain.tensors()[i].view.bytes()) == 0;
    EXPECT_EQ(same, !t.used_importance) << t.name;
  }
  EXPECT_EQ(log.size(), 6u);  // the other matrices have none
}

TEST_F(QuantizeModel, NonfiniteWeightsAreRefusedByNameOrZeroed) {
  for (const float bad : {NAN, INFINITY, -INFINITY, 1e6f}) {
    const fs::path in = model(bad);
    for (const char* type : {"q4_0", "f16", "blk.0.*=q4_0", "q4_k_m"}) {
      if (std::isfinite(bad) && std::string(type) == "blk.0.*=q4_0") continue;  // an F32 copy may hold a million
      std::string message;
      EXPECT_EQ(code_of([&] { quantize_model(in, path("out.gguf"), options(type)); }, &message), "bad_value") << bad;
      EXPECT_NE(message.find("blk.1.ffn_down.weight"), std::string::npos) << message;
      EXPECT_NE(message.find("row 3, column 7"), std::string::npos) << message;
      EXPECT_FALSE(fs::exists(path("out.gguf")));
    }
    QuantizeOptions o = options("q4_0");
    o.allow_nonfinite = true;
    if (std::isfinite(bad)) {
      EXPECT_EQ(code_of([&] { quantize_model(in, path("out.gguf"), o); }), "bad_value");
      continue;
    }
    EXPECT_EQ(quantize_model(in, path("out.gguf"), o).nonfinite, 1u);
    EXPECT_EQ(values(GgufFile::open(path("out.gguf")).get_tensor("blk.1.ffn_down.weight"))[3 * 96 + 7], 0.0f);
    fs::remove(path("out.gguf"));
  }
  EXPECT_EQ(files(), 1u);  // nothing is left behind
}

TEST_F(QuantizeModel, AStopLeavesTheTargetAsItWas) {
  const fs::path in = model();
  std::ofstream(path("out.gguf")) << "as it was";
  for (const std::size_t tensor : {0u, 1u, 4u, 10u}) {
    std::stop_source source;
    QuantizeOptions options;
    options.recipe = Recipe::parse("q8_0");
    options.threads = 3;
    options.cancel = source.get_token();
    options.progress = [&](const QuantizeProgress& p) {
      if (p.index == tensor) source.request_stop();
    };
    try {
      quantize_model(in, path("out.gguf"), options);
      ADD_FAILURE() << "not stopped in tensor " << tensor;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::cancelled) << error.what();
    }
    EXPECT_EQ(fs::file_size(path("out.gguf")), 9u);
    EXPECT_EQ(files(), 2u);
  }
}

TEST_F(QuantizeModel, TheInputIsNeverTheOutput) {
  const fs::path in = model();
  const std::string before = test::read_file(in);
  fs::create_hard_link(in, path("hard.gguf"));
  fs::create_symlink(in, path("soft.gguf"));
  for (const fs::path& out : {in, path("hard.gguf"), path("soft.gguf"), path(".") / "model.gguf"})
    EXPECT_EQ(code_of([&] { quantize_model(in, out, options("q4_0")); }), "invalid_argument") << out;
  EXPECT_EQ(test::read_file(in), before);
}

TEST_F(QuantizeModel, BadInputAndUnwritableOutputAreErrors) {
  const fs::path in = model();
  std::ofstream(path("bad.gguf")) << "GGUF and nothing more";
  EXPECT_NE(code_of([&] { quantize_model(path("bad.gguf"), path("out.gguf"), options("q4_0")); }), "none");
  EXPECT_EQ(code_of([&] { quantize_model(path("absent.gguf"), path("out.gguf"), options("q4_0")); }), "io");
  EXPECT_EQ(code_of([&] { quantize_model(in, path("no/such/folder.gguf"), options("q4_0")); }), "io");
  EXPECT_FALSE(fs::exists(path("out.gguf")));
}

TEST_F(QuantizeModel, FilesByRulesAreCalledAfterWhatTheyMostlyHold) {
  const struct {
    const char* rules;
    int want;
  } cases[] = {{"ffn_down=q8_0,*=q4_0", 2}, {"*=q4_k", 14}, {"*=q6_k", 18}, {"*=iq4_nl", 25}, {"*=f16", 1},
               {"token_embd=q8_0", 0}};
  for (const auto& [rules, want] : cases) {
    (void)quantize_model(model(), path("out.gguf"), options(rules));
    EXPECT_EQ(GgufFile::open(path("out.gguf")).int_or("general.file_type", -1), want) << rules;
  }
  // A mix keeps its name as long as most of it is what it was.
  (void)quantize_model(model(), path("mix.gguf"), options("q4_k_m"));
  (void)quantize_model(path("mix.gguf"), path("out.gguf"), options("ffn_down=q5_0"));
  EXPECT_EQ(GgufFile::open(path("out.gguf")).get_int("general.file_type"), 15);
  (void)quantize_model(path("mix.gguf"), path("out.gguf"), options("*=q4_0"));
  EXPECT_EQ(GgufFile::open(path("out.gguf")).get_int("general.file_type"), 2);
}

/// Importance of every matrix of model(), of another width if wanted.
ImportanceMatrix importance_of(std::int64_t more_columns, const std::vector<std::string>& names) {
  ImportanceMatrix importance;
  for (const std::string& name : names) {
    const std::int64_t columns = (name.ends_with("ffn_down.weight") ? 96 : 256) + more_columns;
    importance.add(name, std::vector<float>(static_cast<std::size_t>(columns), 1.0f), columns);
  }
  return importance;
}

TEST_F(QuantizeModel, ImportanceOfAnotherModelIsRefused) {
  const fs::path in = model();
  const std::vector<std::string> names = {"blk.0.attn_v.weight", "blk.1.ffn_up.weight"};
  QuantizeOptions o = options("iq4_xs");
  for (const auto& [importance, mention] : {std::pair(importance_of(7, names), "263 columns"),
                                            std::pair(importance_of(0, {"blk.7.attn_v.weight"}), "none of"),
                                            std::pair(ImportanceMatrix(), "none of its 0")}) {
    o.importance = &importance;
    std::string message;
    EXPECT_EQ(code_of([&] { (void)quantize_model(in, path("out.gguf"), o); }, &message), "invalid_argument");
    EXPECT_NE(message.find(mention), std::string::npos) << message;
    EXPECT_FALSE(fs::exists(path("out.gguf")));
  }
  const ImportanceMatrix right = importance_of(0, names);
  o.importance = &right;
  EXPECT_NO_THROW((void)quantize_model(in, path("out.gguf"), o));
}

/// What recipes do where importance is at hand, they do for the tensors that it is of.
TEST_F(QuantizeModel, ImportanceChangesTypesOfItsOwnTensorsAlone) {
  GgufWriter writer;
  writer.set("general.architecture", "llama");
  for (int layer = 0; layer < 16; ++layer)
    writer.add_tensor("blk." + std::to_string(layer) + ".ffn_down.weight", DType::f32, Shape{8, 256});
  writer.write(path("deep.gguf"), [](const GgufTensorPlan& plan, const GgufAppend& append) {
    append(std::vector<std::byte>(plan.bytes));
  });
  const GgufFile file = GgufFile::open(path("deep.gguf"));
  ImportanceMatrix importance;
  importance.add("blk.1.ffn_down.weight", std::vector<float>(256, 1.0f), 256);
  QuantizeOptions o = options("iq4_xs");
  o.importance = &importance;
  const std::vector<QuantizedTensor> plan = plan_quantization(file, o);
  EXPECT_EQ(plan[0].to, DType::q5_k);
  EXPECT_EQ(plan[1].to, DType::iq4_xs);
  EXPECT_EQ(plan[2].to, DType::iq4_xs);
}

}  // namespace
}  // namespace plumb::quantize_model_test
