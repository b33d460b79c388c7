#pragma once
/// @file
/// The one exception that plumb throws on bad input, and the codes that tell what was wrong.

#include <stdexcept>
#include <string>
#include <string_view>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// What kind of thing was wrong. The message says which file, which field, what was found and what was expected.
enum class ErrorCode {
  io,                        ///< the operating system refused: open, read, map, write, rename
  truncated,                 ///< the file ends before what it announces
  bad_magic,                 ///< not a file of this format
  unsupported_version,       ///< a version of the format that this reader does not know
  big_endian,                ///< byte order other than little endian
  missing_key,               ///< a required metadata key or tensor is absent
  wrong_type,                ///< a value has another type than the field needs
  bad_value,                 ///< a value of the right type that makes no sense (NaN epsilon, zero heads, ...)
  bad_shape,                 ///< dimensions that disagree with the configuration or overflow
  bad_offset,                ///< a tensor that is misaligned, overlaps another or lies outside the file
  duplicate,                 ///< a key, tensor or token that must be unique stands twice
  overflow,                  ///< a size that does not fit its integer type
  unsupported_type,          ///< a tensor type that is known by name but cannot be computed
  unsupported_architecture,  ///< a model architecture that has no forward pass here
  unsupported_tokenizer,     ///< a tokenizer model or pre-tokenizer that is not known
  bad_tokenizer,             ///< a vocabulary or merge table that contradicts itself
  unsupported_isa,           ///< a forced kernel tier that this machine cannot run
  invalid_argument,          ///< a caller's argument is out of its domain
  out_of_range,              ///< an index, token id or position beyond its bound
  context_overflow,          ///< more tokens than the context holds
  out_of_memory,             ///< an allocation was refused
  cancelled,                 ///< the caller's stop token asked for an end
};

/// Stable lower-case name of a code, as tests and machine-readable output show it: "bad_magic".
constexpr std::string_view error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::io: return "io";
    case ErrorCode::truncated: return "truncated";
    case ErrorCode::bad_magic: return "bad_magic";
    case ErrorCode::unsupported_version: return "unsupported_version";
    case ErrorCode::big_endian: return "big_endian";
    case ErrorCode::missing_key: return "missing_key";
    case ErrorCode::wrong_type: return "wrong_type";
    case ErrorCode::bad_value: return "bad_value";
    case ErrorCode::bad_shape: return "bad_shape";
    case ErrorCode::bad_offset: return "bad_offset";
    case ErrorCode::duplicate: return "duplicate";
    case ErrorCode::overflow: return "overflow";
    case ErrorCode::unsupported_type: return "unsupported_type";
    case ErrorCode::unsupported_architecture: return "unsupported_architecture";
    case ErrorCode::unsupported_tokenizer: return "unsupported_tokenizer";
    case ErrorCode::bad_tokenizer: return "bad_tokenizer";
    case ErrorCode::unsupported_isa: return "unsupported_isa";
    case ErrorCode::invalid_argument: return "invalid_argument";
    case ErrorCode::out_of_range: return "out_of_range";
    case ErrorCode::context_overflow: return "context_overflow";
    case ErrorCode::out_of_memory: return "out_of_memory";
    case ErrorCode::cancelled: return "cancelled";
  }
  return "unknown";
}

/// Thrown on every kind of bad input. Derives from std::runtime_error, so `what()` is a full sentence for people.
class PLUMB_API Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace plumb
