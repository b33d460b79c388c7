#pragma once
/// GGUF files in memory, encoded independently of the library, in which every number can be set to anything: a test
/// takes a valid file, spoils one part and says which error it expects.

#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace plumb::test {

/// The bytes of a number, little-endian.
template <class T>
requires std::is_arithmetic_v<T> std::string encoded(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

/// Length and bytes.
inline std::string encoded(std::string_view text) {
  return encoded(static_cast<std::uint64_t>(text.size())) + std::string(text);
}

/// Type ids of metadata values, written out once more so that a wrong id in the library cannot hide.
namespace value_type {
inline constexpr std::uint32_t u8 = 0, i8 = 1, u16 = 2, i16 = 3, u32 = 4, i32 = 5, f32 = 6, boolean = 7, string = 8,
                               array = 9, u64 = 10, i64 = 11, f64 = 12;
}

/// Element type, count and elements of an array value. `count` may lie.
inline std::string encoded_array(std::uint32_t element_type, std::uint64_t count, std::string_view elements) {
  return encoded(element_type) + encoded(count) + std::string(elements);
}

struct BuiltPair {
  std::string key;
  std::uint32_t type = value_type::u32;
  std::string payload;
  std::optional<std::uint64_t> key_length;  ///< what the file claims, if not the truth
};

struct BuiltTensor {
  std::string name;
  std::vector<std::uint64_t> dims;  ///< innermost first, as in the file
  std::uint32_t type = 0;
  std::string data;
  std::optional<std::uint64_t> offset;       ///< what the file claims, if not the next free place
  std::optional<std::uint64_t> name_length;  ///< likewise
  std::optional<std::uint32_t> rank;         ///< likewise
};

/// A GGUF file as a list of parts.
class GgufBuilder {
 public:
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::optional<std::uint64_t> tensor_count, key_count;  ///< what the file claims, if not the truth
  std::size_t alignment = 32;                            ///< where tensors are put; announcing it is up to the test
  std::vector<BuiltPair> pairs;
  std::vector<BuiltTensor> tensors;

  /// The pair of this key; made when absent.
  BuiltPair& pair(std::string_view key) {
    for (BuiltPair& pair : pairs)
      if (pair.key == key) return pair;
    pairs.push_back({std::string(key), value_type::u32, {}, {}});
    return pairs.back();
  }
  void set(std::string_view key, std::uint32_t type, std::string payload) {
    BuiltPair& target = pair(key);
    target.type = type;
    target.payload = std::move(payload);
  }
  void set_u32(std::string_view key, std::uint32_t value) { set(key, value_type::u32, encoded(value)); }
  void set_f32(std::string_view key, float value) { set(key, value_type::f32, encoded(value)); }
  void set_bool(std::string_view key, bool value) {
    set(key, value_type::boolean, std::string(1, value ? '\1' : '\0'));
  }
  void set_string(std::string_view key, std::string_view value) { set(key, value_type::string, encoded(value)); }
  void set_strings(std::string_view key, std::span<const std::string> values) {
    std::string elements;
    for (const std::string& value : values) elements += encoded(std::string_view(value));
    set(key, value_type::array, encoded_array(value_type::string, values.size(), elements));
  }
  /// Array of numbers; T decides nothing but the bytes.
  template <class T>
  void set_numbers(std::string_view key, std::uint32_t element_type, std::span<const T> values) {
    std::string elements;
    for (const T value : values) elements += encoded(value);
    set(key, value_type::array, encoded_array(element_type, values.size(), elements));
  }
  void erase(std::string_view key) {
    std::erase_if(pairs, [&](const BuiltPair& pair) { return pair.key == key; });
  }

  /// The tensor of this name; made (without dimensions or data) when absent.
  BuiltTensor& tensor(std::string_view name) {
    for (BuiltTensor& tensor : tensors)
      if (tensor.name == name) return tensor;
    tensors.push_back({std::string(name), {}, 0, {}, {}, {}, {}});
    return tensors.back();
  }
  void erase_tensor(std::string_view name) {
    std::erase_if(tensors, [&](const BuiltTensor& tensor) { return tensor.name == name; });
  }
  /// An f32 tensor of random normal weights.
  void add_random(std::string name, std::vector<std::uint64_t> dims, std::mt19937& random, float mean = 0) {
    std::normal_distribution<float> normal(mean, 0.25f);
    std::size_t elements = 1;
    for (const std::uint64_t dim : dims) elements *= dim;
    std::string data;
    for (std::size_t i = 0; i < elements; ++i) data += encoded(normal(random));
    tensors.push_back({std::move(name), std::move(dims), 0, std::move(data), {}, {}, {}});
  }

  /// The part in front of the tensor data, without padding.
  std::string header() const {
    std::string out = magic + encoded(version) + encoded(tensor_count.value_or(tensors.size())) +
                      encoded(key_count.value_or(pairs.size()));
    for (const BuiltPair& pair : pairs)
      out += encoded(pair.key_length.value_or(pair.key.size())) + pair.key + encoded(pair.type) + pair.payload;
    std::uint64_t place = 0;
    for (const BuiltTensor& tensor : tensors) {
      out += encoded(tensor.name_length.value_or(tensor.name.size())) + tensor.name;
      out += encoded(tensor.rank.value_or(static_cast<std::uint32_t>(tensor.dims.size())));
      for (const std::uint64_t dim : tensor.dims) out += encoded(dim);
      out += encoded(tensor.type) + encoded(tensor.offset.value_or(place));
      place += padded(tensor.data.size());
    }
    return out;
  }

  /// The whole file; the last tensor is not padded.
  std::string bytes() const {
    std::string out = header();
    for (const BuiltTensor& tensor : tensors) {
      out.resize(padded(out.size()), '\0');
      out += tensor.data;
    }
    return out;
  }

 private:
  std::size_t padded(std::size_t size) const { return (size + alignment - 1) / alignment * alignment; }
};

/// Sizes of the small models below: enough for grouped queries, more than one layer and ragged widths.
struct TinyShape {
  std::uint32_t dim = 8, heads = 2, kv_heads = 1, head_dim = 4, ffn = 12, layers = 2, context = 32;
};

/// Keys and tensors of a llama without a vocabulary.
inline void add_tiny_llama(GgufBuilder& file, std::uint64_t vocab, const TinyShape& s = {}) {
  std::mt19937 random(20240229);
  file.set_string("general.architecture", "llama");
  file.set_u32("llama.context_length", s.context);
  file.set_u32("llama.embedding_length", s.dim);
  file.set_u32("llama.block_count", s.layers);
  file.set_u32("llama.feed_forward_length", s.ffn);
  file.set_u32("llama.attention.head_count", s.heads);
  file.set_u32("llama.attention.head_count_kv", s.kv_heads);
  file.set_u32("llama.rope.dimension_count", s.head_dim);
  file.set_f32("llama.rope.freq_base", 10000.0f);
  file.set_f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  file.add_random("token_embd.weight", {s.dim, vocab}, random);
  file.add_random("output_norm.weight", {s.dim}, random, 1);
  file.add_random("output.weight", {s.dim, vocab}, random);
  for (std::uint32_t i = 0; i < s.layers; ++i) {
    const std::string blk = "blk." + std::to_string(i) + ".";
    file.add_random(blk + "attn_norm.weight", {s.dim}, random, 1);
    file.add_random(blk + "attn_q.weight", {s.dim, s.heads * s.head_dim}, random);
    file.add_random(blk + "attn_k.weight", {s.dim, s.kv_heads * s.head_dim}, random);
    file.add_random(blk + "attn_v.weight", {s.dim, s.kv_heads * s.head_dim}, random);
    file.add_random(blk + "attn_output.weight", {s.heads * s.head_dim, s.dim}, random);
    file.add_random(blk + "ffn_norm.weight", {s.dim}, random, 1);
    file.add_random(blk + "ffn_gate.weight", {s.dim, s.ffn}, random);
    file.add_random(blk + "ffn_up.weight", {s.dim, s.ffn}, random);
    file.add_random(blk + "ffn_down.weight", {s.ffn, s.dim}, random);
  }
}

/// Types of tokens as `tokenizer.ggml.token_type` stores them.
namespace token_type {
inline constexpr std::int32_t normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6;
}

/// A SentencePiece vocabulary: <unk>, <s>, </s>, the 256 bytes if asked for, and some pieces with falling scores.
inline std::uint64_t add_spm_vocabulary(GgufBuilder& file, bool byte_tokens) {
  std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
  std::vector<std::int32_t> types = {token_type::unknown, token_type::control, token_type::control};
  std::vector<float> scores = {0, 0, 0};
  if (byte_tokens) {
    for (int b = 0; b < 256; ++b) {
      constexpr char kHex[] = "0123456789ABCDEF";
      tokens.push_back(std::string("<0x") + kHex[b / 16] + kHex[b % 16] + ">");
      types.push_back(token_type::byte);
      scores.push_back(0);
    }
  }
  float score = -1;
  for (const char* piece : {"\u2581t", "he", "\u2581the", "re", "\u2581", "t", "h", "e", "r", "a", "b", "c", "d"}) {
    tokens.emplace_back(piece);
    types.push_back(token_type::normal);
    scores.push_back(score--);
  }
  file.set_string("tokenizer.ggml.model", "llama");
  file.set_strings("tokenizer.ggml.tokens", tokens);
  file.set_numbers<float>("tokenizer.ggml.scores", value_type::f32, scores);
  file.set_numbers<std::int32_t>("tokenizer.ggml.token_type", value_type::i32, types);
  file.set_u32("tokenizer.ggml.bos_token_id", 1);
  file.set_u32("tokenizer.ggml.eos_token_id", 2);
  file.set_u32("tokenizer.ggml.unknown_token_id", 0);
  file.set_bool("tokenizer.ggml.add_bos_token", true);
  file.set_bool("tokenizer.ggml.add_eos_token", false);
  return tokens.size();
}

/// The characters that stand for the 256 bytes in byte-level BPE vocabularies (GPT-2): printable Latin-1 stands for
/// itself, the other bytes for U+0100 and following.
inline std::vector<std::string> byte_level_alphabet() {
  std::vector<std::string> letters;
  std::uint32_t next = 0x100;
  for (std::uint32_t b = 0; b < 256; ++b) {
    const bool itself = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    const std::uint32_t c = itself ? b : next++;
    letters.push_back(c < 0x80 ? std::string(1, static_cast<char>(c))
                               : std::string{static_cast<char>(0xC0 | (c >> 6)), static_cast<char>(0x80 | (c & 0x3F))});
  }
  return letters;
}

/// A byte-level BPE vocabulary with a few merges and an end-of-text token.
inline std::uint64_t add_bpe_vocabulary(GgufBuilder& file) {
  std::vector<std::string> tokens = byte_level_alphabet();
  for (const char* piece : {"he", "re", "the", "\u0120the", "<|endoftext|>"}) tokens.emplace_back(piece);
  std::vector<std::int32_t> types(tokens.size(), token_type::normal);
  types.back() = token_type::control;
  const std::vector<std::string> merges = {"h e", "r e", "t he", "\u0120 the"};
  file.set_string("tokenizer.ggml.model", "gpt2");
  file.set_string("tokenizer.ggml.pre", "gpt-2");
  file.set_strings("tokenizer.ggml.tokens", tokens);
  file.set_numbers<std::int32_t>("tokenizer.ggml.token_type", value_type::i32, types);
  file.set_strings("tokenizer.ggml.merges", merges);
  const auto last = static_cast<std::uint32_t>(tokens.size() - 1);
  file.set_u32("tokenizer.ggml.bos_token_id", last);
  file.set_u32("tokenizer.ggml.eos_token_id", last);
  return tokens.size();
}

/// A whole small model with a SentencePiece vocabulary.
inline GgufBuilder tiny_llama(bool byte_tokens = true) {
  GgufBuilder file;
  add_tiny_llama(file, add_spm_vocabulary(file, byte_tokens));
  return file;
}

/// A whole small model with a byte-level BPE vocabulary.
inline GgufBuilder tiny_llama_bpe() {
  GgufBuilder file;
  add_tiny_llama(file, add_bpe_vocabulary(file));
  return file;
}

}  // namespace plumb::test
