#include "normalizer.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "../core/utf8.hpp"
#include "byte_alphabet.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// A step that decides character by character.
class CharacterStep : public TextStep {
 public:
  std::string_view run(std::string_view text, std::string& out, bool& keeps_begin) const override {
    out.clear();
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t begin = at, size = out.size();
      append(next_code_point(text, at), out);
      if (begin == 0 && out.size() == size) keeps_begin = false;
    }
    return out;
  }
  virtual void append(char32_t c, std::string& out) const = 0;
};

class NormalFormStep : public TextStep {
 public:
  explicit NormalFormStep(NormalForm form) : form_(form) {}
  std::string_view run(std::string_view text, std::string& out, bool& /*keeps_begin*/) const override {
    const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<signed char>(c) >= 0; });
    if (ascii) return text;
    out.clear();
    out.reserve(text.size() + text.size() / 8);
    append_normal_form(text, form_, out);
    return out;
  }

 private:
  NormalForm form_;
};

class PrependStep : public TextStep {
 public:
  PrependStep(std::string prefix, bool always) : prefix_(std::move(prefix)), always_(always) {}
  std::string_view run(std::string_view text, std::string& out, bool& /*keeps_begin*/) const override {
    if (text.empty() && !always_) return text;
    out.assign(prefix_).append(text);
    return out;
  }

 private:
  std::string prefix_;
  bool always_;
};

class ReplaceStep : public TextStep {
 public:
  ReplaceStep(TextPattern pattern, std::string replacement)
      : pattern_(std::move(pattern)), replacement_(std::move(replacement)) {}
  std::string_view run(std::string_view text, std::string& out, bool& keeps_begin) const override {
    out.clear();
    pattern_.for_each(text, [&](std::size_t begin, std::size_t end, bool is_match) {
      out += is_match ? std::string_view(replacement_) : text.substr(begin, end - begin);
      if (begin == 0 && end > 0 && is_match && replacement_.empty()) keeps_begin = false;
    });
    return out;
  }

 private:
  TextPattern pattern_;
  std::string replacement_;
};

class StripStep : public TextStep {
 public:
  StripStep(bool left, bool right) : left_(left), right_(right) {}
  std::string_view run(std::string_view text, std::string& /*out*/, bool& keeps_begin) const override {
    std::size_t begin = text.size(), end = 0;  // of what is no white space
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t from = at;
      if (is_white_space(next_code_point(text, at))) continue;
      begin = std::min(begin, from);
      end = at;
    }
    end = std::max(begin, end);
    if (!left_) begin = 0;
    if (!right_) end = text.size();
    if (begin > 0) keeps_begin = false;
    return text.substr(begin, std::max(begin, end) - begin);
  }

 private:
  bool left_, right_;
};

class StripAccentsStep : public CharacterStep {
 public:
  void append(char32_t c, std::string& out) const override {
    if (!is_mark(c)) append_utf8(c, out);
  }
};

class LowercaseStep : public CharacterStep {
 public:
  void append(char32_t c, std::string& out) const override { append_lower(c, out); }
};

class NmtStep : public CharacterStep {
 public:
  void append(char32_t c, std::string& out) const override {
    const bool dropped =
        (c >= 0x1 && c <= 0x8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
    if (dropped) return;
    const bool space = c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == 0x1680 ||
                       (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF ||
                       c == 0xFFFD;
    append_utf8(space ? U' ' : c, out);
  }
};

class ByteLettersStep : public TextStep {
 public:
  std::string_view run(std::string_view text, std::string& out, bool& /*keeps_begin*/) const override {
    out.clear();
    append_byte_letters(text, out);
    return out;
  }
};

/// BERT's cleaning: each rule goes over the whole text.
class BertStep : public TextStep {
 public:
  explicit BertStep(const BertRules& rules) : rules_(rules) {}
  std::string_view run(std::string_view text, std::string& out, bool& keeps_begin) const override {
    std::string plain;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t begin = at, size = plain.size();
      const char32_t c = next_code_point(text, at);
      const bool space = is_white_space(c), kept_control = c == '\t' || c == '\n' || c == '\r';
      if (!rules_.clean_text || kept_control || !is_no_text(c)) {
        const bool alone = rules_.chinese_words && is_chinese(c);
        if (alone) plain += ' ';
        append_utf8(rules_.clean_text && space ? U' ' : c, plain);
        if (alone) plain += ' ';
      }
      if (begin == 0 && plain.size() == size) keeps_begin = false;
    }
    if (rules_.strip_accents) {
      std::string parts;
      append_normal_form(plain, NormalForm::nfd, parts);
      plain.clear();
      for (std::size_t at = 0; at < parts.size();) {
        const char32_t c = next_code_point(parts, at);
        if (!is_nonspacing_mark(c)) append_utf8(c, plain);
      }
    }
    out.clear();
    if (!rules_.lowercase) {
      out.swap(plain);
      return out;
    }
    out.reserve(plain.size());
    for (std::size_t at = 0; at < plain.size();) append_lower(next_code_point(plain, at), out);
    return out;
  }

 private:
  BertRules rules_;
};

class CharsmapStep : public TextStep {
 public:
  CharsmapStep(Charsmap map, bool longest_match) : map_(std::move(map)), longest_(longest_match) {
    for (std::size_t c = 1; c < plain_.size(); ++c) {
      const char byte = static_cast<char>(c);
      // A cluster has one such character, but for \r with the newline behind it.
      plain_[c] =
          longest_ ? !map_.begins_key(byte) : map_.shortest(std::string_view(&byte, 1)).length == 0 && c != '\r';
    }
  }

  std::string_view run(std::string_view text, std::string& out, bool& keeps_begin) const override {
    out.clear();
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t begin = at, size = out.size();
      if (is_plain(text, at) && (longest_ || at + 1 == text.size() || is_plain(text, at + 1)))
        out += text[at++];
      else
        at += longest_ ? replace_longest(text.substr(at), out) : replace_cluster(text.substr(at), out);
      if (begin == 0 && out.size() == size) keeps_begin = false;
    }
    return out;
  }

 private:
  bool is_plain(std::string_view text, std::size_t at) const {
    const auto byte = static_cast<unsigned char>(text[at]);
    return byte < 0x80 && plain_[byte];
  }

  std::size_t replace_longest(std::string_view text, std::string& out) const {
    const Charsmap::Match match = map_.longest(text);
    if (match.length > 0) {
      out += match.replacement;
      return match.length;
    }
    const std::size_t length = utf8_announced_length(text[0]);
    out += text.substr(0, length);
    return length;
  }

  std::size_t replace_cluster(std::string_view text, std::string& out) const {
    constexpr std::size_t kLongestWhole = 5;
    const std::string_view cluster = text.substr(0, first_grapheme(text));
    const Charsmap::Match whole = cluster.size() <= kLongestWhole ? map_.shortest(cluster) : Charsmap::Match{};
    if (whole.length > 0) {
      out += whole.replacement;
      return cluster.size();
    }
    for (std::size_t at = 0; at < cluster.size();) {
      const std::string_view character = cluster.substr(at, utf8_announced_length(cluster[at]));
      const Charsmap::Match match = map_.shortest(character);
      out += match.length > 0 ? match.replacement : character;
      at += character.size();
    }
    return cluster.size();
  }

  Charsmap map_;
  bool longest_;
  std::array<bool, 128> plain_{};  // ASCII characters that stay, whatever follows
};

class CollapseSpacesStep : public TextStep {
 public:
  std::string_view run(std::string_view text, std::string& out, bool& keeps_begin) const override {
    out.clear();
    for (const char c : text)
      if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
    if (!out.empty() && out.back() == ' ') out.pop_back();
    if (text.starts_with(' ')) keeps_begin = false;
    return out;
  }
};

}  // namespace

std::string_view Normalizer::run(std::string_view text, Storage& storage, bool& keeps_begin) const {
  keeps_begin = true;
  std::size_t free = 0;  // which of the two the text is not in
  for (const TextStepPtr& step : steps_) {
    const std::string_view changed = step->run(text, storage[free], keeps_begin);
    // A step that answers a part of its input leaves the text where it was.
    if (changed.data() == storage[free].data()) free = 1 - free;
    text = changed;
  }
  return text;
}

TextStepPtr normal_form_step(NormalForm form) { return std::make_unique<NormalFormStep>(form); }
TextStepPtr prepend_step(std::string prefix) { return std::make_unique<PrependStep>(std::move(prefix), false); }
TextStepPtr always_prepend_step(std::string prefix) { return std::make_unique<PrependStep>(std::move(prefix), true); }
TextStepPtr replace_step(TextPattern pattern, std::string replacement) {
  return std::make_unique<ReplaceStep>(std::move(pattern), std::move(replacement));
}
TextStepPtr strip_step(bool left, bool right) { return std::make_unique<StripStep>(left, right); }
TextStepPtr strip_accents_step() { return std::make_unique<StripAccentsStep>(); }
TextStepPtr lowercase_step() { return std::make_unique<LowercaseStep>(); }
TextStepPtr bert_step(const BertRules& rules) { return std::make_unique<BertStep>(rules); }
TextStepPtr nmt_step() { return std::make_unique<NmtStep>(); }
TextStepPtr byte_letters_step() { return std::make_unique<ByteLettersStep>(); }
TextStepPtr charsmap_step(Charsmap map, bool longest_match) {
  return std::make_unique<CharsmapStep>(std::move(map), longest_match);
}
TextStepPtr collapse_spaces_step() { return std::make_unique<CollapseSpacesStep>(); }

}  // namespace plumb
