#include "regex.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "oniguruma.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"

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

// Sensible patterns backtrack over a run of characters a few times at most. The limits are there for the others: they
// shall become an Error and not a hang.
constexpr std::size_t kStepsPerByte = 64;
constexpr std::uint32_t kHeapLimitKiB = 65'536;
constexpr std::size_t kLongestPattern = 65'536;  // bytes

PCRE2_SPTR as_units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

std::string message_of(int error) {
  std::string text(256, '\0');
  const int length = pcre2_get_error_message(error, reinterpret_cast<PCRE2_UCHAR*>(text.data()), text.size());
  text.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  return text;
}

}  // namespace

struct Regex::Code {
  std::unique_ptr<pcre2_code, FreeCode> code;
  std::string source;

  Code(const std::string& pattern, std::uint32_t options, std::string_view where_from, bool jit) : source(where_from) {
    int error = 0;
    PCRE2_SIZE where = 0;
    code.reset(
        pcre2_compile(as_units(pattern), pattern.size(), PCRE2_UTF | PCRE2_UCP | options, &error, &where, nullptr));
    if (!code)
      throw Error(ErrorCode::unsupported_tokenizer, source + ": pattern " + quote(pattern) + ": " + message_of(error));
    if (jit) pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);  // failing that, pcre2_match() interprets
  }
};

Regex::Regex(std::string_view pattern, std::string_view source, bool jit) {
  if (pattern.size() > kLongestPattern)
    throw Error(ErrorCode::unsupported_tokenizer, std::string(source) + ": a pattern of " +
                                                      std::to_string(pattern.size()) + " bytes, expected at most " +
                                                      std::to_string(kLongestPattern));
  const OnigurumaPattern translated = translate_oniguruma(pattern, source);
  const std::uint32_t captures = translated.captures ? 0u : PCRE2_NO_AUTO_CAPTURE;
  code_ = std::make_unique<Code>(translated.text, PCRE2_MULTILINE | captures, source, jit);
}
Regex Regex::native(const std::string& pattern, std::string_view source) {
  return Regex(std::make_unique<const Code>(pattern, PCRE2_NO_AUTO_CAPTURE, source, true));
}
Regex::Regex(std::unique_ptr<const Code> code) : code_(std::move(code)) {}
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;
Regex::~Regex() = default;

struct RegexMatcher::State {
  const Regex::Code& regex;
  std::unique_ptr<pcre2_match_data, FreeMatchData> data{pcre2_match_data_create(1, nullptr)};
  std::unique_ptr<pcre2_match_context, FreeMatchContext> context{pcre2_match_context_create(nullptr)};

  int match(std::string_view text, std::size_t from, std::uint32_t options) {
    const std::size_t limit = 10'000 + kStepsPerByte * (text.size() - from);
    pcre2_set_match_limit(context.get(), static_cast<std::uint32_t>(std::min<std::size_t>(limit, UINT32_MAX)));
    return pcre2_match(regex.code.get(), as_units(text), text.size(), from, options, data.get(), context.get());
  }
};

RegexMatcher::RegexMatcher(const Regex& regex) : state_(new State{regex.code()}) {
  if (!state_->data || !state_->context) throw Error(ErrorCode::out_of_memory, "no memory for matching a pattern");
  pcre2_set_heap_limit(state_->context.get(), kHeapLimitKiB);
}
RegexMatcher::~RegexMatcher() = default;

bool RegexMatcher::find(std::string_view text, std::size_t from, std::size_t& begin, std::size_t& end) {
  int result = state_->match(text, from, PCRE2_NO_UTF_CHECK);
  if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = state_->match(text, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT);
  if (result == PCRE2_ERROR_NOMATCH) return false;
  if (result < 0)
    throw Error(result == PCRE2_ERROR_NOMEMORY ? ErrorCode::out_of_memory : ErrorCode::bad_tokenizer,
                state_->regex.source + ": the pattern gives up in a text of " + std::to_string(text.size()) +
                    " bytes: " + message_of(result));
  const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(state_->data.get());
  begin = std::min(bounds[0], bounds[1]);  // \K inside a look-ahead could turn them round
  end = bounds[1];
  return true;
}

int RegexMatcher::mark() const {
  const PCRE2_SPTR name = pcre2_get_mark(state_->data.get());
  return name ? std::atoi(reinterpret_cast<const char*>(name)) : -1;
}

}  // namespace plumb
