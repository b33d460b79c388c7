/// The functions that every template has, and the methods of lists, dictionaries and loops.

#include <algorithm>
#include <cmath>
#include <span>

#include "filters.hpp"
#include "interpreter.hpp"
#include "operators.hpp"
#include "print.hpp"
#include "strftime.hpp"

namespace plumb::inline PLUMB_ABI::jinja {
namespace {

template <typename T, typename... A>
Value object(A&&... arguments) {
  return Value(std::static_pointer_cast<Object>(std::make_shared<T>(std::forward<A>(arguments)...)));
}

Value function_range(Call& c) {
  constexpr std::size_t kMaxRange = 100'000;
  const auto bound = [&](std::size_t i) {
    constexpr std::int64_t kFar = std::int64_t{1} << 60;
    return std::clamp(index_of(c[i]), -kFar, kFar);
  };
  const bool both = c.has(1);
  const std::int64_t step = c.has(2) ? bound(2) : 1;
  if (step == 0) stop(Fault::type, "ValueError: range() arg 3 must not be zero");
  const Range range(both ? bound(0) : 0, bound(both ? 1 : 0), step);
  if (range.size() > kMaxRange)
    stop(Fault::limit, "Range too big. The sandbox blocks ranges larger than " + std::to_string(kMaxRange) + ".");
  return object<Range>(range);
}

Dict dict_of(Call& c) {
  Dict out;
  if (c.rest.positional.size() > 1) stop(Fault::type, "TypeError: dict expected at most 1 argument");
  if (!c.rest.positional.empty()) {
    const Value& from = c.rest.positional[0];
    if (from.is(Kind::dict)) {
      for (const Dict::Entry& entry : from.dict()) out.set(entry.key, entry.value);
    } else {
      for (const Value& pair : c.in.all(from)) {
        const std::vector<Value> parts = c.in.all(pair);
        if (parts.size() != 2)
          stop(Fault::type, "ValueError: dictionary update sequence element has length " +
                                std::to_string(parts.size()) + "; 2 is required");
        out.set(parts[0], parts[1]);
        c.in.budget.expect(out.bytes());
      }
    }
    c.in.budget.spend_bytes(out.bytes());
  }
  for (auto& [name, value] : c.rest.named) out.set(Value(name), value);
  return out;
}

Value function_dict(Call& c) { return c.in.dict(dict_of(c)); }
Value function_namespace(Call& c) { return c.in.names(dict_of(c)); }

Value function_cycler(Call& c) {
  if (c.rest.positional.empty()) stop(Fault::type, "RuntimeError: at least one item has to be provided");
  c.in.budget.take(c.rest.positional.size() * sizeof(Value));
  return object<Cycler>(c.rest.positional);
}

Value function_joiner(Call& c) { return object<Joiner>(c.value(0, ", ")); }

Value function_raise(Call& c) { stop(Fault::raised, c.in.str(c[0])); }

Value function_strftime(Call& c) {
  if (!c.in.now()) stop(Fault::type, "strftime_now: no time was given to this template");
  return c.in.text(strftime_text(c.text(0), *c.in.now(), c.in.budget));
}

constexpr Builtin kFunctions[] = {
    {"range", function_range, "start! stop step"},
    {"dict", function_dict, "*"},
    {"namespace", function_namespace, "*"},
    {"cycler", function_cycler, "*"},
    {"joiner", function_joiner, "sep"},
    {"raise_exception", function_raise, "message!"},
    {"strftime_now", function_strftime, "format!"},
};

Value view(Call& c, DictView::Part part) { return object<DictView>(c.self, part); }

constexpr Builtin kDictMethods[] = {
    {"items", [](Call& c) { return view(c, DictView::Part::items); }},
    {"keys", [](Call& c) { return view(c, DictView::Part::keys); }},
    {"values", [](Call& c) { return view(c, DictView::Part::values); }},
    {"get",
     [](Call& c) {
       const Value* found = c.self.dict().find(c[0]);
       return found ? *found : c.value(1, {});
     },
     "key! default"},
    {"copy", [](Call& c) { return c.in.dict(c.self.dict()); }},
};

Value list_index(Call& c) {
  const auto size = static_cast<std::int64_t>(c.self.items().size());
  const auto bound = [&](std::size_t i, std::int64_t otherwise) {
    const std::int64_t at = c.integer(i, otherwise);
    return std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size);
  };
  for (std::int64_t i = bound(1, 0); i < bound(2, size); ++i)
    if (equal(c.self.items()[static_cast<std::size_t>(i)], c[0], &c.in.budget)) return i;
  stop(Fault::type, "ValueError: " + repr(c[0], &c.in.budget) + " is not in list");
}

Value list_count(Call& c) {
  const auto items = c.self.items();
  return static_cast<std::int64_t>(
      std::count_if(items.begin(), items.end(), [&](const Value& item) { return equal(item, c[0], &c.in.budget); }));
}

constexpr Builtin kListMethods[] = {
    {"index", list_index, "value! start stop"},
    {"count", list_count, "value!"},
    {"copy", [](Call& c) { return c.in.list(c.in.all(c.self)); }},
};

Value loop_changed(Call& c) {
  auto loop = std::dynamic_pointer_cast<Loop>(c.self.object());
  if (!loop->remembers()) c.in.keep(loop);
  return loop->changed(c.rest);
}

constexpr Builtin kLoopMethods[] = {
    {"cycle", [](Call& c) { return c.self.as<Loop>()->cycle(c.rest); }, "*"},
    {"changed", loop_changed, "*"},
};

constexpr Builtin kCyclerMethods[] = {
    {"next",
     [](Call& c) {
       auto* cycler = c.self.as<Cycler>();
       Value out = cycler->items[cycler->at];
       cycler->at = (cycler->at + 1) % cycler->items.size();
       return out;
     }},
    {"reset",
     [](Call& c) {
       c.self.as<Cycler>()->at = 0;
       return Value();
     }},
};

constexpr Builtin kRealMethods[] = {
    {"is_integer", [](Call& c) { return Value(c.self.real() == std::trunc(c.self.real())); }},
};

const Builtin* find(std::span<const Builtin> table, std::string_view name) {
  const auto found = std::find_if(table.begin(), table.end(), [&](const Builtin& b) { return b.name == name; });
  return found == table.end() ? nullptr : &*found;
}

}  // namespace

const Builtin* find_function(std::string_view name) { return find(kFunctions, name); }

const Builtin* find_method(const Value& self, std::string_view name) {
  switch (self.kind()) {
    case Kind::string: {
      const Builtin* found = find(string_methods(), name);
      return found ? found : find(string_searches(), name);
    }
    case Kind::list: return self.is_tuple() && name == "copy" ? nullptr : find(kListMethods, name);
    case Kind::dict: return find(kDictMethods, name);
    case Kind::real: return find(kRealMethods, name);
    case Kind::object:
      if (self.as<Loop>()) return find(kLoopMethods, name);
      return self.as<Cycler>() ? find(kCyclerMethods, name) : nullptr;
    default: return nullptr;
  }
}

}  // namespace plumb
