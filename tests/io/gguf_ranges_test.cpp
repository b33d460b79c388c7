/// Headers of GGUF files read in ranges: the same model as the whole file, for few bytes.

#include "plumb/io/gguf_ranges.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "plumb/io/gguf.hpp"
#include "plumb/io/gguf_writer.hpp"
#include "tests/support/aligned_copy.hpp"
#include "tests/support/expect_error.hpp"

namespace plumb::gguf_ranges_test {
namespace {

using Bytes = std::vector<std::byte>;

/// A server of files in memory.
struct Server {
  std::map<std::string, Bytes> files;
  std::uint64_t most = 0;  ///< largest range that was asked for
  int requests = 0;

  OpenRanges open() {
    return [this](const std::string& name) {
      const auto found = files.find(name);
      if (found == files.end()) throw Error(ErrorCode::io, name + ": no such file");
      const Bytes& file = found->second;
      return RangeReader{file.size(), [this, &file](std::uint64_t offset, std::span<std::byte> out) {
                           ASSERT_LE(offset + out.size(), file.size());
                           std::memcpy(out.data(), file.data() + offset, out.size());
                           most = std::max<std::uint64_t>(most, out.size());
                           ++requests;
                         }};
    };
  }
};

/// What stands in a made-up file.
struct Form {
  std::size_t tokens = 40000, merges = 45000;
  bool scores = false, zero_scores = false, merges_last = false, types_of_tokens = true;
  std::uint32_t alignment = 32;
  int layers = 60;
};

std::vector<std::string> words(std::size_t count, bool pairs) {
  std::mt19937 random(3);
  std::vector<std::string> all;
  for (std::size_t i = 0; i < count; ++i) {
    std::string word;
    const std::size_t length = 1 + random() % (i < count / 2 ? 6 : 14);
    for (std::size_t k = 0; k < length; ++k) word += static_cast<char>('a' + random() % 26);
    if (pairs) word += ' ' + word.substr(0, word.size() / 2);
    if (i % 97 == 0) word = "blk.1" + word + ".weight";  // like a name
    if (i % 89 == 0) word = std::string(1, '\xC4') + '\xA0' + word;
    all.push_back(word);
  }
  return all;
}

GgufWriter writer_of(const Form& form) {
  GgufWriter writer(form.alignment);
  writer.set("general.architecture", "llama");
  writer.set("general.name", "made up");
  writer.set("llama.block_count", static_cast<std::uint32_t>(form.layers));
  writer.set("llama.rope.freq_base", 10000.0f);
  writer.set("tokenizer.ggml.model", "gpt2");
  writer.set("tokenizer.ggml.tokens", GgufArray::of_strings(words(form.tokens, false)));
  if (form.scores || form.zero_scores) {
    std::vector<float> scores(form.tokens);
    for (std::size_t i = 0; form.scores && i < scores.size(); ++i) scores[i] = -static_cast<float>(i);
    writer.set("tokenizer.ggml.scores", GgufArray::of<float>(scores));
  }
  if (form.types_of_tokens)
    writer.set("tokenizer.ggml.token_type", GgufArray::of<std::int32_t>(std::vector<std::int32_t>(form.tokens, 1)));
  if (form.merges > 0) writer.set("tokenizer.ggml.merges", GgufArray::of_strings(words(form.merges, true)));
  if (!form.merges_last) {
    writer.set("tokenizer.ggml.bos_token_id", std::uint32_t{0});
    writer.set("tokenizer.ggml.add_bos_token", false);
    writer.set("tokenizer.chat_template", std::string(3000, '{'));
    writer.set("general.tags", GgufArray::of_strings(std::vector<std::string>{"a", "bc"}));
  }
  writer.add_tensor("token_embd.weight", DType::q8_0, Shape{500, 64});
  for (int l = 0; l < form.layers; ++l)
    for (const char* name : {"attn_q", "attn_k", "ffn_down"})
      writer.add_tensor("blk." + std::to_string(l) + "." + name + ".weight", DType::q4_0, Shape{64, 64});
  return writer;
}

Bytes file_of(const GgufWriter& writer) {
  Bytes bytes = writer.header();
  const std::size_t data = bytes.size();
  std::mt19937 random(5);
  for (const GgufTensorPlan& tensor : writer.tensors()) {
    bytes.resize(data + tensor.offset + tensor.bytes);
    for (std::size_t i = 0; i < tensor.bytes; ++i)
      bytes[data + tensor.offset + i] = static_cast<std::byte>(random() & 0xFF);
  }
  return bytes;
}

void expect_same_tensors(const ModelFile& got, const ModelFile& want) {
  ASSERT_EQ(got.tensors().size(), want.tensors().size());
  for (std::size_t i = 0; i < got.tensors().size(); ++i) {
    EXPECT_EQ(got.tensors()[i].name, want.tensors()[i].name);
    EXPECT_EQ(got.tensors()[i].view.dtype(), want.tensors()[i].view.dtype());
    EXPECT_EQ(got.tensors()[i].view.shape(), want.tensors()[i].view.shape());
  }
}

TEST(GgufRanges, SeeTheModelAndFewBytes) {
  Form scores, zeros, last, small, aligned, plain;
  scores.scores = true;
  scores.merges = 0;
  zeros.zero_scores = true;
  last.merges_last = true;
  small.tokens = small.merges = 300;
  aligned.alignment = 4096;
  plain.tokens = 120000;
  plain.merges = 120000;
  for (const Form& form : {Form(), scores, zeros, last, small, aligned, plain}) {
    Server server;
    Bytes& bytes = server.files["m.gguf"] = file_of(writer_of(form));
    const test::AlignedCopy copy(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    const GgufFile want = GgufFile::from_memory(copy.bytes(), "m");
    const RangedModel got = open_gguf_by_ranges("m.gguf", server.open());
    EXPECT_EQ(got.bytes, bytes.size());
    EXPECT_LT(got.fetched, std::max<std::uint64_t>(bytes.size() / 3, 500'000));
    EXPECT_LE(server.most, std::uint64_t{512} << 10);
    expect_same_tensors(got.file, want);
    for (const GgufEntry& entry : want.metadata()) {
      const GgufValue* value = got.file.find(entry.key);
      if (entry.value.is_array() && entry.value.size() > 2048) {
        EXPECT_EQ(value == nullptr, entry.value.size() * 4 > 65536 || entry.value.element_type() == GgufType::string)
            << entry.key;
        continue;
      }
      ASSERT_NE(value, nullptr) << entry.key;
      EXPECT_EQ(value->to_string(), entry.value.to_string()) << entry.key;
    }
    // Data are elsewhere: what reads them reads zeros.
    EXPECT_EQ(got.file.tensors().front().view.data()[0], std::byte{0});
  }
}

TEST(GgufRanges, PartsAreFoundBesideTheFirst) {
  Server server;
  for (int part = 0; part < 2; ++part) {
    GgufWriter writer;
    writer.set("general.architecture", "llama");
    writer.set("split.no", static_cast<std::uint16_t>(part));
    writer.set("split.count", std::uint16_t{2});
    writer.set("split.tensors.count", std::int32_t{2});
    writer.add_tensor("t" + std::to_string(part) + ".weight", DType::f32, Shape{8, 8});
    server.files["http://host/a/m-0000" + std::to_string(part + 1) + "-of-00002.gguf"] = file_of(writer);
  }
  const RangedModel got = open_gguf_by_ranges("http://host/a/m-00001-of-00002.gguf", server.open());
  EXPECT_EQ(got.file.tensors().size(), 2u);
  std::uint64_t bytes = 0;
  for (const auto& [name, file] : server.files) bytes += file.size();
  EXPECT_EQ(got.bytes, bytes);
}

TEST(GgufRanges, NoMoreIsFetchedThanMayBe) {
  Server server;
  server.files["m"] = file_of(writer_of({}));
  const std::string message =
      test::expect_error(ErrorCode::unsupported_type, [&] { (void)open_gguf_by_ranges("m", server.open(), 80'000); });
  EXPECT_NE(message.find("80000 bytes"), std::string::npos) << message;
  // Two lists of tokens beside each other leave nothing to tell them apart by: refused, or read.
  Form form;
  form.types_of_tokens = false;
  server.files["m"] = file_of(writer_of(form));
  try {
    (void)open_gguf_by_ranges("m", server.open());
  } catch (const Error&) {
  }
}

TEST(GgufRanges, OtherFilesAreRefused) {
  Server server;
  const auto refused = [&](ErrorCode code, const Bytes& bytes) {
    server.files["m"] = bytes;
    test::expect_error(code, [&] { (void)open_gguf_by_ranges("m", server.open()); });
  };
  const std::string page = "<!DOCTYPE html><html><body>Sign in</body></html>";
  Bytes html(page.size());
  std::memcpy(html.data(), page.data(), page.size());
  refused(ErrorCode::bad_magic, html);
  refused(ErrorCode::truncated, {});
  refused(ErrorCode::truncated, Bytes(10));
  Form small;
  small.tokens = small.merges = 100;
  small.layers = 2;
  const Bytes whole = file_of(writer_of(small));
  const std::size_t header = writer_of(small).header().size();
  for (std::size_t size = 24; size < header; size += 211) {
    server.files["m"] = Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THROW((void)open_gguf_by_ranges("m", server.open()), Error) << size;
  }
}

// Whatever stands in a header, the answer is a model or an error.
TEST(GgufRanges, DamagedHeadersAreRefusedOrRead) {
  Form form;
  form.tokens = form.merges = 3000;
  form.layers = 3;
  const Bytes whole = file_of(writer_of(form));
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    Server server;
    Bytes& bytes = server.files["m"] = whole;
    for (int k = 0; k < 3; ++k) {
      const std::size_t at = round % 2 == 0 ? random() % 400 : random() % bytes.size();
      bytes[at] = static_cast<std::byte>(random() & 0xFF);
    }
    try {
      (void)open_gguf_by_ranges("m", server.open());
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace plumb::gguf_ranges_test
