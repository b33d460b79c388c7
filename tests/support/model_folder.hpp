#pragma once
/// Hugging Face folders made by hand: a config.json and tensors of any names, types and shapes.

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/support/safetensors_bytes.hpp"
#include "tests/support/temp_dir.hpp"

namespace plumb::test {

/// A tensor of a folder. `bytes` may be empty: numbers that count up from 0 are written then, which as F32, F16 and
/// BF16 are small.
struct FolderTensor {
  std::string type = "F32";
  std::vector<std::int64_t> shape;
  std::string bytes = {};
};

/// The bytes of numbers.
template <class T>
std::string bytes_of(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

class ModelFolder {
 public:
  std::string config;
  std::map<std::string, FolderTensor> tensors;

  /// All tensors in one file. Their data ends with `cut` bytes too few.
  std::string safetensors() const {
    return safetensors_of([](const std::string&) { return true; });
  }

  template <class Chosen>
  std::string safetensors_of(const Chosen& chosen) const {
    std::string header = "{", data;
    for (const auto& [name, tensor] : tensors) {
      if (!chosen(name)) continue;
      const std::string bytes = tensor.bytes.empty() ? filling(tensor) : tensor.bytes;
      if (header.size() > 1) header += ",";
      header += "\"" + name + R"(":{"dtype":")" + tensor.type + R"(","shape":[)";
      for (std::size_t i = 0; i < tensor.shape.size(); ++i) header += (i ? "," : "") + std::to_string(tensor.shape[i]);
      header += R"(],"data_offsets":[)" + std::to_string(data.size()) + "," +
                std::to_string(data.size() + bytes.size()) + "]}";
      data += bytes;
    }
    header += "}";
    header.resize((header.size() + 7) / 8 * 8, ' ');
    return safetensors_bytes(header, 0) + data;
  }

  void write(const TempDir& folder) const {
    folder.file("config.json", config);
    folder.file("model.safetensors", safetensors());
  }

 private:
  static std::string filling(const FolderTensor& tensor) {
    std::int64_t n = 1;
    for (const std::int64_t dim : tensor.shape) n *= dim;
    const std::string& type = tensor.type;
    const std::int64_t size = type == "F64" || type == "I64"                     ? 8
                              : type == "F32" || type == "I32" || type == "U32"  ? 4
                              : type == "F16" || type == "BF16" || type == "I16" ? 2
                                                                                 : 1;
    std::string bytes(static_cast<std::size_t>(n * size), '\0');
    if (type == "F32")
      for (std::int64_t i = 0; i < n; ++i) {
        const float value = 0.01f * static_cast<float>(i % 17 - 8);
        std::memcpy(bytes.data() + 4 * i, &value, 4);
      }
    else
      for (std::int64_t i = 0; i < n * size; ++i) bytes[static_cast<std::size_t>(i)] = static_cast<char>(i % 32);
    return bytes;
  }
};

/// A Llama of one layer: 12 tokens, 8 wide, 2 heads of 4 dimensions, one KV head.
inline ModelFolder small_llama_folder() {
  ModelFolder folder;
  folder.config = R"({"model_type":"llama","vocab_size":12,"hidden_size":8,"intermediate_size":16,
    "num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":1,"max_position_embeddings":32,
    "rms_norm_eps":1e-5})";
  const std::string layer = "model.layers.0.";
  folder.tensors = {{"model.embed_tokens.weight", {"F32", {12, 8}}},
                    {"lm_head.weight", {"F32", {12, 8}}},
                    {"model.norm.weight", {"F32", {8}}},
                    {layer + "input_layernorm.weight", {"F32", {8}}},
                    {layer + "post_attention_layernorm.weight", {"F32", {8}}},
                    {layer + "self_attn.q_proj.weight", {"F32", {8, 8}}},
                    {layer + "self_attn.k_proj.weight", {"F32", {4, 8}}},
                    {layer + "self_attn.v_proj.weight", {"F32", {4, 8}}},
                    {layer + "self_attn.o_proj.weight", {"F32", {8, 8}}},
                    {layer + "mlp.gate_proj.weight", {"F32", {16, 8}}},
                    {layer + "mlp.up_proj.weight", {"F32", {16, 8}}},
                    {layer + "mlp.down_proj.weight", {"F32", {8, 16}}}};
  return folder;
}

}  // namespace plumb::test
