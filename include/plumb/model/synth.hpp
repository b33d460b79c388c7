#pragma once
/// @file
/// Writes models of random weights as GGUF files that any engine loads, so that all can be given the same bytes.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "plumb/io/gguf_writer.hpp"
#include "plumb/model/spec.hpp"
#include "plumb/text/vocabulary_keys.hpp"

namespace plumb::inline PLUMB_ABI {

/// How to write a random model.
struct SynthOptions {
  std::string type = "q4_0";                           ///< as weight_types_by_name, but for types in memory only
  std::uint64_t seed = 0;                              ///< Model::random with the same seed has the same weights
  std::function<void(double fraction)> progress = {};  ///< 0 to 1, from the calling thread
};

/// Keys and tensors of a file of this spec whose types are those of that name: everything but a vocabulary and data.
/// What is predicted, written by write_random_model and quantized by that name has these tensors.
/// @throws as write_random_model, but Error{io}.
PLUMB_API GgufWriter plan_model_file(const ModelSpec& spec, std::string_view type);
/// Bytes of all tensors of a plan, padding aside.
PLUMB_API std::uint64_t tensor_bytes(const GgufWriter& writer);

/// Writes `spec` with the weights of random_tensors, its metadata, and the tokenizer of synthetic_vocabulary when the
/// vocabulary has room for one. The file appears complete or not at all.
/// @throws Error{bad_value, unsupported_architecture} as check_spec and write_spec,
/// Error{invalid_argument} for an unknown type, {unsupported_type} for one that no file holds, Error{io}.
PLUMB_API void write_random_model(const std::filesystem::path& path, const ModelSpec& spec,
                                  const SynthOptions& options);

/// Smallest vocabulary that can spell every text: <unk>, <s>, </s> and 256 bytes.
inline constexpr std::int64_t kSmallestSynthVocabulary = 3 + 256;

/// A SentencePiece vocabulary of `size` tokens: <unk>, <s>, </s>, the 256 bytes, the space mark and the printable ASCII
/// characters, then all words of lower-case letters, shorter ones first, without and with a leading space mark. Earlier
/// pieces have better scores, and each can be joined from two others.
/// @throws Error{invalid_argument} for fewer than kSmallestSynthVocabulary tokens.
PLUMB_API Vocabulary synthetic_vocabulary(std::int64_t size);

}  // namespace plumb
