#include "plumb/model/checkpoint.hpp"

#include <utility>
#include <vector>

#include "plumb/io/open_model.hpp"
#include "plumb/model/family.hpp"

namespace plumb::inline PLUMB_ABI {

namespace {

/// A file, and what was made of its tensors.
struct Source {
  ModelFile file;
  std::vector<AlignedBuffer> made;
};

}  // namespace

Checkpoint checkpoint_from_file(const ModelFile& file) {
  const auto source = std::make_shared<Source>(Source{file, {}});
  const std::shared_ptr<const ModelFile> shared(source, &source->file);
  Checkpoint checkpoint;
  checkpoint.source = file.path();
  checkpoint.spec = spec_from_file(file);
  checkpoint.owner = source;
  const ModelSpec& spec = checkpoint.spec;
  checkpoint.tensors.name = file.path();
  checkpoint.tensors.find = [source, spec](const TensorSpec& tensor) -> std::optional<ops::StoredTensor> {
    if (auto found = find_tensor(source->file, spec, tensor)) return found;
    auto made = make_tensor(source->file, spec, tensor);
    if (!made) return std::nullopt;
    source->made.push_back(std::move(made->memory));
    return ops::StoredTensor(made->view);
  };
  checkpoint.tensors.name_of = [spec](const TensorId& id) { return tensor_name(spec, id); };
  if (file.find("tokenizer.ggml.model"))
    checkpoint.tokenizer = [shared] { return std::make_unique<const Tokenizer>(Tokenizer::from_file(*shared)); };
  checkpoint.chat_template = file.string_or("tokenizer.chat_template", "");
  checkpoint.release = [shared](const std::byte* begin, std::size_t bytes) { shared->release(begin, bytes); };
  checkpoint.left_out = [shared, spec] { return left_out(*shared, spec); };
  return checkpoint;
}

Checkpoint open_checkpoint(const std::filesystem::path& path) { return checkpoint_from_file(open_model_file(path)); }

}  // namespace plumb
