#include "oniguruma.hpp"

#include <utf8proc.h>

#include <array>
#include <vector>

#include "../core/utf8.hpp"
#include "oniguruma_class.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr int kDeepestClass = 32, kDeepestGroup = 100;

/// Characters whose case folding is several characters, with it: sharp s and "ss".
struct Folding {
  std::string character, letters;
};

const std::vector<Folding>& multiple_foldings() {
  static const std::vector<Folding> kFoldings = [] {
    std::vector<Folding> found;
    const auto look = [&](char32_t from, char32_t to) {
      for (char32_t c = from; c <= to; ++c) {
        std::array<utf8proc_int32_t, 8> parts{};
        int boundary = 0;
        const utf8proc_ssize_t n =
            utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts.data(),
                                    static_cast<utf8proc_ssize_t>(parts.size()), UTF8PROC_CASEFOLD, &boundary);
        if (n < 2) continue;
        Folding folding;
        append_utf8(c, folding.character);
        for (utf8proc_ssize_t i = 0; i < n; ++i)
          append_utf8(static_cast<char32_t>(parts[static_cast<std::size_t>(i)]), folding.letters);
        found.push_back(std::move(folding));
      }
    };
    look(0xDF, 0x587);  // the blocks that have any
    look(0x1E96, 0x1E9E);
    look(0x1F50, 0x1FFC);
    look(0xFB00, 0xFB17);
    return found;
  }();
  return kFoldings;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// A character as PCRE2 has to see it, inside a class or outside.
std::string literal(std::string_view character) {
  if (character.size() == 1 && !is_letter(character[0]) && !is_digit(character[0]) &&
      static_cast<unsigned char>(character[0]) > 0x20 && character[0] != 0x7F)
    return "\\" + std::string(character);
  if (character.size() == 1 && static_cast<unsigned char>(character[0]) <= 0x20) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(character[0]);
    return {'\\', 'x', '{', kDigits[byte >> 4], kDigits[byte & 15], '}'};
  }
  return std::string(character);
}

class Translator {
 public:
  Translator(std::string_view pattern, std::string_view source) : in_(pattern), source_(source) {}

  OnigurumaPattern run() {
    if (in_ == R"(\s+$)")
      return {"(?:(?<![" + std::string(kWhiteSpaceItems) + "])|\\G)[" + std::string(kWhiteSpaceItems) + "]+$", false};
    while (at_ < in_.size()) step();
    if (!groups_.empty()) fail("a group is not closed");
    return {std::move(out_), captures_};
  }

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  struct Group {
    std::size_t begin;  // in out_
    bool folds;         // case is folded outside of it
  };

  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(ErrorCode::unsupported_tokenizer,
                std::string(source_) + ": pattern " + quote(in_) + ": " + problem + " at byte " + std::to_string(at_));
  }
  bool has(std::string_view text) const { return in_.substr(at_).starts_with(text); }
  std::string_view take_character() {
    const std::size_t begin = at_;
    (void)next_code_point(in_, at_);
    return in_.substr(begin, at_ - begin);
  }
  void atom(const std::string& text) {
    atom_ = out_.size();
    out_ += text;
  }

  void step() {
    switch (in_[at_]) {
      case '\\': return escape();
      case '[': {
        ++at_;
        return atom(character_class(0).text());
      }
      case '(': return open();
      case ')': return close();
      case '{': return interval();
      case '*':
      case '+':
      case '?': return quantifier();
      case '|': {
        out_ += in_[at_++];
        atom_ = kNone;
        return;
      }
      case '.': {
        ++at_;
        return atom(".");
      }
      case '^':
      case '$': {
        out_ += in_[at_++];
        atom_ = kNone;
        return;
      }
      default: return folds_ ? folded_literal() : atom(literal(take_character()));
    }
  }

  /// Letters that other characters fold to, and characters that fold to several.
  void folded_literal() {
    for (const Folding& folding : multiple_foldings()) {
      const bool letters = has(folding.letters) && !repeated(at_ + folding.letters.size());
      if (!letters && !has(folding.character)) continue;
      at_ += letters ? folding.letters.size() : folding.character.size();
      std::string all = "(?:" + folding.letters;
      for (const Folding& other : multiple_foldings())
        if (other.letters == folding.letters) all += "|" + other.character;
      return atom(all + ")");
    }
    atom(literal(take_character()));
  }
  bool repeated(std::size_t at) const {
    return at < in_.size() && (in_[at] == '*' || in_[at] == '+' || in_[at] == '?' || in_[at] == '{');
  }

  void quantifier() {
    if (atom_ == kNone) fail("nothing to repeat");
    out_ += in_[at_++];
    if (at_ < in_.size() && (in_[at_] == '+' || in_[at_] == '?')) out_ += in_[at_++];
    // Another one repeats the repeat.
    if (repeated(at_)) group_atom();
  }
  void group_atom() {
    out_.insert(atom_, "(?:");
    out_ += ')';
  }

  void interval() {
    std::size_t at = at_ + 1;
    std::string low, high;
    while (at < in_.size() && is_digit(in_[at])) low += in_[at++];
    const bool comma = at < in_.size() && in_[at] == ',';
    if (comma) ++at;
    while (comma && at < in_.size() && is_digit(in_[at])) high += in_[at++];
    if (at >= in_.size() || in_[at] != '}' || (low.empty() && high.empty()) || atom_ == kNone) {
      ++at_;
      return atom("\\{");
    }
    at_ = at + 1;
    out_ += "{" + (low.empty() ? "0" : low) + (comma ? "," : "") + high + "}";
    if (at_ >= in_.size()) return;
    if (in_[at_] == '?' && comma) {
      out_ += in_[at_++];  // lazy
      if (repeated(at_)) group_atom();
    } else if (repeated(at_)) {
      group_atom();
    }
  }

  void open() {
    if (groups_.size() >= static_cast<std::size_t>(kDeepestGroup)) fail("groups are nested too deep");
    const std::size_t begin = out_.size();
    if (!has("(?")) {
      groups_.push_back({begin, folds_});
      out_ += in_[at_++];
      atom_ = kNone;
      return;
    }
    if (has("(?#")) {
      const std::size_t end = in_.find(')', at_);
      if (end == std::string_view::npos) fail("a comment is not closed");
      at_ = end + 1;
      return;
    }
    for (const std::string_view known : {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!"})
      if (has(known)) {
        groups_.push_back({begin, folds_});
        out_ += known;
        at_ += known.size();
        atom_ = kNone;
        return;
      }
    if (has("(?<")) {
      const std::size_t end = in_.find('>', at_);
      if (end == std::string_view::npos) fail("the name of a group is not closed");
      groups_.push_back({begin, folds_});
      out_ += in_.substr(at_, end + 1 - at_);
      at_ = end + 1;
      atom_ = kNone;
      return;
    }
    options(begin);
  }

  /// (?i), (?-i), (?i:...): `m` means what PCRE2 calls `s`.
  void options(std::size_t begin) {
    at_ += 2;
    std::string letters;
    bool off = false, folds = folds_;
    for (; at_ < in_.size() && in_[at_] != ':' && in_[at_] != ')'; ++at_) {
      const char letter = in_[at_];
      if (letter != '-' && letter != 'i' && letter != 'm') fail("option '" + printable(std::string(1, letter)) + "'");
      if (letter == '-') off = true;
      if (letter == 'i') folds = !off;
      letters += letter == 'm' ? 's' : letter;
    }
    if (at_ >= in_.size()) fail("options are not closed");
    atom_ = kNone;
    if (in_[at_++] == ':') {
      groups_.push_back({begin, folds_});
      out_ += "(?" + letters + ":";
    } else {
      out_ += "(?" + letters + ")";
    }
    folds_ = folds;
  }

  void close() {
    if (groups_.empty()) fail("a group is closed that is not open");
    atom_ = groups_.back().begin;
    folds_ = groups_.back().folds;
    groups_.pop_back();
    out_ += in_[at_++];
  }

  void escape() {
    if (at_ + 1 >= in_.size()) fail("a backslash at the end");
    const char letter = in_[at_ + 1];
    CharacterClass set;
    if (shorthand_class(letter, set)) {
      at_ += 2;
      return atom(set.text());
    }
    if (letter == 'p' || letter == 'P') return atom(property().text());
    if (letter == 'b' || letter == 'B') {
      at_ += 2;
      const std::string word = property_class("word", false).text();
      out_ += letter == 'b' ? "(?:(?<=" + word + ")(?!" + word + ")|(?<!" + word + ")(?=" + word + "))"
                            : "(?:(?<=" + word + ")(?=" + word + ")|(?<!" + word + ")(?!" + word + "))";
      atom_ = kNone;
      return;
    }
    if (letter == 'A' || letter == 'z' || letter == 'Z' || letter == 'G') {
      out_ += in_.substr(at_, 2);
      at_ += 2;
      atom_ = kNone;
      return;
    }
    if (letter == 'R' || letter == 'X') {
      at_ += 2;
      return atom(std::string{'\\', letter});
    }
    if ((letter >= '1' && letter <= '9') || letter == 'k') {
      captures_ = true;
      const std::size_t begin = at_;
      at_ += 2;
      if (letter == 'k') at_ = std::min(in_.find('>', at_), in_.size() - 1) + 1;
      while (letter != 'k' && at_ < in_.size() && is_digit(in_[at_])) ++at_;
      return atom(std::string(in_.substr(begin, at_ - begin)));
    }
    atom(escaped_character());
  }

  /// What `\n`, `\x41`, `\u0041`, `\.` stand for, inside a class or outside.
  std::string escaped_character() {
    ++at_;
    const char letter = in_[at_];
    if (letter == 'x' || letter == 'u') {
      ++at_;
      const bool braces = letter == 'x' && at_ < in_.size() && in_[at_] == '{';
      if (braces) ++at_;
      const std::size_t most = braces ? 8 : letter == 'x' ? 2 : 4;
      std::string digits;
      while (digits.size() < most && at_ < in_.size() && is_hex(in_[at_])) digits += in_[at_++];
      if (digits.empty() || (letter == 'u' && digits.size() != 4)) fail("hexadecimal digits are missing");
      if (braces && (at_ >= in_.size() || in_[at_++] != '}')) fail("'}' is missing");
      return "\\x{" + digits + "}";
    }
    constexpr std::string_view kControls = "abtnvfre";
    constexpr std::string_view kHex[] = {"07", "08", "09", "0A", "0B", "0C", "0D", "1B"};
    if (const std::size_t which = kControls.find(letter); which != std::string_view::npos) {
      ++at_;
      return "\\x{" + std::string(kHex[which]) + "}";
    }
    if (letter == '0') {
      std::string digits = "0";
      ++at_;
      while (digits.size() < 3 && at_ < in_.size() && in_[at_] >= '0' && in_[at_] <= '7') digits += in_[at_++];
      return "\\o{" + digits + "}";
    }
    if (is_letter(letter) || is_digit(letter)) fail("escape '\\" + std::string(1, letter) + "' is not known");
    return literal(take_character());
  }

  CharacterClass property() {
    const bool negated = in_[at_ + 1] == 'P';
    at_ += 2;
    if (at_ >= in_.size()) fail("the name of a property is missing");
    if (in_[at_] != '{') return property_class(in_.substr(at_++, 1), negated);
    const std::size_t end = in_.find('}', at_);
    if (end == std::string_view::npos) fail("the name of a property is not closed");
    const std::string_view name = in_.substr(at_ + 1, end - at_ - 1);
    for (const char c : name)
      if (!is_letter(c) && !is_digit(c) && c != '^' && c != '_' && c != '-' && c != ' ' && c != '&')
        fail("property " + quote(name));
    at_ = end + 1;
    return property_class(name, negated);
  }

  /// What stands behind a '['.
  CharacterClass character_class(int depth) {
    if (depth > kDeepestClass) fail("classes are nested too deep");
    CharacterClass set;
    set.parts.emplace_back();
    if (at_ < in_.size() && in_[at_] == '^') {
      set.negated = true;
      ++at_;
    }
    bool first = true;
    for (; at_ < in_.size() && (in_[at_] != ']' || first); first = false) {
      if (has("&&")) {
        at_ += 2;
        set.parts.emplace_back();
      } else {
        class_item(set.parts.back(), depth);
      }
    }
    if (at_ >= in_.size()) fail("a class is not closed");
    ++at_;
    // Classes of one nested class are that class: [[:punct:]].
    for (CharacterClass::Union& part : set.parts)
      if (part.items.empty() && part.others.empty()) fail("an empty class");
    return set;
  }

  void class_item(CharacterClass::Union& part, int depth) {
    if (has("[:")) {
      const std::size_t end = in_.find(":]", at_ + 2);
      if (end != std::string_view::npos && end - at_ < 20) {
        const std::string_view name = in_.substr(at_ + 2, end - at_ - 2);
        at_ = end + 2;
        return unite(part, property_class(name, false));
      }
    }
    if (in_[at_] == '[') {
      ++at_;
      return unite(part, character_class(depth + 1));
    }
    if (in_[at_] == '\\') {
      if (at_ + 1 >= in_.size()) fail("a backslash at the end");
      CharacterClass other;
      if (shorthand_class(in_[at_ + 1], other)) {
        at_ += 2;
        return unite(part, std::move(other));
      }
      if (in_[at_ + 1] == 'p' || in_[at_ + 1] == 'P') return unite(part, property());
    }
    const std::string low = class_character();
    part.only_categories = false;
    const bool range = at_ + 1 < in_.size() && in_[at_] == '-' && in_[at_ + 1] != ']' && in_[at_ + 1] != '[' &&
                       !in_.substr(at_ + 1).starts_with("&&") && !set_escape(at_ + 1);
    if (!range) {
      part.items += low;
      return;
    }
    ++at_;
    part.items += low + "-" + class_character();
  }
  /// Whether an escape that is a set stands there: no end of a range.
  bool set_escape(std::size_t at) const {
    constexpr std::string_view kSets = "dDwWsShHpP";
    return in_[at] == '\\' && at + 1 < in_.size() && kSets.find(in_[at + 1]) != std::string_view::npos;
  }
  std::string class_character() { return in_[at_] == '\\' ? escaped_character() : literal(take_character()); }

  std::string_view in_, source_;
  std::size_t at_ = 0;
  std::string out_;
  std::size_t atom_ = kNone;  // where the last thing that can be repeated begins in out_
  std::vector<Group> groups_;
  bool folds_ = false, captures_ = false;
};

}  // namespace

OnigurumaPattern translate_oniguruma(std::string_view pattern, std::string_view source) {
  return Translator(pattern, source).run();
}

}  // namespace plumb
