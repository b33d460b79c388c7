#include <algorithm>

#include "format.hpp"
#include "interpreter.hpp"
#include "operators.hpp"
#include "print.hpp"
#include "search.hpp"
#include "unicode.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

Value Interpreter::text(std::string bytes, bool markup) {
  budget.spend_bytes(bytes.size());
  Charge charge(&budget, sizeof(Text) + 48 + bytes.size());
  return Value(std::make_shared<const Text>(Text{std::move(bytes), markup, std::move(charge)}));
}

Value Interpreter::list(std::vector<Value> items, bool tuple) {
  budget.spend_bytes(items.size() * sizeof(Value));
  Charge charge(&budget, sizeof(List) + 48 + items.size() * sizeof(Value));
  const int depth = depth_around(items);
  return Value(std::make_shared<const List>(
      List{.items = std::move(items), .tuple = tuple, .depth = depth, .charge = std::move(charge)}));
}

Value Interpreter::dict(Dict entries) {
  budget.spend_bytes(entries.bytes());
  entries.charge(budget);
  return Value(std::make_shared<const Dict>(std::move(entries)));
}

Value Interpreter::generator(std::vector<Value> items) {
  auto made = std::make_shared<Generator>(std::move(items));
  made->charge = Charge(&budget, sizeof(Generator) + made->items.size() * sizeof(Value));
  return Value(std::static_pointer_cast<Object>(std::move(made)));
}

Value Interpreter::names(Dict attributes) {
  budget.take(sizeof(Namespace) + 64);
  auto made = std::make_shared<Namespace>();
  made->attributes = std::move(attributes);
  made->attributes.charge(budget);
  namespaces_.push_back(made);
  return Value(std::static_pointer_cast<Object>(std::move(made)));
}

Items::Items(Interpreter& in, Value source) : in_(&in), source_(std::move(source)) {
  if (!is_iterable(source_)) stop(Fault::type, "TypeError: '" + type_name(source_) + "' object is not iterable");
}

bool Items::next(Value& out) {
  in_->budget.spend(1);
  switch (source_.kind()) {
    case Kind::string: {
      const std::string& text = source_.string();
      if (at_ >= text.size()) return false;
      const std::size_t begin = at_;
      next_code_point(text, at_);
      out = in_->text(text.substr(begin, at_ - begin));
      return true;
    }
    case Kind::list:
      if (at_ >= source_.items().size()) return false;
      out = source_.items()[at_++];
      return true;
    case Kind::dict:
      if (at_ >= source_.dict().size()) return false;
      out = source_.dict().begin()[at_++].key;
      return true;
    case Kind::object: break;
    default: return false;
  }
  if (const auto* range = source_.as<Range>()) {
    if (at_ >= range->size()) return false;
    out = range->at(at_++);
    return true;
  }
  if (auto* generator = source_.as<Generator>()) {
    if (generator->next >= generator->items.size()) return false;
    out = generator->items[generator->next++];
    return true;
  }
  const auto* view = source_.as<DictView>();
  if (!view || at_ >= view->dict().size()) return false;
  const Dict::Entry& entry = view->dict().begin()[at_++];
  if (view->part == DictView::Part::items)
    out = in_->list({entry.key, entry.value}, true);
  else
    out = view->part == DictView::Part::keys ? entry.key : entry.value;
  return true;
}

bool is_iterable(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined:
    case Kind::string:
    case Kind::list:
    case Kind::dict: return true;
    case Kind::object: return value.as<Range>() || value.as<Generator>() || value.as<DictView>();
    default: return false;
  }
}

std::optional<std::int64_t> length_of(const Value& value) {
  switch (value.kind()) {
    case Kind::undefined: return 0;
    case Kind::string: return static_cast<std::int64_t>(code_points(value.string()));
    case Kind::list: return static_cast<std::int64_t>(value.items().size());
    case Kind::dict: return static_cast<std::int64_t>(value.dict().size());
    case Kind::object:
      if (const auto* range = value.as<Range>()) return static_cast<std::int64_t>(range->size());
      if (const auto* view = value.as<DictView>()) return static_cast<std::int64_t>(view->dict().size());
      return std::nullopt;
    default: return std::nullopt;
  }
}

std::vector<Value> Interpreter::all(const Value& iterable) {
  if (iterable.is(Kind::list)) {
    budget.spend_bytes(iterable.items().size() * sizeof(Value));
    budget.expect(iterable.items().size() * sizeof(Value));
    return {iterable.items().begin(), iterable.items().end()};
  }
  std::vector<Value> out;
  Items items(*this, iterable);
  for (Value item; items.next(item);) {
    budget.expect(out.size() * sizeof(Value));
    out.push_back(std::move(item));
  }
  return out;
}

namespace {

/// How messages call the type of a value: "dict object".
std::string type_title(const Value& value) { return value.is(Kind::none) ? "None" : type_name(value) + " object"; }

Value unsafe(const Value& value, std::string_view name) {
  return Value::undefined(
      "access to attribute '" + std::string(name) + "' of '" + type_name(value) + "' object is unsafe.", true);
}

/// Methods that change what they belong to.
bool is_mutator(const Value& value, std::string_view name) {
  constexpr std::string_view kList[] = {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"};
  constexpr std::string_view kDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
  if (value.is(Kind::list) && !value.is_tuple())
    return std::find(std::begin(kList), std::end(kList), name) != std::end(kList);
  return value.is(Kind::dict) && std::find(std::begin(kDict), std::end(kDict), name) != std::end(kDict);
}

std::optional<Value> object_attribute(const Value& value, std::string_view name) {
  if (auto* loop = value.as<Loop>()) return loop->attribute(name);
  if (const auto* names = value.as<Namespace>()) {
    if (const Value* found = names->attributes.get(name)) return *found;
  } else if (const auto* cycler = value.as<Cycler>()) {
    if (name == "current") return cycler->items[cycler->at];
  } else if (const auto* macro = value.as<Macro>()) {
    if (name == "name") return Value(macro->stmt.signature->title);
  } else if (const auto* range = value.as<Range>()) {
    if (name == "start") return range->start;
    if (name == "stop") return range->stop;
    if (name == "step") return range->step;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Value> Interpreter::own_attribute(const Value& value, std::string_view name) {
  if (name.starts_with("__") && name.ends_with("__")) return unsafe(value, name);
  if (value.is(Kind::object)) {
    if (std::optional<Value> found = object_attribute(value, name)) {
      if (name.starts_with("_")) return unsafe(value, name);
      return found;
    }
  }
  if (value.is(Kind::list) && value.list().group) {
    if (name == "grouper") return value.items()[0];
    if (name == "list") return value.items()[1];
  }
  if (is_mutator(value, name)) return unsafe(value, name);
  if (const Builtin* method = find_method(value, name))
    return Value(std::static_pointer_cast<Object>(std::make_shared<Method>(*method, value)));
  return std::nullopt;
}

Value Interpreter::attribute(const Value& value, const Value& name) {
  need_defined(value);
  if (std::optional<Value> own = own_attribute(value, name.string())) return std::move(*own);
  if (value.is(Kind::dict))
    if (const Value* found = value.dict().get(name.string())) return *found;
  return Value::undefined("'" + type_title(value) + "' has no attribute " + repr(name));
}

Value Interpreter::item(const Value& value, const Value& key) {
  need_defined(value);
  if (value.is(Kind::dict)) {
    if (key.is(Kind::string)) {
      budget.spend_bytes(key.string().size());
      if (const Value* found = value.dict().get(key.string())) return *found;
    } else if (!(key.is(Kind::list) && !key.is_tuple()) && !key.is(Kind::dict)) {
      if (const Value* found = value.dict().find(key)) return *found;
    }
  } else if (key.is_int()) {
    const std::optional<std::int64_t> size = value.as<DictView>() ? std::nullopt : length_of(value);
    std::int64_t index = index_of(key);
    if (size && index < 0) index += *size;
    if (size && index >= 0 && index < *size) {
      const auto i = static_cast<std::size_t>(index);
      if (value.is(Kind::list)) return value.items()[i];
      if (const auto* range = value.as<Range>()) return range->at(i);
      const std::string& whole = value.string();
      budget.spend_bytes(2 * whole.size());
      const std::size_t begin = byte_of(whole, i);
      std::size_t end = begin;
      next_code_point(whole, end);
      return text(whole.substr(begin, end - begin));
    }
  }
  if (key.is(Kind::string)) {
    if (std::optional<Value> own = own_attribute(value, key.string())) return std::move(*own);
    return Value::undefined("'" + type_title(value) + "' has no attribute " + repr(key, &budget));
  }
  return Value::undefined(type_title(value) + " has no element " + repr(key, &budget));
}

Value Interpreter::slice(const Value& value, const Value& start, const Value& stop_at, const Value& step_by) {
  need_defined(value);
  const auto bound = [](const Value& v, std::int64_t otherwise) {
    if (v.is(Kind::none)) return otherwise;
    if (!v.is_int()) stop(Fault::type, "TypeError: slice indices must be integers or None");
    return index_of(v);
  };
  const auto* range = value.as<Range>();
  if (!value.is(Kind::string) && !value.is(Kind::list) && !range)
    stop(Fault::type, "TypeError: '" + type_name(value) + "' object is not subscriptable");
  const std::int64_t size = *length_of(value);
  const std::int64_t step = bound(step_by, 1);
  if (step == 0) stop(Fault::type, "ValueError: slice step cannot be zero");
  const auto clamped = [&](std::int64_t index) {
    if (index < 0) index = index < -size ? -1 : index + size;
    return step > 0 ? std::clamp<std::int64_t>(index, 0, size) : std::clamp<std::int64_t>(index, -1, size - 1);
  };
  const std::int64_t first = start.is(Kind::none) ? (step > 0 ? 0 : size - 1) : clamped(bound(start, 0));
  const std::int64_t last = stop_at.is(Kind::none) ? (step > 0 ? size : -1) : clamped(bound(stop_at, 0));
  std::vector<std::size_t> chosen;
  const std::int64_t distance = step > 0 ? last - first : first - last;
  const auto stride = step > 0 ? static_cast<std::uint64_t>(step) : 0 - static_cast<std::uint64_t>(step);
  const std::uint64_t count = distance <= 0 ? 0 : (static_cast<std::uint64_t>(distance) - 1) / stride + 1;
  if (range) {
    const std::int64_t begin = count > 0 ? range->at(static_cast<std::size_t>(first)).integer() : 0;
    const std::int64_t by = count > 1 ? range->step * step : 1;
    return Value(std::static_pointer_cast<Object>(
        std::make_shared<Range>(begin, begin + static_cast<std::int64_t>(count) * by, by)));
  }
  budget.spend_bytes(value.is(Kind::string) ? value.string().size() : 0);
  budget.spend_bytes(count * sizeof(Value));
  budget.expect(count * sizeof(Value));
  if (value.is(Kind::string) && step == 1) {
    const std::string& whole = value.string();
    const std::size_t begin = byte_of(whole, static_cast<std::size_t>(first));
    const std::string_view rest = std::string_view(whole).substr(begin);
    return text(std::string(rest.substr(0, byte_of(rest, count))), value.text().markup);
  }
  for (std::uint64_t i = 0; i < count; ++i)
    chosen.push_back(static_cast<std::size_t>(first + static_cast<std::int64_t>(i) * step));
  if (value.is(Kind::string)) {
    const std::string& whole = value.string();
    std::vector<std::size_t> begins;
    for (std::size_t at = 0; at < whole.size(); next_code_point(whole, at)) begins.push_back(at);
    begins.push_back(whole.size());
    std::string out;
    for (const std::size_t i : chosen) out.append(whole, begins[i], begins[i + 1] - begins[i]);
    return text(std::move(out), value.text().markup);
  }
  std::vector<Value> out;
  for (const std::size_t i : chosen) out.push_back(value.items()[i]);
  return list(std::move(out), value.is_tuple());
}

bool Interpreter::contains(const Value& container, const Value& value) {
  if (container.is(Kind::string)) {
    need_defined(value);
    if (!value.is(Kind::string))
      stop(Fault::type, "TypeError: 'in <string>' requires string as left operand, not " + type_name(value));
    return find_text(container.string(), value.string(), 0, budget) != std::string::npos;
  }
  if (container.is(Kind::dict)) return container.dict().find(value) != nullptr;
  const auto* view = container.as<DictView>();
  if (view && view->part == DictView::Part::keys) return view->dict().find(value) != nullptr;
  if (!is_iterable(container))
    stop(Fault::type, "TypeError: argument of type '" + type_name(container) + "' is not iterable");
  Items items(*this, container);
  for (Value item; items.next(item);)
    if (equal(item, value, &budget)) return true;
  return false;
}

Value Interpreter::binary(Arithmetic operation, const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return arithmetic(operation, a, b);
  need_defined(a);
  if (operation == Arithmetic::modulo && a.is(Kind::string)) return text(printf_text(*this, a.string(), b));
  need_defined(b);
  const auto sequence = [](const Value& v) { return v.is(Kind::string) || v.is(Kind::list); };
  if (operation == Arithmetic::add && sequence(a)) {
    if (a.kind() != b.kind() || a.is_tuple() != b.is_tuple()) {
      const std::string kind = type_name(a) == "Markup" ? "str" : type_name(a);
      stop(Fault::type, "TypeError: can only concatenate " + kind + " (not \"" + type_name(b) + "\") to " + kind);
    }
    if (a.is(Kind::list)) {
      budget.expect((a.items().size() + b.items().size()) * sizeof(Value));
      std::vector<Value> items;
      items.reserve(a.items().size() + b.items().size());
      items.insert(items.end(), a.items().begin(), a.items().end());
      items.insert(items.end(), b.items().begin(), b.items().end());
      return list(std::move(items), a.is_tuple());
    }
    budget.expect(a.string().size() + b.string().size());
    if (a.text().markup == b.text().markup) return text(a.string() + b.string(), a.text().markup);
    return a.text().markup ? text(a.string() + escaped_html(b.string()), true)
                           : text(escaped_html(a.string()) + b.string(), true);
  }
  if (operation == Arithmetic::multiply && (sequence(a) || sequence(b))) {
    const Value& whole = sequence(a) ? a : b;
    const Value& times = sequence(a) ? b : a;
    if (!times.is_int())
      stop(Fault::type, "TypeError: can't multiply sequence by non-int of type '" + type_name(times) + "'");
    const auto count = static_cast<std::size_t>(std::max<std::int64_t>(index_of(times), 0));
    const std::size_t size = whole.is(Kind::string) ? whole.string().size() : whole.items().size() * sizeof(Value);
    budget.expect(size > 0 && count > (std::size_t{1} << 40) / size ? std::size_t{1} << 40 : size * count);
    if (whole.is(Kind::string)) {
      std::string out;
      out.reserve(size * count);
      for (std::size_t i = 0; size > 0 && i < count; ++i) out += whole.string();
      return text(std::move(out), whole.text().markup);
    }
    std::vector<Value> items;
    for (std::size_t i = 0; size > 0 && i < count; ++i)
      items.insert(items.end(), whole.items().begin(), whole.items().end());
    return list(std::move(items), whole.is_tuple());
  }
  return arithmetic(operation, a, b);
}

}  // namespace plumb
