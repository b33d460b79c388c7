#include "pretokenizer.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "plumb/core/error.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatchData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct FreeMatchContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

// The patterns are written so that they backtrack over a run of characters a few times at most. The limits are there
// for a mistake in one of them: it shall become an Error and not a hang.
constexpr std::size_t kStepsPerByte = 64;
constexpr std::uint32_t kHeapLimitKiB = 65'536;

/// PCRE2's \s under UCP includes U+180E, which is no white space since Unicode 6.3; published patterns mean the
/// White_Space property. Inside a class \s becomes its members, outside it becomes a class.
std::string expand_white_space(std::string_view pattern) {
  constexpr std::string_view kMembers = R"(\t-\r\x{85}\p{Z})";
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c != '\\' || i + 1 == pattern.size()) {
      if (c == '[') in_class = true;
      if (c == ']') in_class = false;
      out += c;
      continue;
    }
    const char escaped = pattern[++i];
    if (escaped == 's' && in_class) {
      out += kMembers;
    } else if (escaped == 's' || escaped == 'S') {
      out.append(escaped == 's' ? "[" : "[^").append(kMembers).append("]");
    } else {
      out.append({c, escaped});
    }
  }
  return out;
}

PCRE2_SPTR as_units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

/// A compiled pattern.
class Pattern {
 public:
  Pattern(std::string_view pattern, bool jit) {
    const std::string expanded = expand_white_space(pattern);
    int error = 0;
    PCRE2_SIZE where = 0;
    code_.reset(pcre2_compile(as_units(expanded), expanded.size(), PCRE2_UTF | PCRE2_UCP | PCRE2_NO_AUTO_CAPTURE,
                              &error, &where, nullptr));
    if (!code_)
      throw Error(ErrorCode::unsupported_tokenizer,
                  "pre-tokenizer pattern: PCRE2 error " + std::to_string(error) + " at " + std::to_string(where));
    if (jit) pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);  // failing that, pcre2_match() interprets
  }
  const pcre2_code* code() const { return code_.get(); }

 private:
  std::unique_ptr<pcre2_code, FreeCode> code_;
};

/// Memory and limits of one thread's matching.
class Matcher {
 public:
  explicit Matcher(const Pattern& pattern)
      : code_(pattern.code()),
        data_(pcre2_match_data_create(1, nullptr)),
        context_(pcre2_match_context_create(nullptr)) {
    if (!data_ || !context_) throw Error(ErrorCode::out_of_memory, "pre-tokenizer: no memory for a match");
    pcre2_set_heap_limit(context_.get(), kHeapLimitKiB);
  }

  /// The next match in `piece` at or after `from`. Returns false when there is none.
  bool find(std::string_view piece, std::size_t from, std::size_t& begin, std::size_t& end) {
    int result = match(piece, from, PCRE2_NO_UTF_CHECK);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(piece, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT);
    if (result == PCRE2_ERROR_NOMATCH) return false;
    if (result < 0)
      throw Error(ErrorCode::out_of_memory, "pre-tokenizer: PCRE2 error " + std::to_string(result) + " in a text of " +
                                                std::to_string(piece.size()) + " bytes");
    const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(data_.get());
    begin = bounds[0];
    end = bounds[1];
    return true;
  }

 private:
  int match(std::string_view piece, std::size_t from, std::uint32_t options) {
    const std::size_t limit = 10'000 + kStepsPerByte * (piece.size() - from);
    pcre2_set_match_limit(context_.get(), static_cast<std::uint32_t>(std::min<std::size_t>(limit, UINT32_MAX)));
    return pcre2_match(code_, as_units(piece), piece.size(), from, options, data_.get(), context_.get());
  }

  const pcre2_code* code_;
  std::unique_ptr<pcre2_match_data, FreeMatchData> data_;
  std::unique_ptr<pcre2_match_context, FreeMatchContext> context_;
};

/// Collects cuts of a piece as words.
class Cutter {
 public:
  Cutter(std::string_view piece, std::vector<std::string_view>& words) : piece_(piece), words_(words) {}
  /// A word ends here. Cutting twice at one place makes no word.
  void cut(std::size_t at) {
    if (at > from_) words_.push_back(piece_.substr(from_, at - from_));
    from_ = at;
  }
  void finish() { cut(piece_.size()); }

 private:
  std::string_view piece_;
  std::vector<std::string_view>& words_;
  std::size_t from_ = 0;
};

/// Bytes of the code point that starts with `lead`, in valid UTF-8.
std::size_t code_point_length(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

/// Cuts after every third code point of [begin, end), counted from the right.
void cut_triples(std::string_view piece, std::size_t begin, std::size_t end, Cutter& cutter) {
  std::size_t count = 0;
  for (std::size_t at = begin; at < end; at += code_point_length(piece[at])) ++count;
  for (std::size_t at = begin; at < end; at += code_point_length(piece[at]), --count)
    if (count % 3 == 0 && at > begin) cutter.cut(at);
}

}  // namespace

class Pretokenizer::Step {
 public:
  Step(const SplitStep& step, bool jit)
      : kind_(step.kind), pattern_(step.kind == SplitStep::Kind::pattern ? step.pattern : R"(\p{N}+)", jit) {}

  /// Cuts every piece.
  void split(const std::vector<std::string_view>& pieces, std::vector<std::string_view>& words) const {
    Matcher matcher(pattern_);
    for (const std::string_view piece : pieces) {
      Cutter cutter(piece, words);
      std::size_t begin = 0, end = 0;
      for (std::size_t from = 0; from < piece.size() && matcher.find(piece, from, begin, end); from = end) {
        if (end == begin) break;  // no pattern of ours matches nothing
        if (kind_ == SplitStep::Kind::pattern) {
          cutter.cut(begin);
          cutter.cut(end);
        } else if (kind_ == SplitStep::Kind::digit_triples) {
          cut_triples(piece, begin, end, cutter);
          cutter.cut(end);
        } else {
          cut_ascii_runs(piece, begin, end, cutter);
        }
      }
      cutter.finish();
    }
  }

 private:
  /// Right-aligned triples in every run of 0-9 within a run of numbers.
  static void cut_ascii_runs(std::string_view piece, std::size_t begin, std::size_t end, Cutter& cutter) {
    cutter.cut(begin);
    const auto is_digit = [&](std::size_t at) { return piece[at] >= '0' && piece[at] <= '9'; };
    for (std::size_t at = begin; at < end;) {
      if (!is_digit(at)) {
        ++at;
        continue;
      }
      std::size_t stop = at;
      while (stop < end && is_digit(stop)) ++stop;
      if ((stop - at) % 3 == 0) cutter.cut(at);
      cut_triples(piece, at, stop, cutter);
      at = stop;
    }
    cutter.cut(end);
  }

  SplitStep::Kind kind_;
  Pattern pattern_;
};

Pretokenizer::Pretokenizer(std::span<const SplitStep> steps, bool jit) {
  for (const SplitStep& step : steps) steps_.push_back(std::make_unique<Step>(step, jit));
}
Pretokenizer::~Pretokenizer() = default;

std::vector<std::string_view> Pretokenizer::split(std::string_view text) const {
  std::vector<std::string_view> words, cut;
  if (!text.empty()) words.push_back(text);
  for (const auto& step : steps_) {
    cut.clear();
    cut.reserve(words.size());
    step->split(words, cut);
    words.swap(cut);
  }
  return words;
}

}  // namespace plumb
