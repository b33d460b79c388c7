#include "tokenizer_json_parts.hpp"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "../core/utf8.hpp"
#include "../io/json_reader.hpp"
#include "charsmap.hpp"
#include "plumb/core/printable.hpp"
#include "word_steps.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

using nlohmann::json;

/// GPT-2's pattern for words.
constexpr std::string_view kByteLevelWords =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

[[noreturn]] void unknown(const JsonFields& fields, std::string_view kind, std::string_view name) {
  throw Error(ErrorCode::unsupported_tokenizer,
              fields.where() + ": " + std::string(kind) + " " + quote(name) + " is not known");
}

bool need_bool(const JsonFields& fields, std::string_view key) {
  if (!fields.has(key)) fields.fail(ErrorCode::missing_key, key, "is missing");
  return fields.bool_or(key, false);
}

std::string need_character(const JsonFields& fields, std::string_view key) {
  std::string text = fields.get_string(key);
  if (text.empty() || utf8_announced_length(text[0]) != text.size())
    fields.refuse(key, "is " + quote(text) + ", expected one character");
  return text;
}

TextPattern read_pattern(const JsonFields& fields) {
  if (fields.is_text("pattern")) fields.fail(ErrorCode::wrong_type, "pattern", "is a text, expected String or Regex");
  const std::optional<JsonFields> pattern = fields.object("pattern");
  if (!pattern) fields.fail(ErrorCode::missing_key, "pattern", "is missing");
  if (pattern->has("String")) {
    std::string literal = pattern->get_string("String");
    // Nothing stands between all characters.
    if (literal.empty()) return TextPattern(Regex("", fields.where()));
    return TextPattern(std::move(literal));
  }
  if (pattern->has("Regex")) return TextPattern(Regex(pattern->get_string("Regex"), fields.where()));
  fields.refuse("pattern", "has neither 'String' nor 'Regex'");
}

CutBehavior read_behavior(const JsonFields& fields, std::string_view fallback) {
  const std::string name = fallback.empty() ? fields.get_string("behavior") : fields.string_or("behavior", fallback);
  if (name == "Removed") return CutBehavior::removed;
  if (name == "Isolated") return CutBehavior::isolated;
  if (name == "MergedWithPrevious") return CutBehavior::merged_with_previous;
  if (name == "MergedWithNext") return CutBehavior::merged_with_next;
  if (name == "Contiguous") return CutBehavior::contiguous;
  fields.refuse("behavior",
                "is " + quote(name) + ", expected Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

/// Calls visit(fields) for a part, or for those of a sequence one after the other.
template <class Visit>
void for_each_part(const JsonFields& fields, std::string_view list, const Visit& visit) {
  if (fields.get_string("type") != "Sequence") return visit(fields);
  if (!fields.has(list)) fields.fail(ErrorCode::missing_key, list, "is missing");
  for (const JsonFields& part : fields.objects_or_empty(list)) for_each_part(part, list, visit);
}

/// Reads a section and visits its parts.
template <class Visit>
void for_each_part(std::string_view text, const std::string& source, std::string_view section, std::string_view list,
                   const Visit& visit) {
  if (text.empty()) return;
  const std::string where = source + ": " + std::string(section);
  const json parsed = parse_json_object(text, where);
  for_each_part(JsonFields(parsed, where), list, visit);
}

std::string decode_base64(const JsonFields& fields, std::string_view key) {
  const std::string text = fields.get_string(key);
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  std::size_t padding = 0;
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::array<int, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i < kDigits.size(); ++i) values[static_cast<unsigned char>(kDigits[i])] = static_cast<int>(i);
  for (const char c : text) {
    const int value = values[static_cast<unsigned char>(c)];
    if (c == '=') {
      ++padding;
      continue;
    }
    if (value < 0 || padding > 0) fields.refuse(key, "is no base64");
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 0xFF);
  }
  if (text.size() % 4 != 0 || padding > 2)
    fields.refuse(key, "is no base64: " + std::to_string(text.size()) + " digits");
  return bytes;
}

void add_normalizer_part(const JsonFields& fields, Normalizer& normalizer) {
  const std::string type = fields.get_string("type");
  if (type == "NFC") return normalizer.add(normal_form_step(NormalForm::nfc));
  if (type == "NFD") return normalizer.add(normal_form_step(NormalForm::nfd));
  if (type == "NFKC") return normalizer.add(normal_form_step(NormalForm::nfkc));
  if (type == "NFKD") return normalizer.add(normal_form_step(NormalForm::nfkd));
  if (type == "Prepend") return normalizer.add(prepend_step(fields.get_string("prepend")));
  if (type == "Replace") return normalizer.add(replace_step(read_pattern(fields), fields.get_string("content")));
  if (type == "Strip")
    return normalizer.add(strip_step(need_bool(fields, "strip_left"), need_bool(fields, "strip_right")));
  if (type == "StripAccents") return normalizer.add(strip_accents_step());
  if (type == "Lowercase") return normalizer.add(lowercase_step());
  if (type == "Nmt") return normalizer.add(nmt_step());
  if (type == "ByteLevel") return normalizer.add(byte_letters_step());
  if (type == "BertNormalizer") {
    BertRules rules;
    rules.clean_text = fields.bool_or("clean_text", true);
    rules.chinese_words = fields.bool_or("handle_chinese_chars", true);
    rules.lowercase = fields.bool_or("lowercase", true);
    rules.strip_accents = fields.bool_or("strip_accents", rules.lowercase);
    return normalizer.add(bert_step(rules));
  }
  if (type == "Precompiled") {
    const std::string bytes = decode_base64(fields, "precompiled_charsmap");
    return normalizer.add(charsmap_step(Charsmap(bytes, fields.where() + ": precompiled_charsmap"), false));
  }
  unknown(fields, "normalizer", type);
}

void add_metaspace(const JsonFields& fields, Pretokenizer& pretokenizer) {
  const std::string mark = need_character(fields, "replacement");
  const std::string name = fields.string_or("prepend_scheme", "always");
  if (name != "always" && name != "never" && name != "first")
    fields.refuse("prepend_scheme", "is " + quote(name) + ", expected always, never or first");
  if (!fields.bool_or("add_prefix_space", true) && name != "never" && fields.has("prepend_scheme"))
    fields.refuse("add_prefix_space", "is false and prepend_scheme is " + quote(name));
  if (!fields.bool_or("add_prefix_space", true) && !fields.has("prepend_scheme"))
    fields.refuse("add_prefix_space", "is false and prepend_scheme is not 'never'");
  pretokenizer.add(mark_spaces_step(mark, name == "always"  ? PrependScheme::always
                                          : name == "never" ? PrependScheme::never
                                                            : PrependScheme::first));
  if (fields.bool_or("split", true))
    pretokenizer.add(split_step(TextPattern(mark), CutBehavior::merged_with_next, false));
}

/// Returns true for the letters of ByteLevel, which it does not add.
bool add_pre_tokenizer_part(const JsonFields& fields, Pretokenizer& pretokenizer) {
  const std::string type = fields.get_string("type");
  const auto add = [&](WordStepPtr step) {
    pretokenizer.add(std::move(step));
    return false;
  };
  if (type == "ByteLevel") {
    if (need_bool(fields, "add_prefix_space")) pretokenizer.add(prefix_space_step());
    if (fields.bool_or("use_regex", true))
      pretokenizer.add(split_step(TextPattern(Regex(kByteLevelWords, fields.where())), CutBehavior::isolated, false));
    return true;
  }
  if (type == "Split") {
    TextPattern pattern = read_pattern(fields);
    return add(split_step(std::move(pattern), read_behavior(fields, ""), need_bool(fields, "invert")));
  }
  if (type == "Metaspace") {
    add_metaspace(fields, pretokenizer);
    return false;
  }
  if (type == "Digits")
    return add(character_step(
        is_numeric, need_bool(fields, "individual_digits") ? CutBehavior::isolated : CutBehavior::contiguous));
  if (type == "Punctuation") return add(character_step(is_library_punctuation, read_behavior(fields, "Isolated")));
  if (type == "WhitespaceSplit") return add(character_step(is_white_space, CutBehavior::removed));
  if (type == "CharDelimiterSplit")
    return add(split_step(TextPattern(need_character(fields, "delimiter")), CutBehavior::removed, false));
  if (type == "UnicodeScripts") return add(script_step());
  if (type == "FixedLength") {
    const int length = fields.int_or("length", 5, 1, 1 << 30);
    return add(fixed_length_step(static_cast<std::size_t>(length)));
  }
  if (type == "BertPreTokenizer") {
    pretokenizer.add(character_step(is_white_space, CutBehavior::removed));
    return add(character_step(is_library_punctuation, CutBehavior::isolated));
  }
  if (type == "Whitespace") {  // \w+|[^\w\s]+ of the Rust crate `regex`
    constexpr std::string_view kWord = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D})";
    const std::string word(kWord);
    Regex pattern = Regex::native("[" + word + "]+|[^" + word + R"(\t-\r\x{85}\p{Z}]+)", fields.where());
    return add(split_step(TextPattern(std::move(pattern)), CutBehavior::removed, true));
  }
  unknown(fields, "pre-tokenizer", type);
}

/// Ids that stand around a text; a sequence of processors puts later ones outside.
struct Around {
  std::vector<Token> before, after;
};

Token need_id(const JsonFields& fields, std::string_view key, double value, std::int64_t size) {
  const auto id = static_cast<std::int64_t>(value);
  if (value < 0 || value >= static_cast<double>(size) || static_cast<double>(id) != value)
    fields.fail(ErrorCode::out_of_range, key,
                "has an id that is none: the vocabulary has " + std::to_string(size) + " tokens");
  return static_cast<Token>(id);
}

Around read_template(const JsonFields& fields, std::int64_t size) {
  Around around;
  bool found = false;
  if (!fields.has("single")) fields.fail(ErrorCode::missing_key, "single", "is missing");
  const std::optional<JsonFields> specials = fields.object("special_tokens");
  for (const JsonFields& piece : fields.objects_or_empty("single")) {
    if (const std::optional<JsonFields> sequence = piece.object("Sequence")) {
      if (sequence->get_string("id") != "A") fields.refuse("single", "has a second text");
      if (std::exchange(found, true))
        throw Error(ErrorCode::unsupported_tokenizer, fields.where() + ": a template that has the text twice");
      continue;
    }
    const std::optional<JsonFields> special = piece.object("SpecialToken");
    if (!special)
      throw Error(ErrorCode::unsupported_tokenizer,
                  fields.where() + ": a piece that is neither 'Sequence' nor 'SpecialToken'");
    const std::string name = special->get_string("id");
    const std::optional<JsonFields> described = specials ? specials->object(name) : std::nullopt;
    if (!described) fields.refuse("special_tokens", "does not have " + quote(name));
    for (const double id : described->numbers_or_empty("ids"))
      (found ? around.after : around.before).push_back(need_id(*described, "ids", id, size));
  }
  if (!found) fields.refuse("single", "does not have the text");
  return around;
}

/// ["</s>", 2]: the id.
Token read_pair(const json& part, const JsonFields& fields, const char* key, std::int64_t size) {
  const auto found = part.find(key);
  if (found == part.end()) fields.fail(ErrorCode::missing_key, key, "is missing");
  if (!found->is_array() || found->size() != 2 || !(*found)[0].is_string() || !(*found)[1].is_number_integer())
    fields.fail(ErrorCode::wrong_type, key, "is no pair of a token and its id");
  return need_id(fields, key, (*found)[1].get<double>(), size);
}

void add_processor(const json& part, const std::string& where, std::int64_t size, Around& around) {
  const JsonFields fields(part, where);
  const std::string type = fields.get_string("type");
  const auto wrap = [&](const Around& outer) {
    around.before.insert(around.before.begin(), outer.before.begin(), outer.before.end());
    around.after.insert(around.after.end(), outer.after.begin(), outer.after.end());
  };
  if (type == "Sequence") {
    const auto found = part.find("processors");
    if (found == part.end()) fields.fail(ErrorCode::missing_key, "processors", "is missing");
    if (!found->is_array()) fields.fail(ErrorCode::wrong_type, "processors", "is no array");
    for (const json& inner : *found) {
      if (!inner.is_object()) fields.fail(ErrorCode::wrong_type, "processors", "has something that is no object");
      add_processor(inner, where, size, around);
    }
    return;
  }
  if (type == "ByteLevel") return;  // it moves offsets, which are none of ours
  if (type == "TemplateProcessing") return wrap(read_template(fields, size));
  if (type == "BertProcessing" || type == "RobertaProcessing")
    return wrap({{read_pair(part, fields, "cls", size)}, {read_pair(part, fields, "sep", size)}});
  unknown(fields, "post-processor", type);
}

DecodeStepPtr decoder_part(const JsonFields& fields) {
  const std::string type = fields.get_string("type");
  if (type == "ByteLevel") return byte_letters_decoder();
  if (type == "ByteFallback") return byte_fallback_decoder();
  if (type == "Fuse") return fuse_decoder();
  if (type == "Replace") return replace_decoder(read_pattern(fields), fields.get_string("content"));
  if (type == "WordPiece") return wordpiece_decoder(fields.get_string("prefix"), need_bool(fields, "cleanup"));
  if (type == "BPEDecoder") return word_end_decoder(fields.string_or("suffix", "</w>"));
  if (type == "CTC")
    return ctc_decoder(fields.get_string("pad_token"), fields.get_string("word_delimiter_token"),
                       need_bool(fields, "cleanup"));
  if (type == "Metaspace") {
    const std::string scheme = fields.string_or("prepend_scheme", "always");
    if (scheme != "always" && scheme != "never" && scheme != "first")
      fields.refuse("prepend_scheme", "is " + quote(scheme) + ", expected always, never or first");
    return mark_decoder(need_character(fields, "replacement"), scheme != "never");
  }
  if (type == "Strip") {
    const std::string content = need_character(fields, "content");
    std::size_t at = 0;
    const auto count = [&](std::string_view key) { return static_cast<std::size_t>(fields.get_int(key, 0, 1 << 30)); };
    return strip_decoder(next_code_point(content, at), count("start"), count("stop"));
  }
  unknown(fields, "decoder", type);
}

}  // namespace

void add_normalizer(std::string_view json, const std::string& source, Normalizer& normalizer) {
  for_each_part(json, source, "normalizer", "normalizers",
                [&](const JsonFields& fields) { add_normalizer_part(fields, normalizer); });
}

bool add_pre_tokenizer(std::string_view json, const std::string& source, Pretokenizer& pretokenizer) {
  bool letters = false;
  for_each_part(json, source, "pre_tokenizer", "pretokenizers", [&](const JsonFields& fields) {
    if (letters) add_letters_step(pretokenizer);
    letters = add_pre_tokenizer_part(fields, pretokenizer);
  });
  return letters;
}

void add_letters_step(Pretokenizer& pretokenizer) { pretokenizer.add(letters_step()); }

void add_post_processor(std::string_view json, const std::string& source, std::int64_t size, std::vector<Token>& before,
                        std::vector<Token>& after) {
  if (json.empty()) return;
  const std::string where = source + ": post_processor";
  Around around;
  add_processor(parse_json_object(json, where), where, size, around);
  before = std::move(around.before);
  after = std::move(around.after);
}

void add_decoder(std::string_view json, const std::string& source, TokenDecoder& decoder) {
  if (json.empty()) return;
  decoder.join_without_spaces();
  for_each_part(json, source, "decoder", "decoders",
                [&](const JsonFields& fields) { decoder.add(decoder_part(fields)); });
}

}  // namespace plumb
