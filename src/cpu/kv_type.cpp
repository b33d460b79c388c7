#include "plumb/cpu/kv_type.hpp"

#include "plumb/core/printable.hpp"

namespace plumb::inline PLUMB_ABI {

DType kv_type_from_name(std::string_view name) {
  std::string lower(name);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (lower == "f32") return DType::f32;
  if (lower == "f16") return DType::f16;
  if (lower == "int8" || lower == "q8_0" || lower == "i8") return DType::i8;
  throw Error(ErrorCode::invalid_argument,
              "no cache has keys and values of type " + quote(name) + "; expected " + std::string(kKvTypeNames));
}

}  // namespace plumb
