#pragma once
/// @file
/// What templates compute with: the values of Python that chat templates know. Cheap to copy: texts, lists and
/// dictionaries are shared and never change once they are part of a value.

#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "plumb/jinja/budget.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

class BigInteger;
class Dict;
class Object;
struct Text;
struct List;
struct Missing;

/// What a value is. The order is that of the alternatives inside Value.
enum class Kind : std::uint8_t {
  undefined,  ///< what a name or key stands for that does not exist
  none,
  boolean,
  integer,      ///< 64 bits
  big_integer,  ///< more
  real,
  string,
  list,    ///< or a tuple
  dict,    ///< keeps the order of its keys
  object,  ///< functions, macros, loops, ranges, ...: made by templates alone
};

/// Deepest nesting of lists and dictionaries.
inline constexpr int kMaxValueDepth = 200;

/// Any value.
class PLUMB_API Value {
 public:
  /// None.
  Value() : data_(std::monostate{}) {}
  template <std::same_as<bool> T>
  Value(T value) : data_(value) {}
  template <std::signed_integral T>
  Value(T value) : data_(static_cast<std::int64_t>(value)) {}
  Value(double value) : data_(value) {}
  /// Valid UTF-8; what is not appears as U+FFFD.
  Value(std::string_view text);
  Value(const char* text) : Value(std::string_view(text)) {}
  Value(const std::string& text) : Value(std::string_view(text)) {}
  Value(Dict entries);
  explicit Value(std::shared_ptr<const BigInteger> value);
  explicit Value(std::shared_ptr<const Text> value);
  explicit Value(std::shared_ptr<const List> value);
  explicit Value(std::shared_ptr<const Dict> value);
  explicit Value(std::shared_ptr<Object> value);

  /// @throws TemplateError{limit} where nesting is deeper than kMaxValueDepth.
  static Value list(std::vector<Value> items);
  static Value tuple(std::vector<Value> items);
  /// A whole number of any size, in digits with an optional minus; up to 4300 of them. @throws Error{bad_value}.
  static Value integer(std::string_view digits);
  /// `message` is what the template's author is told who uses it; `unsafe`: the sandbox has refused it.
  static Value undefined(std::string message, bool unsafe = false);

  Kind kind() const { return static_cast<Kind>(data_.index()); }
  bool is(Kind kind) const { return this->kind() == kind; }
  bool is_tuple() const;
  /// Boolean, integer or big integer: what Python calls an int.
  bool is_int() const { return kind() >= Kind::boolean && kind() <= Kind::big_integer; }
  bool is_number() const { return kind() >= Kind::boolean && kind() <= Kind::real; }

  // The content of a value of that kind; anything else is a mistake of the caller (std::bad_variant_access).
  bool boolean() const { return std::get<bool>(data_); }
  /// Of a boolean too.
  std::int64_t integer() const { return is(Kind::boolean) ? boolean() : std::get<std::int64_t>(data_); }
  double real() const { return std::get<double>(data_); }
  const std::string& string() const;
  std::span<const Value> items() const;
  const Dict& dict() const { return *std::get<std::shared_ptr<const Dict>>(data_); }

  const BigInteger& big() const { return *std::get<std::shared_ptr<const BigInteger>>(data_); }
  const Text& text() const { return *std::get<std::shared_ptr<const Text>>(data_); }
  const List& list() const { return *std::get<std::shared_ptr<const List>>(data_); }
  const Missing& missing() const { return *std::get<std::shared_ptr<const Missing>>(data_); }
  const std::shared_ptr<Object>& object() const { return std::get<std::shared_ptr<Object>>(data_); }
  /// The object, if it is one of that class; otherwise null.
  template <typename T>
  T* as() const {
    return is(Kind::object) ? dynamic_cast<T*>(object().get()) : nullptr;
  }

  /// Nesting: 0 of plain values, 1 of a list of those.
  int depth() const;

 private:
  std::variant<std::shared_ptr<const Missing>, std::monostate, bool, std::int64_t, std::shared_ptr<const BigInteger>,
               double, std::shared_ptr<const Text>, std::shared_ptr<const List>, std::shared_ptr<const Dict>,
               std::shared_ptr<Object>>
      data_;
};

/// Keys and values in the order in which the keys came. Keys are what Python can hash: 1, 1.0 and True are one key.
class PLUMB_API Dict {
 public:
  struct Entry {
    Value key, value;
  };

  Dict() = default;
  Dict(std::initializer_list<Entry> entries) {
    for (const Entry& entry : entries) set(entry.key, entry.value);
  }

  /// Adds an entry, or replaces the value of one. @throws TemplateError{type} for a key that is a list or dictionary,
  /// {limit} where nesting is deeper than kMaxValueDepth.
  void set(Value key, Value value);
  /// Null if there is none. @throws TemplateError{type} as set.
  const Value* find(const Value& key) const;
  /// Of a text.
  const Value* get(std::string_view key) const;
  std::size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  const Entry* begin() const { return entries_.data(); }
  const Entry* end() const { return entries_.data() + entries_.size(); }
  int depth() const { return depth_; }
  /// Bytes of the table itself.
  std::size_t bytes() const { return entries_.size() * (sizeof(Entry) + 16); }
  void charge(Budget& budget) { charge_ = Charge(&budget, bytes()); }

 private:
  template <typename Equal>
  std::size_t position(std::size_t hash, const Equal& equal) const;
  void index();

  std::vector<Entry> entries_;
  std::vector<std::size_t> hashes_;
  std::vector<std::uint32_t> slots_;  // open addressing into entries_, one more than the position; empty while small
  int depth_ = 1;
  Charge charge_;
};

}  // namespace plumb
