#pragma once
/// @file
/// Reads a large JSON text from front to back, value by value, without building a tree of it: a vocabulary and its
/// merges have a million values.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/core/error.hpp"

namespace plumb::inline PLUMB_ABI {

/// A place in a JSON text. Values are taken one after the other; the caller knows which kind comes next.
class JsonScanner {
 public:
  /// `where` names the text in messages. `text` must outlive the scanner.
  JsonScanner(std::string_view text, std::string where) : text_(text), where_(std::move(where)) {}

  /// The next character that is no white space, without taking it; 0 at the end.
  char peek();
  /// Takes a character. @throws Error{bad_value} unless it comes next.
  void expect(char wanted);
  /// For `open()` ... `while (more(']'))`: takes the comma between elements or the closing character.
  void open(char bracket) {
    expect(bracket);
    first_ = true;
  }
  bool more(char close);
  /// The same for elements without brackets around them, until the end of the text.
  bool more();

  /// A string: into the text, or into `storage` where it has escapes. @throws Error{bad_value} for a malformed one.
  std::string_view string(std::string& storage);
  /// The key of an object's member, with the colon.
  std::string_view key(std::string& storage);
  /// @throws Error{bad_value} unless a whole number of 63 bits, Error{wrong_type} for another kind of value.
  std::int64_t integer();
  double number();
  bool boolean();
  /// Takes `null` if it comes next.
  bool null();
  /// The text of the next value, whatever it is. It is checked for brackets and quotes, not for more.
  /// @throws Error{bad_value} for one nested deeper than 128 levels or not closed.
  /// `commas` gets the places in it of some of the commas between its elements, so that it can be read in parts.
  std::string_view skip(std::vector<std::size_t>* commas = nullptr);
  /// @throws Error{bad_value} unless the text ends here.
  void finish();

  [[noreturn]] void fail(const std::string& problem) const;
  [[noreturn]] void fail_type(std::string_view expected);
  const std::string& where() const { return where_; }

 private:
  void skip_string();
  void escape(std::string& out);
  std::uint32_t four_digits();

  std::string_view text_;
  std::size_t at_ = 0;
  bool first_ = true;  // nothing was taken from the array or object that was opened last
  std::string where_;
};

/// @throws Error{bad_value} naming `where` unless the text is UTF-8.
void check_utf8(std::string_view text, const std::string& where);

}  // namespace plumb
