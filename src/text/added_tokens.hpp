#pragma once
/// @file
/// Tokens whose spelling is matched in a text before anything else happens to it.

#include <string>
#include <string_view>
#include <vector>

#include "normalizer.hpp"
#include "special_matcher.hpp"

namespace plumb::inline PLUMB_ABI {

/// Which white space next to a token belongs to it.
enum class SwallowedSpace { none, ascii, unicode };

struct AddedToken {
  Token id = kNoToken;
  std::string content;
  bool special = false;      ///< not matched where special tokens are text
  bool single_word = false;  ///< only where neither neighbour is a word character
  SwallowedSpace left = SwallowedSpace::none, right = SwallowedSpace::none;
  bool normalized = false;  ///< matched in the normalized text, by its normalized spelling
};

/// What happens to special tokens where they are text.
enum class SpecialAsText {
  matched_and_passed,  ///< they are found, and what they cover is text: no other token is found inside (tokenizer.json)
  not_matched,         ///< as if they were not there (GGUF, where nothing is found in swallowed white space either)
};

/// A set of added tokens. A search gives the leftmost, and of those the longest.
class AddedTokens {
 public:
  AddedTokens() = default;
  AddedTokens(std::vector<AddedToken> tokens, const Normalizer& normalizer, SpecialAsText mode);

  /// Calls visit(part, token) for the tokens found in a text and the text between them (token = kNoToken), in order.
  template <class Visit>
  void cut_raw(std::string_view text, bool parse_special, const Visit& visit) const {
    cut(parse_special || !plain_.used ? raw_ : plain_, text, parse_special, visit);
  }
  /// The same in a normalized text.
  template <class Visit>
  void cut_normalized(std::string_view text, bool parse_special, const Visit& visit) const {
    cut(normalized_, text, parse_special, visit);
  }

 private:
  struct Set {
    std::vector<std::string> spellings;
    std::vector<const AddedToken*> tokens;  // [spellings]
    SpecialMatcher matcher;
    bool used = false;
    void finish();
  };

  struct Span {
    std::size_t begin, end;
  };
  /// The part of the text that a match takes, or nothing of it where the token does not apply.
  bool applies(const AddedToken& token, std::string_view text, bool parse_special, std::size_t done, Span& span) const;
  bool is_word(std::string_view text, std::size_t at) const;

  template <class Visit>
  void cut(const Set& set, std::string_view text, bool parse_special, const Visit& visit) const {
    std::size_t done = 0, from = 0;
    while (set.used && from < text.size()) {
      const SpecialMatch match = set.matcher.find(text, from);
      if (match.token == kNoToken) break;
      from = match.begin + match.length;
      const AddedToken& token = *set.tokens[static_cast<std::size_t>(match.token)];
      Span span{match.begin, from};
      if (!applies(token, text, parse_special, done, span)) continue;
      if (span.begin > done) visit(text.substr(done, span.begin - done), kNoToken);
      visit(text.substr(span.begin, span.end - span.begin), token.id);
      done = span.end;
      if (mode_ == SpecialAsText::not_matched) from = done;
    }
    if (done < text.size()) visit(text.substr(done), kNoToken);
  }

  std::vector<AddedToken> tokens_;
  SpecialAsText mode_ = SpecialAsText::matched_and_passed;
  Set raw_, normalized_;
  Set plain_;  // SpecialAsText::not_matched: those that are not special
  std::shared_ptr<const Regex> word_;
};

}  // namespace plumb
