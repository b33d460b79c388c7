#pragma once
/// @file
/// A reference to something callable, for visitors: what takes one need not be a template, and nothing is allocated as
/// std::function might. (C++26 has it as std::function_ref, P0792.)

#include <memory>
#include <type_traits>
#include <utility>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

template <class Signature>
class FunctionRef;

/// What a FunctionRef can be made from: anything that can be called so, but for another FunctionRef, which is copied.
template <class Callable, class Ref, class Result, class... Arguments>
concept CallableFor =
    !std::is_same_v<std::remove_cvref_t<Callable>, Ref> && std::is_invocable_r_v<Result, Callable&, Arguments...>;

/// Calls what it was made from, which must outlive it: made for parameters, not for members that stay.
template <class Result, class... Arguments>
class FunctionRef<Result(Arguments...)> {
 public:
  template <CallableFor<FunctionRef, Result, Arguments...> Callable>
  FunctionRef(Callable&& callable)  // NOLINT(google-explicit-constructor): a lambda is passed as it stands
      : object_(const_cast<void*>(static_cast<const volatile void*>(std::addressof(callable)))),
        call_([](void* object, Arguments... arguments) -> Result {
          return (*static_cast<std::add_pointer_t<Callable>>(object))(std::forward<Arguments>(arguments)...);
        }) {}

  Result operator()(Arguments... arguments) const { return call_(object_, std::forward<Arguments>(arguments)...); }

 private:
  void* object_;
  Result (*call_)(void* object, Arguments... arguments);
};

}  // namespace plumb
