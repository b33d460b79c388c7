#include "plumb/model/checkpoint.hpp"

#include <system_error>
#include <utility>
#include <vector>

#include "plumb/io/open_model.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/pack_weights.hpp"
#include "plumb/text/tokenizer_folder.hpp"
#include "plumb/text/vocabulary.hpp"

namespace plumb::inline PLUMB_ABI {

namespace {

/// A file, and what was made of its tensors.
struct Source {
  ModelFile file;
  std::vector<AlignedBuffer> made;
  std::shared_ptr<LateTensors> late;
};

/// Files may say that they have none.
bool has_vocabulary(const ModelFile& file) {
  const GgufValue* const value = file.find("tokenizer.ggml.model");
  if (!value) return false;
  const std::string_view model = value->as_string().value_or(std::string_view());
  return model != "none" && model != "no_vocab";
}

/// Takes over a tensor that was made of others. Matrices of products wait until they are packed.
ops::StoredTensor take_over(Source& source, const TensorSpec& tensor, MadeTensor made) {
  const ops::StoredTensor stored(made.view);
  if (made.fill && tensor.is_matrix() && !is_table(tensor.id.role)) {
    source.late->add(std::move(made.memory), std::move(made.fill));
    return stored;
  }
  if (made.fill) made.fill(made.memory.data());
  source.made.push_back(std::move(made.memory));
  return stored;
}

}  // namespace

void LateTensors::add(AlignedBuffer memory, Fill fill) {
  const std::byte* const begin = memory.data();
  tensors_.emplace(begin, Tensor{std::move(memory), std::move(fill)});
}

bool LateTensors::fill(const std::byte* begin) {
  const auto found = tensors_.find(begin);
  if (found == tensors_.end() || !found->second.fill) return false;
  std::exchange(found->second.fill, nullptr)(found->second.memory.data());
  return true;
}

void LateTensors::drop(const std::byte* begin) { tensors_.erase(begin); }

Checkpoint checkpoint_from_file(const ModelFile& file) {
  const auto source = std::make_shared<Source>(Source{file, {}, std::make_shared<LateTensors>()});
  const std::shared_ptr<const ModelFile> shared(source, &source->file);
  Checkpoint checkpoint;
  checkpoint.source = file.path();
  checkpoint.spec = spec_from_file(file);
  checkpoint.owner = source;
  checkpoint.late = source->late;
  const ModelSpec& spec = checkpoint.spec;
  checkpoint.tensors.name = file.path();
  checkpoint.tensors.find = [source, spec](const TensorSpec& tensor) -> std::optional<ops::StoredTensor> {
    if (auto found = find_tensor(source->file, spec, tensor)) return found;
    auto made = make_tensor(source->file, spec, tensor);
    if (!made) return std::nullopt;
    return take_over(*source, tensor, *std::move(made));
  };
  checkpoint.tensors.name_of = [spec](const TensorId& id) { return tensor_name(spec, id); };
  if (file.assembly()) {
    const std::filesystem::path folder = file.assembly()->folder();
    std::error_code absent;
    if (std::filesystem::exists(folder / "tokenizer.json", absent) ||
        std::filesystem::exists(folder / "tokenizer.model", absent))
      checkpoint.tokenizer = [folder] { return std::make_unique<const Tokenizer>(tokenizer_from_folder(folder)); };
    checkpoint.no_tokenizer = "the folder has no tokenizer.json or tokenizer.model";
    checkpoint.chat_templates = chat_templates_from_folder(folder);
  } else {
    if (has_vocabulary(file))
      checkpoint.tokenizer = [shared, rows = spec.vocab_size] {
        Vocabulary vocabulary = vocabulary_from_file(*shared);
        cut_vocabulary(vocabulary, rows);
        return std::make_unique<const Tokenizer>(std::move(vocabulary));
      };
    checkpoint.no_tokenizer = file.format() == "llama2.c"
                                  ? "no tokenizer.bin was read; it is looked for beside the checkpoint"
                                  : "key 'tokenizer.ggml.model' is missing or says that there is none";
    checkpoint.chat_templates = chat_templates_from_file(file);
  }
  checkpoint.release = [shared](const std::byte* begin, std::size_t bytes) { shared->release(begin, bytes); };
  checkpoint.left_out = [shared, spec] { return left_out(*shared, spec); };
  return checkpoint;
}

Checkpoint open_checkpoint(const std::filesystem::path& path, const OpenModelOptions& options) {
  return checkpoint_from_file(open_model_file(path, options));
}

}  // namespace plumb
