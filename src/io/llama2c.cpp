#include "plumb/io/llama2c.hpp"

#include <deque>
#include <utility>

#include "plumb/core/printable.hpp"
#include "plumb/io/byte_reader.hpp"
#include "plumb/io/gguf.hpp"
#include "plumb/io/gguf_writer.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr std::size_t kHeaderBytes = 7 * sizeof(std::int32_t);
/// First word of export.py's later versions ("ak42"), which run.c does not read.
constexpr std::uint32_t kVersionedMagic = 0x616b3432;
/// Upper bound of every header field: keeps all products of two in 64 bits with room to spare.
constexpr std::int64_t kMaxField = std::int64_t{1} << 28;
/// Ids and types that the format takes from SentencePiece without saying so.
constexpr std::int32_t kUnk = 0, kBos = 1, kEos = 2, kFirstByte = 3, kLastByte = 258;
constexpr std::int32_t kTypeNormal = 1, kTypeUnknown = 2, kTypeControl = 3, kTypeByte = 6;

struct Llama2cHeader {
  std::int64_t dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len;
  bool tied;
  std::int64_t head_dim() const { return dim / n_heads; }
  std::int64_t kv_dim() const { return n_kv_heads * head_dim(); }
};

Llama2cHeader read_llama2c_header(ByteReader& reader) {
  Llama2cHeader h{};
  const auto field = [&](const char* name) {
    const std::int64_t value = reader.number<std::int32_t>(name);
    const std::int64_t magnitude = value < 0 && std::string_view(name) == "vocab_size" ? -value : value;
    if (magnitude < 1 || magnitude > kMaxField)
      reader.fail(ErrorCode::bad_value,
                  std::string(name) + " is " + std::to_string(value) + ", expected 1 to " + std::to_string(kMaxField));
    return value;
  };
  if (ByteReader(reader).number<std::uint32_t>("dim") == kVersionedMagic)
    reader.fail(ErrorCode::unsupported_version, "a llama2.c checkpoint of version 1 or later, expected version 0");
  h.dim = field("dim");
  h.hidden_dim = field("hidden_dim");
  h.n_layers = field("n_layers");
  h.n_heads = field("n_heads");
  h.n_kv_heads = field("n_kv_heads");
  h.vocab_size = field("vocab_size");
  h.seq_len = field("seq_len");
  h.tied = h.vocab_size > 0;
  h.vocab_size = h.tied ? h.vocab_size : -h.vocab_size;
  if (h.dim % h.n_heads != 0 || h.head_dim() % 2 != 0)
    reader.fail(ErrorCode::bad_value, "dim " + std::to_string(h.dim) + " does not split into " +
                                          std::to_string(h.n_heads) + " heads of even size");
  if (h.n_heads % h.n_kv_heads != 0)
    reader.fail(ErrorCode::bad_value,
                "n_kv_heads " + std::to_string(h.n_kv_heads) + " does not divide n_heads " + std::to_string(h.n_heads));
  return h;
}

/// One run of weights in the file: a tensor, or one of the same kind for every layer.
struct Run {
  const char* name;  ///< of the tensor, or its part behind "blk.<layer>."; nullptr for values that are not used
  bool per_layer;
  Shape shape;  ///< of one tensor; rank 0 for skipped values
  std::int64_t elements;
};

/// The weights in file order.
std::vector<Run> weight_runs(const Llama2cHeader& h) {
  const auto tensor = [](const char* name, const Shape& shape) { return Run{name, false, shape, shape.elements()}; };
  const auto layers = [](const char* name, const Shape& shape) { return Run{name, true, shape, shape.elements()}; };
  std::vector<Run> runs = {
      tensor("token_embd.weight", {h.vocab_size, h.dim}),
      layers("attn_norm.weight", {h.dim}),
      layers("attn_q.weight", {h.dim, h.dim}),
      layers("attn_k.weight", {h.kv_dim(), h.dim}),
      layers("attn_v.weight", {h.kv_dim(), h.dim}),
      layers("attn_output.weight", {h.dim, h.dim}),
      layers("ffn_norm.weight", {h.dim}),
      layers("ffn_gate.weight", {h.hidden_dim, h.dim}),
      layers("ffn_down.weight", {h.dim, h.hidden_dim}),
      layers("ffn_up.weight", {h.hidden_dim, h.dim}),
      tensor("output_norm.weight", {h.dim}),
      // Cosines and sines of the rotation, seq_len x head_dim / 2 each: computed anew by every reader.
      {nullptr, false, {}, h.seq_len * h.head_dim()},
  };
  if (!h.tied) runs.push_back(tensor("output.weight", {h.vocab_size, h.dim}));
  return runs;
}

/// Bytes of a checkpoint with this header. @throws Error{overflow} naming the file.
std::uint64_t file_bytes(const Llama2cHeader& h, const std::string& file_name) {
  const std::string what = file_name + ": bytes of the weights";
  std::uint64_t total = kHeaderBytes;
  for (const Run& run : weight_runs(h)) {
    const auto bytes = checked_mul<std::uint64_t>(static_cast<std::uint64_t>(run.elements), sizeof(float), what);
    const auto count = static_cast<std::uint64_t>(run.per_layer ? h.n_layers : 1);
    total = checked_add(total, checked_mul(bytes, count, what), what);
  }
  return total;
}

void set_model_keys(GgufWriter& keys, const Llama2cHeader& h) {
  const auto set = [&](const char* key, std::int64_t value) { keys.set(key, static_cast<std::uint32_t>(value)); };
  keys.set("general.architecture", "llama");
  set("llama.context_length", h.seq_len);
  set("llama.embedding_length", h.dim);
  set("llama.block_count", h.n_layers);
  set("llama.feed_forward_length", h.hidden_dim);
  set("llama.attention.head_count", h.n_heads);
  set("llama.attention.head_count_kv", h.n_kv_heads);
  keys.set("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  set("llama.rope.dimension_count", h.head_dim());
  keys.set("llama.rope.freq_base", 10000.0f);
  set("llama.vocab_size", h.vocab_size);
}

/// A piece as SentencePiece spells it: the checkpoint's exporter wrote spaces for U+2581 and put line breaks around the
/// markers of beginning and end.
std::string piece_spelling(std::int32_t id, std::string_view text) {
  if (id == kBos) return "<s>";
  if (id == kEos) return "</s>";
  std::string spelling;
  for (const char c : text) {
    if (c == ' ')
      spelling += "\u2581";
    else
      spelling += c;
  }
  return spelling;
}

std::int32_t piece_type(std::int32_t id) {
  if (id == kUnk) return kTypeUnknown;
  if (id == kBos || id == kEos) return kTypeControl;
  return id >= kFirstByte && id <= kLastByte ? kTypeByte : kTypeNormal;
}

/// Reads `tokenizer.bin`: int32 longest piece, then per token f32 score, int32 length, bytes.
void set_tokenizer_keys(GgufWriter& keys, const FileMapping& file, std::int64_t vocab_size) {
  ByteReader reader(file.bytes(), file.name());
  (void)reader.number<std::int32_t>("longest piece");
  reader.require(static_cast<std::uint64_t>(vocab_size), 8, "vocabulary");
  GgufArray tokens(GgufType::string), scores(GgufType::f32), types(GgufType::i32);
  for (std::int32_t id = 0; id < vocab_size; ++id) {
    const std::string field = "token " + std::to_string(id);
    scores.add(reader.number<float>(field));
    const std::int32_t length = reader.number<std::int32_t>(field);
    if (length < 0) reader.fail(ErrorCode::bad_tokenizer, field + " has a length of " + std::to_string(length));
    const auto bytes = reader.take(static_cast<std::uint64_t>(length), field);
    tokens.add(piece_spelling(id, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
    types.add(piece_type(id));
  }
  if (reader.remaining() > 0)
    reader.fail(ErrorCode::bad_tokenizer, "holds more than the " + std::to_string(vocab_size) +
                                              " tokens of the checkpoint: " + std::to_string(reader.remaining()) +
                                              " bytes are left over");
  keys.set("tokenizer.ggml.model", "llama");
  keys.set("tokenizer.ggml.tokens", tokens);
  keys.set("tokenizer.ggml.scores", scores);
  keys.set("tokenizer.ggml.token_type", types);
  keys.set("tokenizer.ggml.bos_token_id", static_cast<std::uint32_t>(kBos));
  keys.set("tokenizer.ggml.eos_token_id", static_cast<std::uint32_t>(kEos));
  keys.set("tokenizer.ggml.unknown_token_id", static_cast<std::uint32_t>(kUnk));
  keys.set("tokenizer.ggml.add_bos_token", true);
}

/// What the views of an opened checkpoint point to besides the mapped weights.
struct Translation {
  AlignedBuffer keys;             // the metadata, encoded as in a GGUF file
  std::deque<std::string> names;  // of the tensors; a deque, whose elements never move
};

std::vector<GgufTensor> find_tensors(const FileMapping& file, const Llama2cHeader& h, std::deque<std::string>& names) {
  std::vector<GgufTensor> tensors;
  std::uint64_t offset = kHeaderBytes;
  for (const Run& run : weight_runs(h)) {
    const std::uint64_t bytes = static_cast<std::uint64_t>(run.elements) * sizeof(float);
    for (std::int64_t i = 0; i < (run.per_layer ? h.n_layers : 1); ++i, offset += bytes) {
      if (run.name == nullptr) continue;
      names.push_back(run.per_layer ? "blk." + std::to_string(i) + "." + run.name : run.name);
      tensors.push_back({names.back(), ConstTensorView(file.bytes().data() + offset, DType::f32, run.shape), offset});
    }
  }
  return tensors;
}

}  // namespace

bool Llama2cFile::recognises(std::span<const std::byte> bytes) {
  try {
    ByteReader reader(bytes, {});
    return file_bytes(read_llama2c_header(reader), {}) == bytes.size();
  } catch (const Error&) {
    return false;
  }
}

Llama2cFile Llama2cFile::open(const std::filesystem::path& path, const std::optional<std::filesystem::path>& tokenizer,
                              FileMapping::Mode mode) {
  return open(FileMapping::open(path, mode), path, {tokenizer, true});
}

Llama2cFile Llama2cFile::open(const std::shared_ptr<const FileMapping>& mapping, const std::filesystem::path& path,
                              const Llama2cVocabulary& vocabulary) {
  ByteReader reader(mapping->bytes(), mapping->name());
  const Llama2cHeader header = read_llama2c_header(reader);
  const std::uint64_t expected = file_bytes(header, mapping->name());
  if (mapping->size() != expected)
    reader.fail(mapping->size() < expected ? ErrorCode::truncated : ErrorCode::bad_value,
                "a llama2.c checkpoint with this header has " + std::to_string(expected) + " bytes, the file has " +
                    std::to_string(mapping->size()));

  GgufWriter keys;
  set_model_keys(keys, header);
  const std::filesystem::path beside = path.parent_path() / "tokenizer.bin";
  if (vocabulary.read && (vocabulary.path || std::filesystem::exists(beside)))
    set_tokenizer_keys(keys, *FileMapping::open(vocabulary.path.value_or(beside)), header.vocab_size);

  const auto translation = std::make_shared<Translation>();
  const std::vector<std::byte> encoded = keys.header();
  translation->keys = AlignedBuffer(encoded.size());
  std::copy(encoded.begin(), encoded.end(), translation->keys.data());
  const GgufFile metadata = GgufFile::from_memory({translation->keys.data(), encoded.size()}, mapping->name());

  Llama2cFile file(mapping, "llama2.c");
  file.set_metadata({metadata.metadata().begin(), metadata.metadata().end()});
  file.set_tensors(find_tensors(*mapping, header, translation->names));
  file.keep_alive(translation);
  return file;
}

}  // namespace plumb
