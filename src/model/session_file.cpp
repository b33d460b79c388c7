// Sequences as bytes. Little endian, one after the other:
//
//     header    "PLUMBSES", u32 version, u32 bytes of the header (64), u64 bytes of all, u64 fingerprint of the model,
//               u32 type of keys and values (0 f32, 1 f16, 2 i8), u32 flags (1: logits follow), u32 tokens,
//               u32 positions that the state holds, u32 layers, u32 rope tables with long factors (bit t: table t),
//               u64 zero
//     tokens    i32 each
//     logits    f32 [vocab_size] of the last token of the state, if flagged
//     layers    u32 first position p that is there, u32 zero; of each KV head the key tiles, then the value tiles of
//               positions [p / 16 * 16, positions), as they lie in memory (cpu/attention_kernels.hpp), zeros behind the
//               last position; of latent attention its vectors and the keys of its indexer; the recurrent values, f32
//     checksum  u64, XXH64 of all bytes before it

#include <array>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "plumb/core/checksum.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/io/atomic_file.hpp"
#include "plumb/io/byte_reader.hpp"
#include "plumb/io/mapping.hpp"
#include "session_engine.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::string_view kMagic = "PLUMBSES";
constexpr std::uint32_t kVersion = 1, kHasLogits = 1;
constexpr std::size_t kHeaderBytes = 64, kChecksumBytes = 8;

struct Header {
  std::uint64_t bytes = 0, fingerprint = 0;
  std::uint32_t kv = 0, flags = 0, tokens = 0, positions = 0, layers = 0, long_tables = 0;
};

/// Which rope tables of a session take long factors: those make other keys.
std::uint32_t long_tables(const ModelSpec& spec, int context) {
  std::uint32_t tables = 0;
  for (std::size_t t = 0; t < spec.ropes.size() && t < 32; ++t)
    if (spec.ropes[t].factors == RopeFactors::long_short && context > spec.ropes[t].original_context)
      tables |= std::uint32_t{1} << t;
  return tables;
}

/// Copies the first `count` positions of a tile.
void copy_slots(const StateLayer::Tiles& tiles, const std::byte* from, std::byte* to, int count) {
  const auto element = static_cast<std::size_t>(dtype_info(tiles.view.type).block_bytes);
  const std::size_t lines = tiles.columns ? static_cast<std::size_t>(tiles.dim) : 1;
  const std::size_t some = static_cast<std::size_t>(count) * (tiles.columns ? 1 : static_cast<std::size_t>(tiles.dim));
  const std::size_t stride = element * (tiles.columns ? kKeyTile : 0);
  for (std::size_t i = 0; i < lines; ++i) std::memcpy(to + i * stride, from + i * stride, some * element);
  if (tiles.view.type != DType::i8) return;
  const std::size_t scales = static_cast<std::size_t>(kKeyTile) * static_cast<std::size_t>(tiles.dim);
  std::memcpy(to + scales, from + scales, static_cast<std::size_t>(count) * sizeof(float));
}

/// Tiles [first, end) of `length` positions from `first_position` on.
Range tiles_of(int first_position, int length) {
  return {first_position / kKeyTile, ceil_div<std::int64_t>(length, kKeyTile)};
}
int positions_in(std::int64_t tile, int length) {
  return static_cast<int>(std::min<std::int64_t>(kKeyTile, length - tile * kKeyTile));
}
std::uint64_t layer_bytes(const StateLayer& layer, int first, int length) {
  std::uint64_t bytes = 8 + (length > 0 ? layer.recurrent_bytes : 0);
  for (const StateLayer::Tiles& tiles : layer.tiles)
    bytes += static_cast<std::uint64_t>(tiles.bytes() * tiles_of(first, length).size());
  return bytes;
}

/// Writes one sequence through `put`.
class Writer {
 public:
  Writer(SessionEngine& engine, int s, std::function<void(Bytes)> put)
      : engine_(engine), own_(engine.sequence(s)), s_(s), positions_(engine.state.length(s)), put_(std::move(put)) {}

  std::uint64_t bytes() const {
    std::uint64_t bytes = kHeaderBytes + own_.read.size() * sizeof(Token) + logits().size_bytes() + kChecksumBytes;
    for (int l = 0; l < engine_.spec().n_layers(); ++l) {
      const StateLayer layer = engine_.state.layer(s_, l, positions_);
      bytes += layer_bytes(layer, layer.first_held, positions_);
    }
    return bytes;
  }
  void run() {
    header();
    add(std::as_bytes(std::span(own_.read)));
    add(std::as_bytes(logits()));
    for (int l = 0; l < engine_.spec().n_layers(); ++l) layer(engine_.state.layer(s_, l, positions_));
    const std::uint64_t sum = sum_.value();
    put_(std::as_bytes(std::span(&sum, 1)));
  }

 private:
  std::span<const float> logits() const {
    return positions_ > 0 ? engine_.last_logits(own_) : std::span<const float>();
  }
  void add(Bytes bytes) {
    sum_.add(bytes);
    put_(bytes);
  }
  template <class T>
  void number(T value) {
    add(std::as_bytes(std::span(&value, 1)));
  }
  void header() {
    add(std::as_bytes(std::span(kMagic)));
    number(kVersion);
    number(static_cast<std::uint32_t>(kHeaderBytes));
    number(bytes());
    number(engine_.model.fingerprint());
    number(static_cast<std::uint32_t>(kv_index(engine_.state.kv_type())));
    number(logits().empty() ? 0 : kHasLogits);
    number(static_cast<std::uint32_t>(own_.read.size()));
    number(static_cast<std::uint32_t>(positions_));
    number(static_cast<std::uint32_t>(engine_.spec().n_layers()));
    number(long_tables(engine_.spec(), engine_.context()));
    number(std::uint64_t{0});
  }
  void layer(const StateLayer& layer) {
    number(static_cast<std::uint32_t>(layer.first_held));
    number(std::uint32_t{0});
    const Range range = tiles_of(layer.first_held, positions_);
    for (const StateLayer::Tiles& tiles : layer.tiles)
      for (std::int64_t t = range.begin; t < range.end; ++t) {
        const int count = positions_in(t, positions_);
        if (count == kKeyTile) {
          add({tiles.tile(s_, t), static_cast<std::size_t>(tiles.bytes())});
          continue;
        }
        part_.assign(static_cast<std::size_t>(tiles.bytes()), std::byte{0});
        copy_slots(tiles, tiles.tile(s_, t), part_.data(), count);
        add(part_);
      }
    if (positions_ > 0) add({layer.recurrent, layer.recurrent_bytes});
  }

  SessionEngine& engine_;
  const SessionEngine::Sequence& own_;
  int s_, positions_;
  std::function<void(Bytes)> put_;
  Checksum sum_;
  std::vector<std::byte> part_;
};

/// Checks a file as a whole, then puts it in the place of a sequence.
class Reader {
 public:
  Reader(SessionEngine& engine, int s, Bytes bytes, std::string name)
      : engine_(engine), s_(s), bytes_(bytes), in_(bytes, std::move(name)) {}

  void run() {
    read_header();
    read_tokens();
    const Bytes logits = (header_.flags & kHasLogits) != 0 ? in_.take(vocab() * sizeof(float), "logits") : Bytes();
    for (int l = 0; l < engine_.spec().n_layers(); ++l) read_layer(l);
    if (in_.remaining() > 0)
      fail(ErrorCode::bad_value, std::to_string(in_.remaining()) + " bytes follow the last layer");
    // From here on nothing fails but memory, which is asked for first.
    std::vector<float> kept(logits.size() / sizeof(float));
    if (!logits.empty()) std::memcpy(kept.data(), logits.data(), logits.size());
    put();
    SessionEngine::Sequence& own = engine_.sequence(s_);
    own.read = std::move(tokens_);
    own.logits_row = -1;
    own.kept = std::move(kept);
  }

 private:
  /// The pieces of a layer in the file, in the order of StateLayer.
  struct Pieces {
    int first = 0;
    std::vector<Bytes> tiles;
    Bytes recurrent;
  };

  std::size_t vocab() const { return static_cast<std::size_t>(engine_.spec().vocab_size); }
  [[noreturn]] void fail(ErrorCode code, const std::string& what) const { in_.fail(code, what); }
  std::uint32_t number(std::string_view field) { return in_.number<std::uint32_t>(field); }
  void expect(std::string_view field, std::uint64_t found, std::uint64_t expected, ErrorCode code) const {
    if (found != expected)
      fail(code, std::string(field) + " is " + std::to_string(found) + ", expected " + std::to_string(expected));
  }

  void read_header() {
    const Bytes magic = in_.take(kMagic.size(), "magic");
    if (std::memcmp(magic.data(), kMagic.data(), kMagic.size()) != 0)
      fail(ErrorCode::bad_magic, "no session: the first bytes are not \"PLUMBSES\"");
    expect("version", number("version"), kVersion, ErrorCode::unsupported_version);
    expect("size of the header", number("size of the header"), kHeaderBytes, ErrorCode::bad_value);
    header_.bytes = in_.number<std::uint64_t>("size");
    if (header_.bytes > bytes_.size())
      fail(ErrorCode::truncated, "the file has " + std::to_string(bytes_.size()) + " bytes of the " +
                                     std::to_string(header_.bytes) + " that it announces");
    expect("size", header_.bytes, bytes_.size(), ErrorCode::bad_value);
    if (bytes_.size() < kHeaderBytes + kChecksumBytes) fail(ErrorCode::truncated, "the file ends inside its header");
    const Bytes before = bytes_.first(bytes_.size() - kChecksumBytes);
    std::uint64_t stored = 0;
    std::memcpy(&stored, before.data() + before.size(), sizeof(stored));
    if (checksum(before) != stored) fail(ErrorCode::bad_value, "the checksum is wrong: the file is damaged");
    const std::size_t here = in_.position();
    in_ = ByteReader(before, in_.file_name());
    in_.take(here, "header");
    header_.fingerprint = in_.number<std::uint64_t>("fingerprint");
    for (std::uint32_t* field :
         {&header_.kv, &header_.flags, &header_.tokens, &header_.positions, &header_.layers, &header_.long_tables})
      *field = number("header");
    expect("reserved field", in_.number<std::uint64_t>("header"), 0, ErrorCode::bad_value);
    check_header();
  }

  void check_header() const {
    if (header_.fingerprint != engine_.model.fingerprint())
      fail(ErrorCode::invalid_argument, "a session of another model than " + engine_.model.source());
    if (header_.kv >= kKvTypes) fail(ErrorCode::bad_value, "type of keys and values is " + std::to_string(header_.kv));
    if (header_.kv != static_cast<std::uint32_t>(kv_index(engine_.state.kv_type())))
      fail(ErrorCode::invalid_argument,
           "its keys and values are not of the session's type, " + std::string(kv_type_name(engine_.state.kv_type())));
    if ((header_.flags & ~kHasLogits) != 0)
      fail(ErrorCode::bad_value, "flags are " + std::to_string(header_.flags) + ", expected 0 or 1");
    if (header_.flags != 0 && (header_.positions == 0 || !engine_.spec().output.head))
      fail(ErrorCode::bad_value, "logits of no token");
    expect("number of layers", header_.layers, static_cast<std::uint32_t>(engine_.spec().n_layers()),
           ErrorCode::bad_shape);
    if (header_.long_tables != long_tables(engine_.spec(), engine_.context()))
      fail(ErrorCode::invalid_argument,
           "its keys are rotated for a context on the other side of the model's original one");
    const auto context = static_cast<std::uint32_t>(engine_.context());
    if (header_.positions > header_.tokens)
      fail(ErrorCode::bad_value,
           std::to_string(header_.positions) + " positions of " + std::to_string(header_.tokens) + " tokens");
    if (header_.positions > context || header_.tokens > context + 1)
      fail(ErrorCode::context_overflow, std::to_string(header_.tokens) + " tokens, " +
                                            std::to_string(header_.tokens - context) + " too many for a context of " +
                                            std::to_string(context));
  }

  void read_tokens() {
    const Bytes bytes = in_.take(std::uint64_t{header_.tokens} * sizeof(Token), "tokens");
    tokens_.resize(header_.tokens);
    if (!tokens_.empty()) std::memcpy(tokens_.data(), bytes.data(), bytes.size());
    for (std::size_t i = 0; i < tokens_.size(); ++i)
      if (tokens_[i] < 0 || tokens_[i] >= engine_.spec().vocab_size)
        fail(ErrorCode::out_of_range, "token " + std::to_string(i) + " is " + std::to_string(tokens_[i]) +
                                          ", the vocabulary has " + std::to_string(engine_.spec().vocab_size));
  }

  int positions() const { return static_cast<int>(header_.positions); }
  void read_layer(int l) {
    const std::string name = "layer " + std::to_string(l);
    const StateLayer layer = engine_.state.layer(s_, l, positions());
    const std::uint32_t first = number(name);
    if (first > static_cast<std::uint32_t>(layer.first_seen))
      fail(ErrorCode::bad_value, name + " begins at position " + std::to_string(first) + ", expected at most " +
                                     std::to_string(layer.first_seen));
    expect(name + ": reserved field", number(name), 0, ErrorCode::bad_value);
    Pieces pieces;
    pieces.first = static_cast<int>(first);
    const Range range = tiles_of(pieces.first, positions());
    for (const StateLayer::Tiles& tiles : layer.tiles)
      pieces.tiles.push_back(in_.take(static_cast<std::uint64_t>(tiles.bytes() * range.size()), name));
    if (positions() > 0) pieces.recurrent = in_.take(layer.recurrent_bytes, name);
    layers_.push_back(std::move(pieces));
  }

  void put() {
    int held = 0;
    engine_.state.rewind(s_, 0);
    engine_.state.prepare(s_, 0, positions());
    for (int l = 0; l < engine_.spec().n_layers(); ++l) {
      const StateLayer layer = engine_.state.layer(s_, l, positions());
      const Pieces& pieces = layers_[static_cast<std::size_t>(l)];
      held = std::max(held, pieces.first);
      const Range range = tiles_of(pieces.first, positions());
      for (std::size_t i = 0; i < layer.tiles.size(); ++i) {
        const StateLayer::Tiles& tiles = layer.tiles[i];
        for (std::int64_t t = range.begin; t < range.end; ++t)  // rising: in a ring the later one stays
          copy_slots(tiles, pieces.tiles[i].data() + (t - range.begin) * tiles.bytes(), tiles.tile(s_, t),
                     positions_in(t, positions()));
      }
      if (!pieces.recurrent.empty()) std::memcpy(layer.recurrent, pieces.recurrent.data(), pieces.recurrent.size());
    }
    if (positions() > 0) engine_.state.put(s_, positions(), held);
  }

  SessionEngine& engine_;
  int s_;
  Bytes bytes_;
  ByteReader in_;
  Header header_;
  std::vector<Token> tokens_;
  std::vector<Pieces> layers_;
};

}  // namespace

std::vector<std::byte> Session::save(int s) {
  engine_->settle(s);
  std::vector<std::byte> all;
  Writer writer(*engine_, s, [&](Bytes bytes) { all.insert(all.end(), bytes.begin(), bytes.end()); });
  all.reserve(writer.bytes());
  writer.run();
  return all;
}

void Session::save(const std::filesystem::path& path, int s) {
  engine_->settle(s);
  AtomicFile file(path);
  Writer(*engine_, s, [&](Bytes bytes) { file.write(bytes); }).run();
  file.commit();
}

void Session::restore(std::span<const std::byte> bytes, int s) {
  engine_->sequence(s);
  Reader(*engine_, s, bytes, "session in memory").run();
}

void Session::load(const std::filesystem::path& path, int s) {
  engine_->sequence(s);
  const auto file = FileMapping::open(path);
  Reader(*engine_, s, file->bytes(), file->name()).run();
}

}  // namespace plumb
