#pragma once
/// @file
/// Stepping over encoded metadata values. The reader uses it to check a file, element walks use it to find the next
/// one.

#include <cstdint>
#include <string_view>

#include "plumb/io/byte_reader.hpp"
#include "plumb/io/gguf_value.hpp"

namespace plumb::inline PLUMB_ABI::gguf_detail {

/// Reads one value of `type` that begins at the reader's position: checks every length in it, at any depth, and
/// answers a view of it. @throws Error{truncated, bad_value} naming `field`.
GgufValue scan_value(ByteReader& reader, GgufType type, std::string_view field);

/// Reads a type id. @throws Error{truncated}, Error{bad_value} for ids outside the format, naming `field`.
GgufType scan_type(ByteReader& reader, std::string_view field);

}  // namespace plumb::gguf_detail
