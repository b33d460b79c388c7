#include "plumb/model/checkpoint.hpp"

#include "plumb/io/open_model.hpp"
#include "plumb/model/family.hpp"

namespace plumb::inline PLUMB_ABI {

Checkpoint checkpoint_from_file(const ModelFile& file) {
  const auto shared = std::make_shared<const ModelFile>(file);
  Checkpoint checkpoint;
  checkpoint.source = file.path();
  checkpoint.spec = spec_from_file(file);
  checkpoint.owner = shared;
  const ModelSpec& spec = checkpoint.spec;
  checkpoint.tensors.name = file.path();
  checkpoint.tensors.find = [shared, spec](const TensorSpec& tensor) { return find_tensor(*shared, spec, tensor); };
  checkpoint.tensors.name_of = [spec](const TensorId& id) { return tensor_name(spec, id); };
  if (file.find("tokenizer.ggml.model"))
    checkpoint.tokenizer = [shared] { return std::make_unique<const Tokenizer>(Tokenizer::from_file(*shared)); };
  checkpoint.chat_template = file.string_or("tokenizer.chat_template", "");
  checkpoint.release = [shared](const std::byte* begin, std::size_t bytes) {
    const FileMapping& mapping = shared->mapping();
    const std::byte* const first = mapping.bytes().data();
    if (!mapping.is_mapped() || begin < first || begin >= first + mapping.size()) return;
    mapping.release(static_cast<std::size_t>(begin - first), bytes);
  };
  return checkpoint;
}

Checkpoint open_checkpoint(const std::filesystem::path& path) { return checkpoint_from_file(open_model_file(path)); }

}  // namespace plumb
