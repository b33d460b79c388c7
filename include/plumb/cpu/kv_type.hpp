#pragma once
/// @file
/// The types that keys and values may have in a session's cache, and their names: one list for sessions, forecasts and
/// every option of the command line.

#include <string>
#include <string_view>

#include "plumb/core/dtype.hpp"
#include "plumb/core/error.hpp"

namespace plumb::inline PLUMB_ABI {

/// Types that keys and values may have: f32, f16, i8.
inline constexpr int kKvTypes = 3;
constexpr int kv_index(DType type) { return type == DType::f32 ? 0 : type == DType::f16 ? 1 : 2; }
constexpr bool is_kv_type(DType type) { return type == DType::f32 || type == DType::f16 || type == DType::i8; }

/// What kv_type_from_name knows, for messages and help.
inline constexpr std::string_view kKvTypeNames = "f32, f16 or int8 (also called q8_0 or i8)";

/// "f32", "f16" or "int8". `type` must be a type of keys and values.
constexpr std::string_view kv_type_name(DType type) {
  constexpr std::string_view kNames[kKvTypes] = {"f32", "f16", "int8"};
  return kNames[kv_index(type)];
}

/// The type of that name, in upper or lower case. "q8_0", as GGUF tools call it, and "i8" are the int8 cache: codes of
/// 8 bits with a scale for each key and value. @throws Error{invalid_argument} listing the names.
DType kv_type_from_name(std::string_view name);

/// Refuses a type that no cache has. @throws Error{invalid_argument} naming it.
inline void check_kv_type(DType type) {
  if (!is_kv_type(type))
    throw Error(ErrorCode::invalid_argument, "no cache has keys and values of type " + std::string(dtype_name(type)) +
                                                 "; expected " + std::string(kKvTypeNames));
}

}  // namespace plumb
