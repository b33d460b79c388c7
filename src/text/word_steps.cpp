#include "word_steps.hpp"

#include <utility>

#include "../core/utf8.hpp"
#include "byte_alphabet.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

class SplitStepOf : public CutStep {
 public:
  SplitStepOf(TextPattern pattern, CutBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

 private:
  void cut(const std::vector<std::string_view>& words, std::vector<std::string_view>& out) const override {
    WordCutter cutter(behavior_, out);
    const auto cut_word = [&](std::string_view word, const auto& for_each) {
      cutter.begin(word);
      for_each([&](std::size_t begin, std::size_t end, bool is_match) { cutter.add(begin, end, is_match != invert_); });
      cutter.finish();
    };
    if (const Regex* regex = pattern_.regex()) {
      RegexMatcher matcher(*regex);
      for (const std::string_view word : words)
        cut_word(word, [&](const auto& visit) { for_each_match(matcher, word, visit); });
    } else {
      for (const std::string_view word : words)
        cut_word(word, [&](const auto& visit) { pattern_.for_each(word, visit); });
    }
  }

  TextPattern pattern_;
  CutBehavior behavior_;
  bool invert_;
};

class CharacterCutStep : public CutStep {
 public:
  CharacterCutStep(bool (*is_delimiter)(char32_t), CutBehavior behavior)
      : is_delimiter_(is_delimiter), behavior_(behavior) {}

 private:
  void cut(const std::vector<std::string_view>& words, std::vector<std::string_view>& out) const override {
    WordCutter cutter(behavior_, out);
    for (const std::string_view word : words) {
      cutter.begin(word);
      std::size_t done = 0;
      for (std::size_t at = 0; at < word.size();) {
        const std::size_t begin = at;
        if (!is_delimiter_(next_code_point(word, at))) continue;
        if (begin > done) cutter.add(done, begin, false);
        cutter.add(begin, at, true);
        done = at;
      }
      if (done < word.size()) cutter.add(done, word.size(), false);
      cutter.finish();
    }
  }

  bool (*is_delimiter_)(char32_t);
  CutBehavior behavior_;
};

// The scripts of Unicode 14 with names as PCRE2 knows them; Han, Hiragana and Katakana stand in the pattern itself. The
// frequent ones first.
constexpr std::string_view kScripts[] = {
    "Common",
    "Latin",
    "Cyrillic",
    "Arabic",
    "Hangul",
    "Devanagari",
    "Greek",
    "Hebrew",
    "Thai",
    "Inherited",
    "Armenian",
    "Bengali",
    "Georgian",
    "Gujarati",
    "Gurmukhi",
    "Kannada",
    "Khmer",
    "Lao",
    "Malayalam",
    "Mongolian",
    "Myanmar",
    "Oriya",
    "Sinhala",
    "Tamil",
    "Telugu",
    "Tibetan",
    "Adlam",
    "Ahom",
    "Anatolian_Hieroglyphs",
    "Avestan",
    "Balinese",
    "Bamum",
    "Bassa_Vah",
    "Batak",
    "Bhaiksuki",
    "Bopomofo",
    "Brahmi",
    "Braille",
    "Buginese",
    "Buhid",
    "Canadian_Aboriginal",
    "Carian",
    "Caucasian_Albanian",
    "Chakma",
    "Cham",
    "Cherokee",
    "Chorasmian",
    "Coptic",
    "Cuneiform",
    "Cypriot",
    "Cypro_Minoan",
    "Deseret",
    "Dives_Akuru",
    "Dogra",
    "Duployan",
    "Egyptian_Hieroglyphs",
    "Elbasan",
    "Elymaic",
    "Ethiopic",
    "Glagolitic",
    "Gothic",
    "Grantha",
    "Gunjala_Gondi",
    "Hanifi_Rohingya",
    "Hanunoo",
    "Hatran",
    "Imperial_Aramaic",
    "Inscriptional_Pahlavi",
    "Inscriptional_Parthian",
    "Javanese",
    "Kaithi",
    "Kayah_Li",
    "Kharoshthi",
    "Khitan_Small_Script",
    "Khojki",
    "Khudawadi",
    "Lepcha",
    "Limbu",
    "Linear_A",
    "Linear_B",
    "Lisu",
    "Lycian",
    "Lydian",
    "Mahajani",
    "Makasar",
    "Mandaic",
    "Manichaean",
    "Marchen",
    "Masaram_Gondi",
    "Medefaidrin",
    "Meetei_Mayek",
    "Mende_Kikakui",
    "Meroitic_Cursive",
    "Meroitic_Hieroglyphs",
    "Miao",
    "Modi",
    "Mro",
    "Multani",
    "Nabataean",
    "Nandinagari",
    "New_Tai_Lue",
    "Newa",
    "Nko",
    "Nushu",
    "Nyiakeng_Puachue_Hmong",
    "Ogham",
    "Ol_Chiki",
    "Old_Hungarian",
    "Old_Italic",
    "Old_North_Arabian",
    "Old_Permic",
    "Old_Persian",
    "Old_Sogdian",
    "Old_South_Arabian",
    "Old_Turkic",
    "Old_Uyghur",
    "Osage",
    "Osmanya",
    "Pahawh_Hmong",
    "Palmyrene",
    "Pau_Cin_Hau",
    "Phags_Pa",
    "Phoenician",
    "Psalter_Pahlavi",
    "Rejang",
    "Runic",
    "Samaritan",
    "Saurashtra",
    "Sharada",
    "Shavian",
    "Siddham",
    "SignWriting",
    "Sogdian",
    "Sora_Sompeng",
    "Soyombo",
    "Sundanese",
    "Syloti_Nagri",
    "Syriac",
    "Tagalog",
    "Tagbanwa",
    "Tai_Le",
    "Tai_Tham",
    "Tai_Viet",
    "Takri",
    "Tangsa",
    "Tangut",
    "Tifinagh",
    "Tirhuta",
    "Toto",
    "Ugaritic",
    "Vai",
    "Vithkuqi",
    "Wancho",
    "Warang_Citi",
    "Yezidi",
    "Yi",
    "Zanabazar_Square",
};

class ScriptStep : public CutStep {
 public:
  ScriptStep() : runs_(Regex::native(pattern(), "pre-tokenizer 'UnicodeScripts'")) {}

 private:
  /// Runs of one script each, marked with its number. Spaces have number 0; characters without a script match nothing.
  static std::string pattern() {
    std::string out = R"( +(*MARK:0)|[\p{sc:Han}\p{sc:Hiragana}\p{sc:Katakana}\x{30FC}]+(*MARK:1))";
    int number = 2;
    for (const std::string_view script : kScripts)
      out += "|(?:(?![ \\x{30FC}])\\p{sc:" + std::string(script) + "})+(*MARK:" + std::to_string(number++) + ")";
    return out;
  }

  void cut(const std::vector<std::string_view>& words, std::vector<std::string_view>& out) const override {
    RegexMatcher matcher(runs_);
    for (const std::string_view word : words) {
      constexpr std::size_t kNone = static_cast<std::size_t>(-1);
      std::size_t open = kNone;
      int last = -1;
      for_each_match(matcher, word, [&](std::size_t begin, std::size_t /*end*/, bool is_match) {
        const int script = is_match ? matcher.mark() : 0;
        if (script == 0 || script == last) return;
        if (open != kNone) out.push_back(word.substr(open, begin - open));
        open = begin;
        last = script;
      });
      if (open != kNone) out.push_back(word.substr(open));
    }
  }

  Regex runs_;
};

class FixedLengthStep : public CutStep {
 public:
  explicit FixedLengthStep(std::size_t length) : length_(length) {}

 private:
  void cut(const std::vector<std::string_view>& words, std::vector<std::string_view>& out) const override {
    for (const std::string_view word : words) {
      std::size_t begin = 0, count = 0;
      for (std::size_t at = 0; at < word.size();) {
        at += utf8_announced_length(word[at]);
        if (++count < length_ && at < word.size()) continue;
        out.push_back(word.substr(begin, at - begin));
        begin = at;
        count = 0;
      }
    }
  }

  std::size_t length_;
};

class MarkSpacesStep : public RewriteStep {
 public:
  MarkSpacesStep(std::string mark, PrependScheme scheme) : mark_(std::move(mark)), scheme_(scheme) {}

 private:
  void rewrite(std::string_view word, bool at_begin, std::string& out) const override {
    const bool wanted = scheme_ == PrependScheme::always || (scheme_ == PrependScheme::first && at_begin);
    if (wanted && !word.starts_with(' ') && !word.starts_with(mark_)) out += mark_;
    for (const char c : word) {
      if (c == ' ')
        out += mark_;
      else
        out += c;
    }
  }

  std::string mark_;
  PrependScheme scheme_;
};

class PrefixSpaceStep : public RewriteStep {
 private:
  void rewrite(std::string_view word, bool /*at_begin*/, std::string& out) const override {
    if (!word.starts_with(' ')) out += ' ';
    out += word;
  }
};

class LettersStep : public RewriteStep {
 private:
  void rewrite(std::string_view word, bool /*at_begin*/, std::string& out) const override {
    append_byte_letters(word, out);
  }
};

}  // namespace

WordStepPtr split_step(TextPattern pattern, CutBehavior behavior, bool invert) {
  return std::make_unique<SplitStepOf>(std::move(pattern), behavior, invert);
}
WordStepPtr character_step(bool (*is_delimiter)(char32_t), CutBehavior behavior) {
  return std::make_unique<CharacterCutStep>(is_delimiter, behavior);
}
WordStepPtr script_step() { return std::make_unique<ScriptStep>(); }
WordStepPtr fixed_length_step(std::size_t length) { return std::make_unique<FixedLengthStep>(length); }
WordStepPtr mark_spaces_step(std::string mark, PrependScheme scheme) {
  return std::make_unique<MarkSpacesStep>(std::move(mark), scheme);
}
WordStepPtr prefix_space_step() { return std::make_unique<PrefixSpaceStep>(); }
WordStepPtr letters_step() { return std::make_unique<LettersStep>(); }

}  // namespace plumb
