/// llama2.c checkpoints: the same model as in GGUF form has the same keys, vocabulary and tensors.

#include <gtest/gtest.h>

#include <cstring>

#include "plumb/io/gguf.hpp"
#include "plumb/io/llama2c.hpp"
#include "plumb/io/open_model.hpp"
#include "tests/support/aligned_copy.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/fixtures.hpp"
#include "tests/support/gguf_builder.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::llama2c_test {
namespace {

using test::encoded;
using test::expect_error;
using test::TempDir;

std::string header_of(std::int32_t dim, std::int32_t hidden, std::int32_t layers, std::int32_t heads,
                      std::int32_t kv_heads, std::int32_t vocab, std::int32_t seq_len) {
  return encoded(dim) + encoded(hidden) + encoded(layers) + encoded(heads) + encoded(kv_heads) + encoded(vocab) +
         encoded(seq_len);
}

std::string bytes_of(const ModelFile& file, const std::string& name) {
  const ConstTensorView view = file.get_tensor(name).view;
  return {reinterpret_cast<const char*>(view.data()), view.bytes()};
}

/// An f32 llama as a checkpoint, put together in the order in which run.c walks the weights.
std::string checkpoint_of(const ModelFile& file, bool tied) {
  const auto key = [&](const char* name) {
    return static_cast<std::int32_t>(file.get_int(std::string("llama.") + name));
  };
  const std::int32_t layers = key("block_count"), dim = key("embedding_length"), heads = key("attention.head_count"),
                     context = key("context_length");
  const auto vocab = static_cast<std::int32_t>(file.get_tensor("token_embd.weight").view.rows());
  std::string out = header_of(dim, key("feed_forward_length"), layers, heads, key("attention.head_count_kv"),
                              tied ? vocab : -vocab, context);
  const auto all_layers = [&](const std::string& name) {
    for (std::int32_t i = 0; i < layers; ++i) out += bytes_of(file, "blk." + std::to_string(i) + "." + name);
  };
  out += bytes_of(file, "token_embd.weight");
  for (const char* name : {"attn_norm.weight", "attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_output.weight",
                           "ffn_norm.weight", "ffn_gate.weight", "ffn_down.weight", "ffn_up.weight"})
    all_layers(name);
  out += bytes_of(file, "output_norm.weight");
  out += std::string(static_cast<std::size_t>(context * (dim / heads)) * sizeof(float), '\x7f');  // rotation tables
  if (!tied) out += bytes_of(file, "output.weight");
  return out;
}

void expect_same_tensors(const ModelFile& got, const ModelFile& want) {
  EXPECT_EQ(got.tensors().size(), want.tensors().size());
  for (const GgufTensor& tensor : want.tensors()) {
    const std::string name(tensor.name);
    ASSERT_NE(got.find_tensor(name), nullptr) << name;
    EXPECT_EQ(got.get_tensor(name).view.shape(), tensor.view.shape()) << name;
    EXPECT_TRUE(bytes_of(got, name) == bytes_of(want, name)) << name;
  }
}

TEST(Llama2c, StoriesHasTheKeysTensorsAndVocabularyOfItsGguf) {
  PLUMB_REQUIRE_FIXTURES();
  TempDir dir;
  const auto stories = test::fixtures_dir() / "stories";
  const GgufFile gguf = GgufFile::open(stories / "stories260K-f32.gguf");
  const auto path = dir.file("stories260K.bin", checkpoint_of(gguf, gguf.find_tensor("output.weight") == nullptr));
  for (const auto mode : {FileMapping::Mode::map, FileMapping::Mode::read}) {
    const Llama2cFile file = Llama2cFile::open(path, stories / "tokenizer.bin", mode);
    expect_same_tensors(file, gguf);
    for (const GgufEntry& entry : gguf.metadata()) {
      if (entry.key == "general.name" || entry.key == "general.file_type") continue;
      const GgufValue* value = file.find(entry.key);
      ASSERT_NE(value, nullptr) << entry.key;
      EXPECT_EQ(value->to_string(1000), entry.value.to_string(1000)) << entry.key;
    }
  }
}

TEST(Llama2c, AHeadOfItsOwnAndATokenizerBesideTheFile) {
  TempDir dir;
  const test::AlignedCopy source(test::tiny_llama(false).bytes());
  const GgufFile gguf = GgufFile::from_memory(source.bytes());
  const auto path = dir.file("tiny.bin", checkpoint_of(gguf, false));
  expect_same_tensors(Llama2cFile::open(path), gguf);
  EXPECT_EQ(Llama2cFile::open(path).find("tokenizer.ggml.model"), nullptr);

  std::string vocabulary = encoded(std::int32_t{9});
  for (int i = 0; i < 16; ++i)
    vocabulary += encoded(-1.0f) + encoded(std::int32_t{2}) + " " + static_cast<char>('a' + i);
  dir.file("tokenizer.bin", vocabulary);
  const ModelFile copy = open_model_file(path);
  const auto tokens = copy.get_strings("tokenizer.ggml.tokens");
  ASSERT_EQ(tokens.size(), 16u);
  EXPECT_EQ(tokens[1], "<s>");
  EXPECT_EQ(tokens[5], "\u2581f");
  EXPECT_EQ(copy.format(), "llama2.c");

  dir.file("tokenizer.bin", vocabulary + "x");
  expect_error(ErrorCode::bad_tokenizer, [&] { (void)open_model_file(path); });
  for (std::size_t n = 0; n < vocabulary.size(); ++n) {
    dir.file("tokenizer.bin", vocabulary.substr(0, n));
    expect_error(ErrorCode::truncated, [&] { (void)open_model_file(path); });
  }
  vocabulary.replace(4 + 4, 4, encoded(std::int32_t{-2}));
  dir.file("tokenizer.bin", vocabulary);
  expect_error(ErrorCode::bad_tokenizer, [&] { (void)open_model_file(path); });
  expect_error(ErrorCode::io, [&] { (void)open_model_file(path, {.mode = {}, .tokenizer = dir / "absent"}); });
}

TEST(Llama2c, FormatsAreToldApartByContent) {
  TempDir dir;
  const test::AlignedCopy source(test::tiny_llama(false).bytes());
  const GgufFile gguf = GgufFile::from_memory(source.bytes());
  EXPECT_EQ(open_model_file(dir.file("a.bin", test::tiny_llama().bytes())).format(), "GGUF v3");
  EXPECT_EQ(open_model_file(dir.file("b.model", checkpoint_of(gguf, false))).format(), "llama2.c");
  expect_error(ErrorCode::bad_magic, [&] { (void)open_model_file(dir.file("c.txt", "Once upon a time")); });
}

/// What is often taken for a model is named, whatever its file is called.
TEST(Llama2c, OtherFilesAreNotTakenForCheckpoints) {
  TempDir dir;
  const std::string rest(64, '\1');
  const std::pair<std::string, const char*> cases[] = {
      {"tjgg" + encoded(1u) + rest, "before GGUF"},
      {"lmgg" + rest, "before GGUF"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS"},
      {std::string("PK\3\4\0\0\0\0", 8) + rest, "ZIP"},
      {"\x80\2}q" + rest, "pickle"},
      {"<!DOCTYPE html>" + rest, "expected 'GGUF'"}};
  for (const auto& [bytes, mention] : cases)
    for (const char* name : {"model.bin", "model.gguf", "model.pt"}) {
      const std::string message =
          expect_error(ErrorCode::bad_magic, [&, &bytes = bytes] { (void)open_model_file(dir.file(name, bytes)); });
      EXPECT_NE(message.find(mention), std::string::npos) << message;
    }
}

struct BadCheckpoint {
  const char* name;
  ErrorCode code;
  std::string bytes;
};

class BadLlama2c : public testing::TestWithParam<BadCheckpoint> {};

TEST_P(BadLlama2c, IsRefused) {
  TempDir dir;
  const std::string message =
      expect_error(GetParam().code, [&] { (void)open_model_file(dir.file("bad.bin", GetParam().bytes)); });
  EXPECT_NE(message.find("bad.bin"), std::string::npos) << message;
}

const std::int32_t kHuge = 1 << 28;

INSTANTIATE_TEST_SUITE_P(
    Named, BadLlama2c,
    testing::Values(
        BadCheckpoint{"empty", ErrorCode::truncated, ""},
        BadCheckpoint{"header_cut", ErrorCode::truncated, header_of(8, 12, 1, 2, 1, 16, 8).substr(0, 27)},
        BadCheckpoint{"no_weights", ErrorCode::truncated, header_of(8, 12, 1, 2, 1, 16, 8)},
        BadCheckpoint{"dim_0", ErrorCode::bad_value, header_of(0, 12, 1, 2, 1, 16, 8)},
        BadCheckpoint{"dim_negative", ErrorCode::bad_value, header_of(-8, 12, 1, 2, 1, 16, 8)},
        BadCheckpoint{"hidden_0", ErrorCode::bad_value, header_of(8, 0, 1, 2, 1, 16, 8)},
        BadCheckpoint{"layers_0", ErrorCode::bad_value, header_of(8, 12, 0, 2, 1, 16, 8)},
        BadCheckpoint{"layers_2_31", ErrorCode::bad_value, header_of(8, 12, 2147483647, 2, 1, 16, 8)},
        BadCheckpoint{"heads_0", ErrorCode::bad_value, header_of(8, 12, 1, 0, 1, 16, 8)},
        BadCheckpoint{"heads_do_not_divide", ErrorCode::bad_value, header_of(8, 12, 1, 3, 1, 16, 8)},
        BadCheckpoint{"odd_head_size", ErrorCode::bad_value, header_of(6, 12, 1, 2, 1, 16, 8)},
        BadCheckpoint{"kv_heads_0", ErrorCode::bad_value, header_of(8, 12, 1, 2, 0, 16, 8)},
        BadCheckpoint{"kv_heads_do_not_divide", ErrorCode::bad_value, header_of(12, 12, 1, 6, 4, 16, 8)},
        BadCheckpoint{"vocab_0", ErrorCode::bad_value, header_of(8, 12, 1, 2, 1, 0, 8)},
        BadCheckpoint{"vocab_int_min", ErrorCode::bad_value, header_of(8, 12, 1, 2, 1, INT32_MIN, 8)},
        BadCheckpoint{"seq_len_0", ErrorCode::bad_value, header_of(8, 12, 1, 2, 1, 16, 0)},
        BadCheckpoint{"all_huge", ErrorCode::overflow, header_of(kHuge, kHuge, kHuge, 2, 1, kHuge, kHuge)},
        BadCheckpoint{"too_long", ErrorCode::bad_value, header_of(2, 1, 1, 1, 1, 1, 1) + std::string(4096, '\0')},
        BadCheckpoint{"version_1", ErrorCode::unsupported_version, encoded(0x616b3432) + std::string(300, '\1')}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace plumb::llama2c_test
