// Experts in the layouts of older and other files: a tensor for every expert, gates and ups of all experts in one. The
// answers are those of stacks, bit for bit.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "plumb/io/gguf.hpp"
#include "plumb/io/gguf_writer.hpp"
#include "plumb/model/synth.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/models.hpp"
#include "tests/support/specs.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::expert_layouts_test {
namespace {

constexpr int kExperts = 5, kInner = 32, kVocab = 64;

/// gpt-oss has biases, the others have none.
ModelSpec small_model(const std::string& family) {
  ModelSpec spec = llama_spec(
      {.vocab = kVocab, .width = 64, .layers = 2, .heads = 4, .kv_heads = 2, .head_dim = 16, .ffn = 64, .context = 64});
  spec.family = family;
  ExpertsSpec experts = test::experts(kExperts, 2, kInner);
  if (family == "gpt-oss") {
    spec.ropes[0].pairs = RopePairs::halves;
    for_each_attention(spec, [](AttentionSpec& attention) { attention.sinks = attention.qkv_bias = true; });
    experts.expert.bias = experts.router_bias = true;
    experts.expert.activation = Activation::clipped_swiglu;
  }
  test::set_experts(spec, experts);
  return spec;
}

/// A tensor to write: pieces of the file's bytes.
struct Piece {
  std::string name;
  DType type;
  Shape shape;
  std::vector<std::span<const std::byte>> bytes;
};

std::span<const std::byte> bytes_of(const ConstTensorView& view) { return {view.data(), view.bytes()}; }

/// The stack of a layer, or its biases, as one tensor an expert.
void one_by_one(const GgufTensor& stack, std::vector<Piece>& pieces) {
  const ConstTensorView& view = stack.view;
  const std::string base(stack.name.substr(0, stack.name.find("_exps")));
  const std::int64_t rows = view.rows() / kExperts;
  for (std::int64_t e = 0; e < kExperts; ++e)
    pieces.push_back({base + "." + std::to_string(e) + ".weight",
                      view.dtype(),
                      Shape{rows, view.cols()},
                      {bytes_of(view.slice_rows(e * rows, rows))}});
}

/// Gates and ups together. `gate`, `up`: both of weights or both of biases.
Piece together(const GgufTensor& gate, const GgufTensor& up) {
  Piece piece{std::string(gate.name), gate.view.dtype(), Shape{1}, {}};
  piece.name.replace(piece.name.find("ffn_gate_exps"), 13, "ffn_gate_up_exps");
  const bool bias = gate.name.ends_with(".bias");
  piece.shape = bias ? Shape{kExperts, 2 * kInner} : Shape{kExperts, 2 * kInner, gate.view.cols()};
  const std::int64_t rows = bias ? 1 : kInner;
  for (std::int64_t e = 0; e < kExperts; ++e)
    for (const GgufTensor* part : {&gate, &up}) piece.bytes.push_back(bytes_of(part->view.slice_rows(e * rows, rows)));
  return piece;
}

std::vector<Piece> in_layout(const GgufFile& file, bool fused) {
  std::vector<Piece> pieces;
  for (const GgufTensor& tensor : file.tensors()) {
    const bool gate = tensor.name.find("ffn_gate_exps") != std::string::npos;
    if (fused && gate) {
      std::string up(tensor.name);
      up.replace(up.find("ffn_gate"), 8, "ffn_up");
      pieces.push_back(together(tensor, file.get_tensor(up)));
    } else if (fused && tensor.name.find("ffn_up_exps") != std::string::npos) {
      continue;
    } else if (!fused && tensor.name.find("_exps.weight") != std::string::npos) {
      one_by_one(tensor, pieces);
    } else {
      pieces.push_back({std::string(tensor.name), tensor.view.dtype(), tensor.view.shape(), {bytes_of(tensor.view)}});
    }
  }
  std::shuffle(pieces.begin(), pieces.end(), std::mt19937(3));  // tensors stand in any order
  return pieces;
}

void write(const std::filesystem::path& path, const GgufFile& like, const std::vector<Piece>& pieces) {
  GgufWriter writer;
  writer.copy_metadata(like);
  for (const Piece& piece : pieces) writer.add_tensor(piece.name, piece.type, piece.shape);
  writer.write(path, [&](const GgufTensorPlan& plan, const GgufAppend& append) {
    const auto piece = std::find_if(pieces.begin(), pieces.end(), [&](const Piece& p) { return p.name == plan.name; });
    std::vector<std::byte> whole;
    for (const auto& bytes : piece->bytes) whole.insert(whole.end(), bytes.begin(), bytes.end());
    whole.resize(plan.bytes);
    append(whole);
  });
}

TEST(ExpertLayouts, AnswerAsStacksDo) {
  const test::TempDir dir;
  std::vector<Token> tokens;
  for (int i = 0; i < 20; ++i) tokens.push_back((i * 29 + 7) % kVocab);
  for (const char* family : {"llama", "gpt-oss"})
    for (const char* type : {"f32", "q4_0", "bf16"}) {
      write_random_model(dir / "stack.gguf", small_model(family), {.type = type, .seed = 9});
      const GgufFile stacks = GgufFile::open(dir / "stack.gguf");
      for (const bool fused : {true, false}) {
        if (!fused && std::string(family) == "gpt-oss") continue;  // that layout has no biases
        SCOPED_TRACE(std::string(family) + " " + type + (fused ? " fused" : " one by one"));
        write(dir / "other.gguf", stacks, in_layout(stacks, fused));
        for (const LoadOptions& load :
             {LoadOptions{}, LoadOptions{.exact = true}, LoadOptions{.repack = false}, LoadOptions{.weights = "q8_0"},
              LoadOptions{.repack = false, .weights = "q8_0"}})
          EXPECT_EQ(test::all_logits(Model::load(dir / "other.gguf", load), tokens, 7),
                    test::all_logits(Model::load(dir / "stack.gguf", load), tokens, 7));
      }
    }
}

TEST(ExpertLayouts, BadPartsAreRefusedByName) {
  const test::TempDir dir;
  write_random_model(dir / "stack.gguf", small_model("llama"), {.type = "f32"});
  const GgufFile stacks = GgufFile::open(dir / "stack.gguf");
  const auto refused = [&](bool fused, ErrorCode code, const std::string& name, const auto& change) {
    SCOPED_TRACE(name);
    std::vector<Piece> pieces = in_layout(stacks, fused);
    const auto piece = std::find_if(pieces.begin(), pieces.end(), [&](const Piece& p) { return p.name == name; });
    ASSERT_NE(piece, pieces.end());
    if (!change(*piece)) pieces.erase(piece);
    write(dir / "bad.gguf", stacks, pieces);
    const std::string message = test::expect_error(code, [&] { Model::load(dir / "bad.gguf"); });
    EXPECT_NE(message.find(name), std::string::npos) << message;
    EXPECT_NE(message.find("bad.gguf"), std::string::npos) << message;
  };
  const auto absent = [](Piece&) { return false; };
  const auto shaped = [](const Shape& shape) {
    return [shape](Piece& piece) {
      piece.shape = shape;
      return true;
    };
  };
  refused(false, ErrorCode::missing_key, "blk.1.ffn_gate.2.weight", absent);
  refused(false, ErrorCode::missing_key, "blk.0.ffn_up.4.weight", absent);
  refused(false, ErrorCode::bad_shape, "blk.0.ffn_down.3.weight", shaped(Shape{kInner, 64}));
  refused(false, ErrorCode::bad_shape, "blk.0.ffn_gate.0.weight", shaped(Shape{kInner / 2, 64}));
  refused(false, ErrorCode::bad_shape, "blk.1.ffn_up.1.weight", shaped(Shape{1, kInner, 64}));
  refused(false, ErrorCode::wrong_type, "blk.1.ffn_up.1.weight", [](Piece& piece) {
    piece.type = DType::f16;
    for (auto& bytes : piece.bytes) bytes = bytes.first(bytes.size() / 2);
    return true;
  });
  refused(true, ErrorCode::bad_shape, "blk.0.ffn_gate_up_exps.weight", shaped(Shape{kExperts, kInner, 64}));
  refused(true, ErrorCode::bad_shape, "blk.1.ffn_gate_up_exps.weight", shaped(Shape{kExperts * 2 * kInner, 64}));
  refused(true, ErrorCode::bad_shape, "blk.1.ffn_gate_up_exps.weight", shaped(Shape{kExperts - 1, 2 * kInner, 64}));
}

}  // namespace
}  // namespace plumb::expert_layouts_test
