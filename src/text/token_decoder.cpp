#include "token_decoder.hpp"

#include <algorithm>
#include <utility>

#include "../core/utf8.hpp"
#include "byte_alphabet.hpp"
#include "spm.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// What "cleanup" does to one text.
void clean_up_text(std::string& text) {
  constexpr std::pair<std::string_view, std::string_view> kChanges[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},    {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  if (text.find(' ') == std::string::npos) return;
  for (const auto& [from, to] : kChanges) replace_all(text, from, to);
}

/// Bytes as text: U+FFFD for each maximal part that is no UTF-8.
std::string lossy(std::string_view bytes) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size();) {
    const Utf8Step step = utf8_step(bytes, at);
    out += step.kind == Utf8Kind::valid ? bytes.substr(at, step.length) : kReplacementCharacter;
    at += step.length;
  }
  return out;
}

/// A step that treats each text for itself.
class EachText : public DecodeStep {
 public:
  void run(std::vector<std::string>& texts) const override {
    for (std::string& text : texts) run_inner(text);
  }
};

class ByteLettersDecoder : public DecodeStep {
 public:
  void run(std::vector<std::string>& texts) const override {
    std::string bytes;
    for (const std::string& text : texts) bytes += decode_byte_letters(text);
    texts.assign(1, lossy(bytes));
  }
  void run_inner(std::string& text) const override { text = decode_byte_letters(text); }
};

class ByteFallbackDecoder : public DecodeStep {
 public:
  void run(std::vector<std::string>& texts) const override {
    std::vector<std::string> out;
    std::string bytes;
    const auto flush = [&] {
      if (bytes.empty()) return;
      std::string text = lossy(bytes);
      if (text != bytes) {
        text.clear();
        for (std::size_t i = 0; i < bytes.size(); ++i) text += kReplacementCharacter;
      }
      out.push_back(std::move(text));
      bytes.clear();
    };
    for (std::string& text : texts) {
      if (const int byte = byte_of_spelling(text); byte >= 0) {
        bytes += static_cast<char>(byte);
        continue;
      }
      flush();
      out.push_back(std::move(text));
    }
    flush();
    texts.swap(out);
  }
  void run_inner(std::string& text) const override {
    if (const int byte = byte_of_spelling(text); byte >= 0) text.assign(1, static_cast<char>(byte));
  }
};

class ReplaceDecoder : public EachText {
 public:
  ReplaceDecoder(TextPattern pattern, std::string replacement)
      : pattern_(std::move(pattern)), replacement_(std::move(replacement)) {}
  void run_inner(std::string& text) const override {
    if (const std::string* literal = pattern_.literal()) return replace_all(text, *literal, replacement_);
    std::string storage;
    if (valid_utf8(text, storage).data() != text.data()) return;  // a part of a character: no pattern sees it
    std::string out;
    pattern_.for_each(text, [&](std::size_t begin, std::size_t end, bool is_match) {
      out += is_match ? std::string_view(replacement_) : std::string_view(text).substr(begin, end - begin);
    });
    text = std::move(out);
  }

 private:
  TextPattern pattern_;
  std::string replacement_;
};

class FuseDecoder : public DecodeStep {
 public:
  void run(std::vector<std::string>& texts) const override {
    std::string all;
    for (const std::string& text : texts) all += text;
    texts.assign(1, std::move(all));
  }
  void run_inner(std::string& /*text*/) const override {}
  bool fuses() const override { return true; }
};

class StripDecoder : public EachText {
 public:
  StripDecoder(char32_t content, std::size_t start, std::size_t stop) : start_(start), stop_(stop) {
    append_utf8(content, content_);
  }
  void run_inner(std::string& text) const override {
    std::string_view rest = text;
    for (std::size_t i = 0; i < start_ && rest.starts_with(content_); ++i) rest.remove_prefix(content_.size());
    for (std::size_t i = 0; i < stop_ && rest.ends_with(content_); ++i) rest.remove_suffix(content_.size());
    text = std::string(rest);
  }
  bool strips() const override { return true; }

 private:
  std::string content_;
  std::size_t start_, stop_;
};

class MarkDecoder : public DecodeStep {
 public:
  MarkDecoder(std::string mark, bool drops_first) : mark_(std::move(mark)), drops_first_(drops_first) {}
  void run(std::vector<std::string>& texts) const override {
    for (std::size_t i = 0; i < texts.size(); ++i) replace_all(texts[i], mark_, i == 0 && drops_first_ ? "" : " ");
  }
  void run_inner(std::string& text) const override { replace_all(text, mark_, " "); }
  bool drops_first_space() const override { return drops_first_; }

 private:
  std::string mark_;
  bool drops_first_;
};

class WordPieceDecoder : public DecodeStep {
 public:
  WordPieceDecoder(std::string prefix, bool cleanup) : prefix_(std::move(prefix)), cleanup_(cleanup) {}
  void run(std::vector<std::string>& texts) const override {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (i > 0) join(texts[i]);
      if (cleanup_) clean_up_text(texts[i]);
    }
  }
  void run_inner(std::string& text) const override {
    join(text);
    if (cleanup_) clean_up_text(text);
  }
  bool drops_first_space() const override { return true; }

 private:
  void join(std::string& text) const {
    if (text.starts_with(prefix_))
      text.erase(0, prefix_.size());
    else
      text.insert(0, " ");
  }

  std::string prefix_;
  bool cleanup_;
};

class WordEndDecoder : public DecodeStep {
 public:
  explicit WordEndDecoder(std::string suffix) : suffix_(std::move(suffix)) {}
  void run(std::vector<std::string>& texts) const override {
    for (std::size_t i = 0; i < texts.size(); ++i) replace_all(texts[i], suffix_, i + 1 == texts.size() ? "" : " ");
  }
  void run_inner(std::string& text) const override { replace_all(text, suffix_, " "); }

 private:
  std::string suffix_;
};

class CtcDecoder : public DecodeStep {
 public:
  CtcDecoder(std::string padding, std::string word_delimiter, bool cleanup)
      : padding_(std::move(padding)), word_delimiter_(std::move(word_delimiter)), cleanup_(cleanup) {}
  void run(std::vector<std::string>& texts) const override {
    texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
    for (std::string& text : texts) run_inner(text);
    std::erase_if(texts, [](const std::string& text) { return text.empty(); });
  }
  void run_inner(std::string& text) const override {
    replace_all(text, padding_, "");
    if (!cleanup_) return;
    clean_up_text(text);
    replace_all(text, word_delimiter_, " ");
  }

 private:
  std::string padding_, word_delimiter_;
  bool cleanup_;
};

}  // namespace

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  if (from.empty() || text.find(from) == std::string::npos) return;
  std::string out;
  std::size_t at = 0;
  for (std::size_t hit; (hit = text.find(from, at)) != std::string::npos; at = hit + from.size())
    out.append(text, at, hit - at).append(to);
  text = out.append(text, at);
}

void TokenDecoder::add(DecodeStepPtr step) {
  // Behind a Fuse a step sees the whole text and not one token's.
  fused_ = fused_ || step->fuses();
  drops_first_ = drops_first_ || step->drops_first_space() || (fused_ && step->strips());
  if (!step->fuses() && !(fused_ && step->strips())) inner_.push_back(step.get());
  steps_.push_back(std::move(step));
}

std::string TokenDecoder::decode(std::vector<std::string> texts) const {
  for (const DecodeStepPtr& step : steps_) step->run(texts);
  const std::string_view between = steps_.empty() && !joins_ ? " " : "";
  std::string out;
  for (std::size_t i = 0; i < texts.size(); ++i) out.append(i > 0 ? between : "").append(texts[i]);
  return out;
}

void TokenDecoder::append_piece(std::string_view spelling, std::string& scratch, std::string& out) const {
  scratch = steps_.empty() && !joins_ ? " " : "";
  scratch += spelling;
  for (const DecodeStep* step : inner_) step->run_inner(scratch);
  out += scratch;
}

DecodeStepPtr byte_letters_decoder() { return std::make_unique<ByteLettersDecoder>(); }
DecodeStepPtr byte_fallback_decoder() { return std::make_unique<ByteFallbackDecoder>(); }
DecodeStepPtr replace_decoder(TextPattern pattern, std::string replacement) {
  return std::make_unique<ReplaceDecoder>(std::move(pattern), std::move(replacement));
}
DecodeStepPtr fuse_decoder() { return std::make_unique<FuseDecoder>(); }
DecodeStepPtr strip_decoder(char32_t content, std::size_t start, std::size_t stop) {
  return std::make_unique<StripDecoder>(content, start, stop);
}
DecodeStepPtr mark_decoder(std::string mark, bool drops_first) {
  return std::make_unique<MarkDecoder>(std::move(mark), drops_first);
}
DecodeStepPtr wordpiece_decoder(std::string prefix, bool cleanup) {
  return std::make_unique<WordPieceDecoder>(std::move(prefix), cleanup);
}
DecodeStepPtr word_end_decoder(std::string suffix) { return std::make_unique<WordEndDecoder>(std::move(suffix)); }
DecodeStepPtr ctc_decoder(std::string padding, std::string word_delimiter, bool cleanup) {
  return std::make_unique<CtcDecoder>(std::move(padding), std::move(word_delimiter), cleanup);
}

}  // namespace plumb
