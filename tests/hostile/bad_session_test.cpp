// Bad session files: every one is refused with the right code and changes nothing.

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "plumb/core/checksum.hpp"
#include "tests/support/hostile.hpp"
#include "tests/support/state_models.hpp"

namespace plumb::bad_session_test {
namespace {

using test::BadFile;
using test::BadFiles;

constexpr int kTokens = 20, kContext = 64;
constexpr std::size_t kHeader = 64;
// Fields of the header.
constexpr std::size_t kVersionAt = 8, kHeaderBytesAt = 12, kBytesAt = 16, kFingerprintAt = 24, kKvAt = 32,
                      kFlagsAt = 36, kTokensAt = 40, kPositionsAt = 44, kLayersAt = 48, kLongTablesAt = 52,
                      kReservedAt = 56;
constexpr std::size_t kFirstLayer = kHeader + 4 * kTokens + 4 * test::kStateVocab;

Session make_session(const char* model, DType kv = DType::f32) {
  return Session(test::state_model(model).model, {.context = kContext, .threads = 1, .kv = kv});
}
std::string saved(const char* model = "attention", DType kv = DType::f32, int tokens = kTokens) {
  Session session = make_session(model, kv);
  if (tokens > 0) session.prefill(test::state_text(static_cast<std::size_t>(tokens)));
  const std::vector<std::byte> bytes = session.save();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
std::string signed_anew(std::string file) {
  const std::size_t before = file.size() - 8;
  const std::uint64_t sum = checksum(std::as_bytes(std::span(file).first(before)));
  std::memcpy(file.data() + before, &sum, sizeof(sum));
  return file;
}
template <class T>
void put(std::string& file, std::size_t at, T value) {
  std::memcpy(file.data() + at, &value, sizeof(value));
}

/// Restores into a sequence that has read something, which must stay as it is.
void restore_into(Session& session, std::span<const std::byte> bytes) {
  const std::vector<Token> tokens = test::state_text(7, 3);
  session.clear();
  session.prefill(tokens);
  try {
    session.restore(bytes);
  } catch (const Error&) {
    EXPECT_TRUE(std::ranges::equal(session.tokens(), tokens));
    EXPECT_EQ(test::greedy(session, 1).size(), 1u);
    throw;
  }
}
void restore(std::span<const std::byte> bytes) {
  static Session session = make_session("attention");
  restore_into(session, bytes);
}

std::vector<BadFile> cases() {
  BadFiles all([]() -> test::GgufBuilder { return {}; });
  const auto raw = [&](const char* name, ErrorCode code, const char* mention, auto change) {
    all.make(name, code, mention, [change] {
      std::string file = saved();
      change(file);
      return file;
    });
  };
  // What a checksum does not catch: whoever made the file meant it.
  const auto meant = [&](const char* name, ErrorCode code, const char* mention, auto change) {
    raw(name, code, mention, [change](std::string& file) {
      change(file);
      file = signed_anew(file);
    });
  };
  const auto field = [&](const char* name, ErrorCode code, const char* mention, std::size_t at, auto value) {
    meant(name, code, mention, [=](std::string& file) { put(file, at, value); });
  };
  constexpr std::uint32_t kMost = std::numeric_limits<std::uint32_t>::max();
  raw("empty", ErrorCode::truncated, "magic", [](auto& f) { f.clear(); });
  raw("a_gguf_file", ErrorCode::bad_magic, "PLUMBSES", [](auto& f) { f = test::small_gguf().bytes(); });
  raw("magic_in_small_letters", ErrorCode::bad_magic, "PLUMBSES", [](auto& f) { f[0] = 'p'; });
  raw("magic_alone", ErrorCode::truncated, "version", [](auto& f) { f.resize(8); });
  raw("header_alone", ErrorCode::truncated, "announces", [](auto& f) { f.resize(kHeader); });
  raw("one_byte_less", ErrorCode::truncated, "announces", [](auto& f) { f.pop_back(); });
  raw("one_byte_more", ErrorCode::bad_value, "size", [](auto& f) { f += '\0'; });
  raw("two_files", ErrorCode::bad_value, "size", [](auto& f) { f += std::string(f); });
  raw("token_changed", ErrorCode::bad_value, "checksum", [](auto& f) { f[kHeader] ^= 1; });
  raw("key_changed", ErrorCode::bad_value, "checksum", [](auto& f) { f[f.size() / 2] ^= 0x40; });
  raw("checksum_changed", ErrorCode::bad_value, "checksum", [](auto& f) { f.back() ^= 1; });
  raw("checksum_of_zeros", ErrorCode::bad_value, "checksum", [](auto& f) { f.replace(f.size() - 8, 8, 8, '\0'); });
  field("version_0", ErrorCode::unsupported_version, "version is 0", kVersionAt, std::uint32_t{0});
  field("version_2", ErrorCode::unsupported_version, "version is 2", kVersionAt, std::uint32_t{2});
  field("version_endless", ErrorCode::unsupported_version, "version", kVersionAt, kMost);
  field("big_endian", ErrorCode::unsupported_version, "version", kVersionAt, std::uint32_t{1u << 24});
  field("header_0", ErrorCode::bad_value, "header", kHeaderBytesAt, std::uint32_t{0});
  field("header_endless", ErrorCode::bad_value, "header", kHeaderBytesAt, kMost);
  field("size_0", ErrorCode::bad_value, "size is 0", kBytesAt, std::uint64_t{0});
  field("size_endless", ErrorCode::truncated, "announces", kBytesAt, std::numeric_limits<std::uint64_t>::max());
  field("another_model", ErrorCode::invalid_argument, "another model", kFingerprintAt, std::uint64_t{1});
  field("kv_of_another_type", ErrorCode::invalid_argument, "keys and values", kKvAt, std::uint32_t{1});
  field("kv_unknown", ErrorCode::bad_value, "keys and values", kKvAt, std::uint32_t{3});
  field("kv_endless", ErrorCode::bad_value, "keys and values", kKvAt, kMost);
  field("flags_unknown", ErrorCode::bad_value, "flags", kFlagsAt, std::uint32_t{2});
  field("flags_endless", ErrorCode::bad_value, "flags", kFlagsAt, kMost);
  field("without_its_logits", ErrorCode::bad_value, "layer 0", kFlagsAt, std::uint32_t{0});
  field("tokens_0", ErrorCode::bad_value, "positions", kTokensAt, std::uint32_t{0});
  field("tokens_fewer_than_positions", ErrorCode::bad_value, "positions", kTokensAt, std::uint32_t{kTokens - 1});
  field("tokens_one_more", ErrorCode::out_of_range, "token 20", kTokensAt, std::uint32_t{kTokens + 1});
  field("tokens_beyond_the_context", ErrorCode::context_overflow, "too many", kTokensAt, std::uint32_t{kContext + 2});
  field("tokens_endless", ErrorCode::context_overflow, "too many", kTokensAt, kMost);
  field("positions_beyond_tokens", ErrorCode::bad_value, "positions", kPositionsAt, std::uint32_t{kTokens + 1});
  field("positions_0", ErrorCode::bad_value, "logits", kPositionsAt, std::uint32_t{0});
  field("positions_a_tile_fewer", ErrorCode::bad_value, "", kPositionsAt, std::uint32_t{kTokens - 16});
  field("positions_endless", ErrorCode::bad_value, "positions", kPositionsAt, kMost);
  field("layers_0", ErrorCode::bad_shape, "layers", kLayersAt, std::uint32_t{0});
  field("layers_one_more", ErrorCode::bad_shape, "layers", kLayersAt, std::uint32_t{4});
  field("layers_endless", ErrorCode::bad_shape, "layers", kLayersAt, kMost);
  field("other_rotation", ErrorCode::invalid_argument, "rotated", kLongTablesAt, std::uint32_t{1});
  field("reserved_field", ErrorCode::bad_value, "reserved", kReservedAt, std::uint64_t{1} << 63);
  field("token_negative", ErrorCode::out_of_range, "token 0", kHeader, std::int32_t{-1});
  field("token_beyond_the_vocabulary", ErrorCode::out_of_range, "token 19", kHeader + 4 * 19,
        std::int32_t{test::kStateVocab});
  field("layer_begins_late", ErrorCode::bad_value, "layer 0", kFirstLayer, std::uint32_t{1});
  field("layer_begins_beyond_its_end", ErrorCode::bad_value, "layer 0", kFirstLayer, kMost);
  field("layer_reserved", ErrorCode::bad_value, "reserved", kFirstLayer + 4, std::uint32_t{1});
  const auto cut = [](std::string& file, std::size_t bytes) {
    file.erase(file.size() - 8 - bytes, bytes);
    put(file, kBytesAt, static_cast<std::uint64_t>(file.size()));
  };
  meant("a_tile_short", ErrorCode::truncated, "layer 2", [=](std::string& file) { cut(file, 512); });
  meant("a_byte_short", ErrorCode::truncated, "layer 2", [=](std::string& file) { cut(file, 1); });
  meant("ends_after_the_tokens", ErrorCode::truncated, "logits",
        [=](std::string& file) { cut(file, file.size() - kHeader - 4 * kTokens - 8); });
  meant("ends_after_the_header", ErrorCode::truncated, "tokens",
        [=](std::string& file) { cut(file, file.size() - kHeader - 8); });
  meant("ends_before_its_checksum", ErrorCode::truncated, "header", [](std::string& file) {
    file.resize(kHeader + 4);
    put(file, kBytesAt, static_cast<std::uint64_t>(file.size()));
  });
  meant("bytes_behind_the_last_layer", ErrorCode::bad_value, "follow", [](std::string& file) {
    file.insert(file.size() - 8, 100, '\0');
    put(file, kBytesAt, static_cast<std::uint64_t>(file.size()));
  });
  for (const char* other : {"rings", "latent", "hybrid", "rwkv"})
    all.make(std::string("of_") + other, ErrorCode::invalid_argument, "another model",
             [other = std::string(other)] { return saved(other.c_str()); });
  all.make("of_int8_keys", ErrorCode::invalid_argument, "f32", [] { return saved("attention", DType::i8); });
  return all.all();
}

class BadSession : public testing::TestWithParam<BadFile> {};
TEST_P(BadSession, IsRefused) { test::expect_refused(GetParam(), restore); }
INSTANTIATE_TEST_SUITE_P(Files, BadSession, testing::ValuesIn(cases()),
                         [](const auto& test) { return test.param.name; });

/// Cut anywhere; and cut with the size put right and signed anew, which no accident does.
TEST(TruncatedSession, IsRefusedAtEveryByte) {
  for (const char* model : {"attention", "rings", "indexer", "hybrid"}) {
    const std::string whole = saved(model, DType::f32, 3);
    Session session = make_session(model);
    session.prefill(test::state_text(9, 2));
    const auto read = [&](std::span<const std::byte> bytes) { session.restore(bytes); };
    for (std::size_t n = 0; n < whole.size(); n += n < 600 || n + 600 > whole.size() ? 1 : 13) {
      std::string part = whole.substr(0, n);
      const auto outcome = test::read_bounded(part, read);
      ASSERT_TRUE(outcome.code) << model << " accepted at " << n << " of " << whole.size() << " bytes";
      ASSERT_EQ(*outcome.code, ErrorCode::truncated) << "at " << n << " bytes: " << outcome.message;
      if (n < kHeader + 8) continue;
      put(part, kBytesAt, static_cast<std::uint64_t>(n));
      const auto meant = test::read_bounded(signed_anew(part), read);
      ASSERT_TRUE(meant.code) << model << " accepted at " << n << " of " << whole.size() << " bytes, signed";
      ASSERT_EQ(*meant.code, ErrorCode::truncated) << "at " << n << " bytes: " << meant.message;
    }
    Session other = make_session(model);
    other.prefill(test::state_text(9, 2));
    EXPECT_EQ(test::greedy(session, 5), test::greedy(other, 5)) << "the sequence is as it was";
  }
}

TEST(ChangedSession, EveryByteOfTheHeaderIsLookedAt) {
  const std::string whole = saved("attention", DType::f32, 3);
  ASSERT_FALSE(test::read_bounded(whole, restore).code);
  for (std::size_t i = 0; i < kHeader + 12; ++i)
    for (const int flip : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff}) {
      std::string changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      EXPECT_TRUE(test::read_bounded(changed, restore).code) << "byte " << i << " xor " << flip;
      const auto meant = test::read_bounded(signed_anew(changed), restore);
      // Fewer positions are state of which less is used; other tokens are another text.
      const bool may_be_read = (i >= kPositionsAt && i < kLayersAt) || i >= kHeader;
      EXPECT_TRUE(meant.code || may_be_read) << "byte " << i << " xor " << flip << ", signed";
    }
}

/// Numbers that are none, put there on purpose: no worse than a model that makes them.
TEST(ChangedSession, ValuesMayBeAnything) {
  for (const char* model : {"attention", "rings", "indexer", "hybrid", "rwkv"}) {
    SCOPED_TRACE(model);
    std::string file = saved(model);
    for (std::size_t i = 0; i < 16; ++i) put(file, kFirstLayer + 8 + 4 * i, std::uint32_t{0x7fc00000});
    Session session = make_session(model);
    const auto outcome = test::read_bounded(signed_anew(file), [&](auto bytes) { session.restore(bytes); });
    EXPECT_FALSE(outcome.code) << outcome.message;
    session.decode(1);
    EXPECT_EQ(session.logits().size(), static_cast<std::size_t>(test::kStateVocab));
  }
}

}  // namespace
}  // namespace plumb::bad_session_test
