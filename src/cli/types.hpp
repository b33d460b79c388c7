#pragma once
/// Names of element types on the command line.

#include <string>

#include "plumb/core/dtype.hpp"
#include "plumb/core/error.hpp"
#include "plumb/core/printable.hpp"

namespace plumb::cli {

/// A type that plumb multiplies with. @throws Error{invalid_argument, unsupported_type} that lists them.
inline DType parse_weight_type(const std::string& name) {
  std::string known;
  for (const DTypeInfo& info : kDTypes)
    if (info.computed) known += (known.empty() ? "" : ", ") + std::string(info.name);
  const auto type = dtype_from_name(name);
  if (!type)
    throw plumb::Error(ErrorCode::invalid_argument, "no weight type " + plumb::quote(name) + "; known: " + known);
  if (!dtype_info(*type).computed)
    throw plumb::Error(ErrorCode::unsupported_type,
                       "weights of type " + std::string(dtype_name(*type)) + " are not computed; those are: " + known);
  return *type;
}

/// A type of keys and values. @throws Error{invalid_argument}.
inline DType parse_kv_type(const std::string& name) {
  const auto type = dtype_from_name(name);
  if (!type || (*type != DType::f32 && *type != DType::f16 && *type != DType::q8_0))
    throw plumb::Error(ErrorCode::invalid_argument,
                       "keys and values of type " + plumb::quote(name) + ": expected F32, F16 or Q8_0");
  return *type;
}

}  // namespace plumb::cli
