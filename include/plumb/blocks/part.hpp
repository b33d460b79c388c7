#pragma once
/// @file
/// Parts of a layer as alternatives of a variant: a layer may lack one, and whoever walks layers says what it does with
/// each kind.

#include <type_traits>
#include <utility>
#include <variant>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// A layer without this part.
struct Nothing {
  bool operator==(const Nothing&) const = default;
};

namespace detail {
template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
}  // namespace detail

/// Calls the case for the kind of part that a variant holds; one that is missing does not compile.
template <class Variant, class... Cases>
decltype(auto) match(Variant&& variant, Cases&&... cases) {
  return std::visit(detail::Overloaded<std::decay_t<Cases>...>{std::forward<Cases>(cases)...},
                    std::forward<Variant>(variant));
}

/// The alternative W of a variant of weights, made if it holds another.
template <class W, class Variant>
W& weights_as(Variant& weights) {
  if (!std::holds_alternative<W>(weights)) weights.template emplace<W>();
  return std::get<W>(weights);
}

}  // namespace plumb
