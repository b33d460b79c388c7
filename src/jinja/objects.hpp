#pragma once
/// The objects of templates that are data: ranges, views, generators, namespaces. Those that run are in callables.hpp.

#include <string>
#include <vector>

#include "heap.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

/// range(start, stop, step).
struct Range : Object {
  Range(std::int64_t from, std::int64_t to, std::int64_t by) : start(from), stop(to), step(by) {}
  std::string_view type_name() const override { return "range"; }
  std::string repr() const override {
    return "range(" + std::to_string(start) + ", " + std::to_string(stop) +
           (step == 1 ? "" : ", " + std::to_string(step)) + ")";
  }
  std::size_t size() const {
    if (step > 0 ? start >= stop : start <= stop) return 0;
    const auto distance = static_cast<std::uint64_t>(step > 0 ? stop - start : start - stop);
    const auto by = static_cast<std::uint64_t>(step > 0 ? step : -step);
    return static_cast<std::size_t>((distance + by - 1) / by);
  }
  Value at(std::size_t i) const { return start + static_cast<std::int64_t>(i) * step; }

  std::int64_t start, stop, step;  // within +-2^61, as many items as a Range may have
};

/// d.items(), d.keys(), d.values().
struct DictView : Object {
  enum class Part { items, keys, values };
  DictView(Value from, Part what) : owner(std::move(from)), part(what) {}
  std::string_view type_name() const override {
    return part == Part::items ? "dict_items" : part == Part::keys ? "dict_keys" : "dict_values";
  }
  int depth() const override { return owner.depth() + 1; }
  const Dict& dict() const { return owner.dict(); }

  Value owner;
  Part part;
};

/// What filters such as map make: its items can be walked once.
struct Generator : Object {
  explicit Generator(std::vector<Value> all) : items(std::move(all)), deepest(depth_around(items)) {}
  std::string_view type_name() const override { return "generator"; }
  std::string repr() const override { return "<generator object>"; }
  int depth() const override { return deepest; }

  std::vector<Value> items;
  std::size_t next = 0;
  int deepest;
  Charge charge;
};

/// namespace(): what `set ns.name` may change. Owned by the render, which breaks its cycles.
struct Namespace : Object {
  std::string_view type_name() const override { return "Namespace"; }

  Dict attributes;
};

/// cycler(...).
struct Cycler : Object {
  explicit Cycler(std::vector<Value> all) : items(std::move(all)), deepest(depth_around(items)) {}
  std::string_view type_name() const override { return "Cycler"; }
  int depth() const override { return deepest; }

  std::vector<Value> items;
  std::size_t at = 0;
  int deepest;
};

/// joiner(separator).
struct Joiner : Object {
  explicit Joiner(Value text) : separator(std::move(text)) {}
  std::string_view type_name() const override { return "Joiner"; }
  int depth() const override { return separator.depth() + 1; }

  Value separator;
  bool used = false;
};

}  // namespace plumb
