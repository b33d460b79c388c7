#include "plumb/jinja/value.hpp"

#include <algorithm>

#include "big_integer.hpp"
#include "heap.hpp"
#include "operators.hpp"
#include "unicode.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

void Budget::out_of_steps() { stop(Fault::limit, "the template does not end in time"); }
void Budget::out_of_bytes() { stop(Fault::limit, "the template needs too much memory"); }

int depth_around(std::span<const Value> items) {
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  if (depth >= kMaxValueDepth) stop(Fault::limit, "lists and dictionaries are nested too deeply");
  return depth + 1;
}

Value::Value(std::string_view text) : data_(std::make_shared<const Text>(Text{valid_text(text)})) {}
Value::Value(Dict entries) : data_(std::make_shared<const Dict>(std::move(entries))) {}
Value::Value(std::shared_ptr<const BigInteger> value) : data_(std::move(value)) {}
Value::Value(std::shared_ptr<const Text> value) : data_(std::move(value)) {}
Value::Value(std::shared_ptr<const List> value) : data_(std::move(value)) {}
Value::Value(std::shared_ptr<const Dict> value) : data_(std::move(value)) {}
Value::Value(std::shared_ptr<Object> value) : data_(std::move(value)) {}

Value Value::list(std::vector<Value> items) {
  const int depth = depth_around(items);
  return Value(std::make_shared<const List>(List{.items = std::move(items), .depth = depth}));
}

Value Value::tuple(std::vector<Value> items) {
  const int depth = depth_around(items);
  return Value(std::make_shared<const List>(List{.items = std::move(items), .tuple = true, .depth = depth}));
}

Value Value::integer(std::string_view digits) {
  BigInteger value;
  if (!BigInteger::parse(digits, value)) throw Error(ErrorCode::bad_value, "a whole number has digits alone");
  return integer_value(std::move(value));
}

Value Value::undefined(std::string message, bool unsafe) {
  Value value;
  value.data_ = std::make_shared<const Missing>(Missing{std::move(message), unsafe});
  return value;
}

bool Value::is_tuple() const { return is(Kind::list) && list().tuple; }
const std::string& Value::string() const { return text().bytes; }
std::span<const Value> Value::items() const { return list().items; }

int Value::depth() const {
  switch (kind()) {
    case Kind::list: return list().depth;
    case Kind::dict: return dict().depth();
    case Kind::object: return object()->depth();
    default: return 0;
  }
}

namespace {
constexpr std::size_t kScanned = 8;  // entries that are found faster one by one
}

/// Where an entry is, or entries_.size().
template <typename Equal>
std::size_t Dict::position(std::size_t hash, const Equal& equal) const {
  if (slots_.empty()) {
    for (std::size_t i = 0; i < entries_.size(); ++i)
      if (hashes_[i] == hash && equal(entries_[i].key)) return i;
    return entries_.size();
  }
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = hash & mask; slots_[slot] != 0; slot = (slot + 1) & mask) {
    const std::size_t i = slots_[slot] - 1;
    if (hashes_[i] == hash && equal(entries_[i].key)) return i;
  }
  return entries_.size();
}

void Dict::index() {
  std::size_t size = 4 * kScanned;
  while (size < 2 * entries_.size() + 2) size *= 2;
  slots_.assign(size, 0);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    std::size_t slot = hashes_[i] & (size - 1);
    while (slots_[slot] != 0) slot = (slot + 1) & (size - 1);
    slots_[slot] = static_cast<std::uint32_t>(i + 1);
  }
}

void Dict::set(Value key, Value value) {
  const Value both[] = {key, value};
  depth_ = std::max(depth_, depth_around(both));
  const std::size_t hash = hash_of(key);
  const std::size_t at = position(hash, [&](const Value& other) { return equal(other, key); });
  if (at < entries_.size()) {
    entries_[at].value = std::move(value);
    return;
  }
  entries_.push_back({std::move(key), std::move(value)});
  hashes_.push_back(hash);
  if (entries_.size() <= kScanned) return;
  if (2 * entries_.size() > slots_.size()) return index();
  std::size_t slot = hash & (slots_.size() - 1);
  while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
  slots_[slot] = static_cast<std::uint32_t>(entries_.size());
}

const Value* Dict::find(const Value& key) const {
  const std::size_t at = position(hash_of(key), [&](const Value& other) { return equal(other, key); });
  return at < entries_.size() ? &entries_[at].value : nullptr;
}

const Value* Dict::get(std::string_view key) const {
  const std::size_t at = position(std::hash<std::string_view>()(key),
                                  [&](const Value& other) { return other.is(Kind::string) && other.string() == key; });
  return at < entries_.size() ? &entries_[at].value : nullptr;
}

}  // namespace plumb
