#include "sentencepiece_file.hpp"

#include <bit>
#include <cstdint>

#include "plumb/core/error.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// One field of a message: a number, or bytes.
struct Field {
  std::uint64_t number = 0;
  int kind = 0;  // the wire type: 0 a number, 1 and 5 fixed numbers, 2 bytes
  std::uint64_t value = 0;
  std::string_view bytes;
};

/// Takes the fields of a message one after the other (Protocol Buffers encoding).
class Message {
 public:
  Message(std::string_view bytes, const std::string& source) : bytes_(bytes), source_(source) {}

  bool next(Field& field) {
    if (bytes_.empty()) return false;
    const std::uint64_t tag = varint();
    field.number = tag >> 3;
    field.kind = static_cast<int>(tag & 7);
    field.bytes = {};
    switch (field.kind) {
      case 0: field.value = varint(); break;
      case 1: field.value = fixed(8); break;
      case 2: field.bytes = take(varint()); break;
      case 5: field.value = fixed(4); break;
      default: fail(ErrorCode::bad_value, "a field of wire type " + std::to_string(field.kind));
    }
    return true;
  }

  /// Refuses a field of another kind than its number has.
  void expect(const Field& field, int kind) const {
    if (field.kind != kind)
      fail(ErrorCode::bad_tokenizer, "field " + std::to_string(field.number) + " has wire type " +
                                         std::to_string(field.kind) + ", expected " + std::to_string(kind));
  }
  [[noreturn]] void fail(ErrorCode code, const std::string& problem) const {
    throw Error(code, source_ + ": " + problem);
  }

 private:
  std::string_view take(std::uint64_t size) {
    if (size > bytes_.size())
      fail(ErrorCode::truncated,
           "a field of " + std::to_string(size) + " bytes, " + std::to_string(bytes_.size()) + " are left");
    const std::string_view taken = bytes_.substr(0, static_cast<std::size_t>(size));
    bytes_.remove_prefix(taken.size());
    return taken;
  }
  std::uint64_t fixed(std::size_t size) {
    const std::string_view taken = take(size);
    std::uint64_t value = 0;
    for (std::size_t i = size; i-- > 0;) value = value << 8 | static_cast<unsigned char>(taken[i]);
    return value;
  }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    fail(ErrorCode::bad_value, "a number of more than ten bytes");
  }

  std::string_view bytes_;
  const std::string& source_;
};

void read_piece(std::string_view bytes, Vocabulary& vocabulary) {
  Message message(bytes, vocabulary.source);
  std::string_view piece;
  float score = 0;
  std::uint64_t type = 1;  // normal
  for (Field field; message.next(field);) {
    if (field.number == 1) {
      message.expect(field, 2);
      piece = field.bytes;
    } else if (field.number == 2) {
      message.expect(field, 5);
      score = std::bit_cast<float>(static_cast<std::uint32_t>(field.value));
    } else if (field.number == 3) {
      message.expect(field, 0);
      type = field.value;
    }
  }
  if (type > 6) message.fail(ErrorCode::bad_tokenizer, "a piece of type " + std::to_string(type));
  vocabulary.pieces.emplace_back(piece);
  vocabulary.scores.push_back(score);
  vocabulary.types.push_back(static_cast<TokenType>(type));  // the same numbers
}

/// The ids of a trainer's settings; -1 stands for none.
Token token_of(const Field& field) {
  const auto id = static_cast<std::int64_t>(field.value);
  return id < 0 || id > 0x7FFFFFFF ? kNoToken : static_cast<Token>(id);
}

void read_trainer(std::string_view bytes, Vocabulary& vocabulary) {
  Message message(bytes, vocabulary.source);
  for (Field field; message.next(field);) {
    if (field.number != 3 && field.number != 24 && (field.number < 40 || field.number > 43)) continue;
    message.expect(field, 0);
    if (field.number == 3 && field.value != 1 && field.value != 2)
      message.fail(ErrorCode::unsupported_tokenizer, "a model of words or characters");
    if (field.number == 3) vocabulary.model = field.value == 1 ? TokenizerModel::unigram : TokenizerModel::spm;
    if (field.number == 24 && field.value != 0)
      message.fail(ErrorCode::unsupported_tokenizer, "spaces stand behind words (treat_whitespace_as_suffix)");
    if (field.number == 40) vocabulary.unknown = token_of(field);
    if (field.number == 41) vocabulary.bos = token_of(field);
    if (field.number == 42) vocabulary.eos = token_of(field);
    if (field.number == 43) vocabulary.padding = token_of(field);
  }
}

void read_normalizer(std::string_view bytes, Vocabulary& vocabulary) {
  Message message(bytes, vocabulary.source);
  for (Field field; message.next(field);) {
    if (field.number == 2) {
      message.expect(field, 2);
      vocabulary.charsmap = field.bytes;
    } else if (field.number >= 3 && field.number <= 5) {
      message.expect(field, 0);
      if (field.number == 3) vocabulary.add_space_prefix = field.value != 0;
      if (field.number == 4) vocabulary.remove_extra_whitespaces = field.value != 0;
      if (field.number == 5 && field.value == 0)
        message.fail(ErrorCode::unsupported_tokenizer, "spaces are not escaped (escape_whitespaces)");
    }
  }
}

}  // namespace

Vocabulary vocabulary_from_sentencepiece(std::string_view bytes, const std::string& source) {
  Vocabulary vocabulary;
  vocabulary.source = source;
  // What the format means where the file is silent.
  vocabulary.model = TokenizerModel::unigram;
  vocabulary.unknown = 0;
  vocabulary.bos = 1;
  vocabulary.eos = 2;
  vocabulary.add_space_prefix = vocabulary.remove_extra_whitespaces = true;
  Message message(bytes, source);
  for (Field field; message.next(field);) {
    if (field.number < 1 || field.number > 3) continue;
    message.expect(field, 2);
    if (field.number == 1) read_piece(field.bytes, vocabulary);
    if (field.number == 2) read_trainer(field.bytes, vocabulary);
    if (field.number == 3) read_normalizer(field.bytes, vocabulary);
  }
  if (vocabulary.pieces.empty()) message.fail(ErrorCode::bad_tokenizer, "no pieces");
  for (const Token token : {vocabulary.unknown, vocabulary.bos, vocabulary.eos, vocabulary.padding})
    if (token >= vocabulary.size())
      message.fail(ErrorCode::out_of_range, "special id " + std::to_string(token) + ", there are " +
                                                std::to_string(vocabulary.size()) + " pieces");
  return vocabulary;
}

}  // namespace plumb
