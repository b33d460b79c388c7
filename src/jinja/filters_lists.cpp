/// Filters that take lists, and make lists or choose from them.

#include <algorithm>

#include "filters.hpp"
#include "interpreter.hpp"
#include "operators.hpp"
#include "print.hpp"
#include "search.hpp"
#include "unicode.hpp"

namespace plumb::inline PLUMB_ABI::jinja {
namespace {

/// What "a.b.0" or 1 finds in an item.
class Getter {
 public:
  Getter(Interpreter& in, const Value& attribute) : in_(in) {
    if (attribute.is(Kind::none)) return;
    if (!attribute.is(Kind::string)) {
      parts_.push_back(attribute);
      return;
    }
    std::string_view left = attribute.string();
    for (;;) {
      const std::size_t dot = std::min(left.find('.'), left.size());
      const std::string_view part = left.substr(0, dot);
      const bool digits = !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
      parts_.push_back(digits ? Value::integer(part) : Value(part));
      if (dot == left.size()) break;
      left.remove_prefix(dot + 1);
    }
  }

  /// `otherwise` stands in for what is undefined on the way; null: nothing does.
  Value operator()(Value item, const Value* otherwise = nullptr) const {
    for (const Value& part : parts_) {
      item = in_.item(item, part);
      if (otherwise && item.is(Kind::undefined)) item = *otherwise;
    }
    return item;
  }

 private:
  Interpreter& in_;
  std::vector<Value> parts_;
};

/// Texts that are compared without their case.
Value folded(Interpreter& in, const Value& value) {
  return value.is(Kind::string) ? in.text(to_lower(value.string())) : value;
}

/// What a filter compares items by: an attribute, or a list of several with commas between them.
class Key {
 public:
  Key(Interpreter& in, const Value& attribute, bool case_sensitive, bool several = false)
      : in_(in), case_sensitive_(case_sensitive), several_(several) {
    if (!attribute.is(Kind::string) || !several) {
      getters_.emplace_back(in, attribute);
      return;
    }
    std::string_view left = attribute.string();
    for (std::size_t comma; (comma = left.find(',')) != std::string_view::npos; left.remove_prefix(comma + 1))
      getters_.emplace_back(in, Value(left.substr(0, comma)));
    getters_.emplace_back(in, Value(left));
  }

  Value operator()(const Value& item, const Value* otherwise = nullptr) const {
    if (!several_) return one(getters_[0](item, otherwise));
    std::vector<Value> keys;
    for (const Getter& getter : getters_) keys.push_back(one(getter(item, otherwise)));
    return in_.list(std::move(keys));
  }

 private:
  Value one(Value value) const { return case_sensitive_ ? value : folded(in_, value); }

  Interpreter& in_;
  bool case_sensitive_, several_;
  std::vector<Getter> getters_;
};

struct Keyed {
  Value key, item;
};

/// Stable, and slow in a way that is paid for: a comparison may throw, and need not be an order.
std::vector<Keyed> sorted(Interpreter& in, std::vector<Keyed> items, bool reverse) {
  std::vector<Keyed> other(items.size());
  for (std::size_t width = 1; width < items.size(); width *= 2) {
    for (std::size_t begin = 0; begin < items.size(); begin += 2 * width) {
      const std::size_t middle = std::min(begin + width, items.size()), end = std::min(begin + 2 * width, items.size());
      std::size_t left = begin, right = middle;
      for (std::size_t i = begin; i < end; ++i) {
        const bool from_right =
            left == middle || (right < end && (reverse ? less(items[left].key, items[right].key, &in.budget)
                                                       : less(items[right].key, items[left].key, &in.budget)));
        other[i] = std::move(items[from_right ? right++ : left++]);
      }
    }
    std::swap(items, other);
  }
  return items;
}

std::vector<Keyed> keyed(Call& c, const Key& key, const Value* otherwise = nullptr) {
  std::vector<Keyed> out;
  for (Value& item : c.in.all(c.self)) {
    Value by = key(item, otherwise);
    out.push_back({std::move(by), std::move(item)});
  }
  return out;
}

std::vector<Value> items_of(std::vector<Keyed> from) {
  std::vector<Value> out;
  out.reserve(from.size());
  for (Keyed& entry : from) out.push_back(std::move(entry.item));
  return out;
}

Value filter_sort(Call& c) {
  const Key key(c.in, c.value(2, {}), c.flag(1, false), true);
  return c.in.list(items_of(sorted(c.in, keyed(c, key), c.flag(0, false))));
}

Value filter_dictsort(Call& c) {
  if (!c.self.is(Kind::dict)) {
    need_defined(c.self);
    stop(Fault::type, "TypeError: dictsort needs a mapping, not " + type_name(c.self));
  }
  const std::string by = c.has(1) ? c.text(1) : "key";
  if (by != "key" && by != "value") stop(Fault::type, "You can only sort by either \"key\" or \"value\"");
  std::vector<Keyed> entries;
  for (const Dict::Entry& entry : c.self.dict()) {
    const Value& key = by == "key" ? entry.key : entry.value;
    entries.push_back({c.flag(0, false) ? key : folded(c.in, key), c.in.list({entry.key, entry.value}, true)});
  }
  return c.in.list(items_of(sorted(c.in, std::move(entries), c.flag(2, false))));
}

Value filter_groupby(Call& c) {
  const Value otherwise = c.value(1, {});
  const bool case_sensitive = c.flag(2, false);
  const Key key(c.in, c[0], case_sensitive);
  const Value* fallback = otherwise.is(Kind::none) ? nullptr : &otherwise;
  std::vector<Value> groups;
  const std::vector<Keyed> all = sorted(c.in, keyed(c, key, fallback), false);
  for (std::size_t i = 0; i < all.size();) {
    std::vector<Value> members;
    const std::size_t first = i;
    for (; i < all.size() && equal(all[i].key, all[first].key, &c.in.budget); ++i) members.push_back(all[i].item);
    // The name of a group is that of its first member, as it is spelled there.
    const Value name = case_sensitive ? all[first].key : Key(c.in, c[0], true)(members[0], fallback);
    const Value pair = c.in.list({name, c.in.list(std::move(members))}, true);
    List group = pair.list();
    group.group = true;
    groups.push_back(Value(std::make_shared<const List>(std::move(group))));
  }
  return c.in.list(std::move(groups));
}

Value filter_unique(Call& c) {
  const Key key(c.in, c.value(1, {}), c.flag(0, false));
  Dict seen;
  std::vector<Value> out;
  for (Keyed& entry : keyed(c, key)) {
    if (seen.find(entry.key)) continue;
    seen.set(entry.key, {});
    out.push_back(std::move(entry.item));
  }
  return c.in.generator(std::move(out));
}

Value extreme(Call& c, bool largest) {
  const Key key(c.in, c.value(1, {}), c.flag(0, false));
  std::vector<Keyed> all = keyed(c, key);
  if (all.empty()) return Value::undefined("No aggregated item, sequence was empty.");
  std::size_t best = 0;
  for (std::size_t i = 1; i < all.size(); ++i)
    if (largest ? compare(all[i].key, all[best].key, ">", &c.in.budget) == 1
                : less(all[i].key, all[best].key, &c.in.budget))
      best = i;
  return all[best].item;
}

Value filter_max(Call& c) { return extreme(c, true); }
Value filter_min(Call& c) { return extreme(c, false); }

Value filter_sum(Call& c) {
  const Getter getter(c.in, c.value(0, {}));
  Value total = c.value(1, 0);
  if (total.is(Kind::string)) stop(Fault::type, "TypeError: sum() can't sum strings [use ''.join(seq) instead]");
  for (const Value& item : c.in.all(c.self)) total = c.in.binary(Arithmetic::add, total, getter(item));
  return total;
}

Value filter_join(Call& c) {
  const Getter getter(c.in, c.value(1, {}));
  const std::string separator = c.has(0) ? c.in.str(c[0]) : "";
  std::string out;
  bool first = true;
  for (const Value& item : c.in.all(c.self)) {
    const std::string piece = c.in.str(getter(item));
    c.in.budget.expect(out.size() + separator.size() + piece.size());
    c.in.budget.spend_bytes(separator.size());
    if (!first) out += separator;
    first = false;
    out += piece;
  }
  return c.in.text(std::move(out));
}

Value filter_first(Call& c) {
  Items items(c.in, c.self);
  Value item;
  return items.next(item) ? item : Value::undefined("No first item, sequence was empty.");
}

Value filter_last(Call& c) {
  if (c.self.as<Generator>() || !is_iterable(c.self))
    stop(Fault::type, "TypeError: '" + type_name(c.self) + "' object is not reversible");
  if (c.self.is(Kind::string)) {
    if (c.self.string().empty()) return Value::undefined("No last item, sequence was empty.");
    return c.in.item(c.self, -1);
  }
  const std::vector<Value> all = c.in.all(c.self);
  return all.empty() ? Value::undefined("No last item, sequence was empty.") : all.back();
}

Value filter_length(Call& c) {
  const std::optional<std::int64_t> length = length_of(c.self);
  if (!length) stop(Fault::type, "TypeError: object of type '" + type_name(c.self) + "' has no len()");
  if (c.self.is(Kind::string)) c.in.budget.spend_bytes(c.self.string().size());
  return *length;
}

Value filter_list(Call& c) { return c.in.list(c.in.all(c.self)); }

Value filter_reverse(Call& c) {
  if (c.self.is(Kind::string)) return c.in.slice(c.self, {}, {}, -1);
  std::vector<Value> all = c.in.all(c.self);
  std::reverse(all.begin(), all.end());
  return c.in.generator(std::move(all));
}

Value filter_items(Call& c) {
  std::vector<Value> out;
  if (c.self.is(Kind::dict)) {
    for (const Dict::Entry& entry : c.self.dict()) out.push_back(c.in.list({entry.key, entry.value}, true));
  } else if (!c.self.is(Kind::undefined)) {
    stop(Fault::type, "TypeError: Can only get item pairs from a mapping.");
  }
  return c.in.generator(std::move(out));
}

Value filter_batch(Call& c) {
  const std::int64_t count = c.integer(0, 0);
  std::vector<Value> batches, batch;
  for (Value& item : c.in.all(c.self)) {
    if (static_cast<std::int64_t>(batch.size()) == count) batches.push_back(c.in.list(std::exchange(batch, {})));
    batch.push_back(std::move(item));
  }
  if (!batch.empty()) {
    if (c.has(1) && !c[1].is(Kind::none) && count > static_cast<std::int64_t>(batch.size())) {
      c.in.budget.expect(static_cast<std::size_t>(std::min<std::int64_t>(count, std::int64_t{1} << 40)) *
                         sizeof(Value));
      batch.resize(static_cast<std::size_t>(count), c[1]);
    }
    batches.push_back(c.in.list(std::move(batch)));
  }
  return c.in.generator(std::move(batches));
}

Value filter_slice(Call& c) {
  const std::vector<Value> all = c.in.all(c.self);
  const std::int64_t slices = c.integer(0, 0), size = static_cast<std::int64_t>(all.size());
  if (slices == 0) stop(Fault::type, "ZeroDivisionError: integer division or modulo by zero");
  std::vector<Value> out;
  auto at = all.begin();
  for (std::int64_t i = 0; i < slices; ++i) {
    c.in.budget.spend(1);
    const std::int64_t own = size / slices + (i < size % slices ? 1 : 0);
    std::vector<Value> part(at, at + own);
    at += own;
    if (c.has(1) && !c[1].is(Kind::none) && i >= size % slices) part.push_back(c[1]);
    out.push_back(c.in.list(std::move(part)));
  }
  return c.in.generator(std::move(out));
}

/// The items of the subject; whatever is false has none.
std::vector<Value> some(Call& c) { return truth(c.self) ? c.in.all(c.self) : std::vector<Value>(); }

Value filter_map(Call& c) {
  std::vector<Value> out;
  if (c.rest.positional.empty()) {
    const std::optional<Value> attribute = c.rest.take("attribute");
    const std::optional<Value> otherwise = c.rest.take("default");
    if (!attribute) stop(Fault::type, "map requires a filter argument");
    if (!c.rest.named.empty()) stop(Fault::type, "Unexpected keyword argument " + repr(Value(c.rest.named[0].first)));
    const Getter getter(c.in, *attribute);
    const bool stands_in = otherwise && !otherwise->is(Kind::none);
    for (const Value& item : some(c)) out.push_back(getter(item, stands_in ? &*otherwise : nullptr));
  } else {
    const std::string name = c.in.str(c.rest.positional[0]);
    Arguments arguments = c.rest;
    arguments.positional.erase(arguments.positional.begin());
    for (const Value& item : some(c)) out.push_back(c.in.filter(name, item, arguments));
  }
  return c.in.generator(std::move(out));
}

/// select and its kin: items for which a test of the item, or of its attribute, says `wanted`.
Value chosen(Call& c, bool wanted, bool by_attribute) {
  Arguments arguments = c.rest;
  const auto shift = [&] {
    Value first = std::move(arguments.positional.front());
    arguments.positional.erase(arguments.positional.begin());
    return first;
  };
  if (by_attribute && arguments.positional.empty()) stop(Fault::type, "Missing parameter for attribute name");
  const Getter getter(c.in, by_attribute ? shift() : Value());
  std::optional<std::string> test;
  if (!arguments.positional.empty()) test = c.in.str(shift());
  std::vector<Value> out;
  for (Value& item : some(c)) {
    const Value subject = getter(item);
    if ((test ? c.in.test(*test, subject, arguments) : truth(subject)) == wanted) out.push_back(std::move(item));
  }
  return c.in.generator(std::move(out));
}

Value filter_select(Call& c) { return chosen(c, true, false); }
Value filter_reject(Call& c) { return chosen(c, false, false); }
Value filter_selectattr(Call& c) { return chosen(c, true, true); }
Value filter_rejectattr(Call& c) { return chosen(c, false, true); }

constexpr Builtin kListFilters[] = {
    {"batch", filter_batch, "linecount! fill_with"},
    {"count", filter_length},
    {"dictsort", filter_dictsort, "case_sensitive by reverse"},
    {"first", filter_first},
    {"groupby", filter_groupby, "attribute! default case_sensitive"},
    {"items", filter_items},
    {"join", filter_join, "d attribute"},
    {"last", filter_last},
    {"length", filter_length},
    {"list", filter_list},
    {"map", filter_map, "*"},
    {"max", filter_max, "case_sensitive attribute"},
    {"min", filter_min, "case_sensitive attribute"},
    {"reject", filter_reject, "*"},
    {"rejectattr", filter_rejectattr, "*"},
    {"reverse", filter_reverse},
    {"select", filter_select, "*"},
    {"selectattr", filter_selectattr, "*"},
    {"slice", filter_slice, "slices! fill_with"},
    {"sort", filter_sort, "reverse case_sensitive attribute"},
    {"sum", filter_sum, "attribute start"},
    {"unique", filter_unique, "case_sensitive attribute"},
};

}  // namespace

std::span<const Builtin> list_filters() { return kListFilters; }

}  // namespace plumb
