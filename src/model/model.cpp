#include "plumb/model/model.hpp"

#include <map>
#include <utility>

#include "fingerprint.hpp"
#include "model_parts.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/model/checkpoint.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/model/pack_weights.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// Tells of matrices that products meet in another form than their fast kernels read.
void warn_of_slow_paths(const Transformer& transformer, const std::function<void(std::string_view)>& warning) {
  std::map<DType, int> slow;
  const auto look = [&](const ops::WeightMatrix& w) {
    if (!w.packed() && ops::mostly_padding(w)) return;  // too few rows to matter
    if (!w.packed() || !transformer.kernels->matmul_for(w.type).available()) ++slow[w.type];
  };
  for_each_matrix(transformer.spec, transformer.weights, [&](const TensorSpec& tensor, const ops::WeightMatrix& w) {
    if (!is_table(tensor.id.role)) look(w);
  });
  if (transformer.spec.output.tied) look(transformer.weights.head.w);
  for (const auto& [type, count] : slow)
    warning(std::to_string(count) + (count == 1 ? " matrix" : " matrices") + " of type " +
            std::string(dtype_name(type)) + " without a fast path: rows are interleaved anew in every product");
}

/// Tells what a vocabulary's reader had to guess, and of tokens without a row: they harm nobody until a text has them.
void warn_of_vocabulary(const Tokenizer& tokenizer, int rows, const std::function<void(std::string_view)>& warning) {
  const Vocabulary& vocabulary = tokenizer.vocabulary();
  for (const std::string& note : vocabulary.notes) warning(note);
  if (vocabulary.size() > rows)
    warning(vocabulary.source + ": ids go up to " + std::to_string(vocabulary.size() - 1) +
            ", but 'vocab_size' of the model is " + std::to_string(rows) +
            ": it refuses to read tokens from there on, such as " +
            quote(vocabulary.pieces[static_cast<std::size_t>(rows)]));
}

}  // namespace

Model Model::load(const std::filesystem::path& path, const LoadOptions& options) {
  OpenModelOptions open;
  open.tokenizer = options.vocabulary;
  open.vocabulary = options.tokenizer;
  return from_checkpoint(open_checkpoint(path, open), options);
}

Model Model::from_file(const ModelFile& file, const LoadOptions& options) {
  return from_checkpoint(checkpoint_from_file(file), options);
}

Model Model::from_checkpoint(const Checkpoint& checkpoint, const LoadOptions& options) {
  check_runnable(checkpoint.spec, checkpoint.source);
  auto parts = std::make_shared<Parts>();
  parts->source = checkpoint.source;
  Transformer& transformer = parts->transformer;
  transformer.spec = checkpoint.spec;
  transformer.exact = options.exact;
  transformer.weights = bind_weights(checkpoint.spec, checkpoint.tensors);
  transformer.weights.owner = checkpoint.owner;
  if (options.warning && checkpoint.left_out)
    for (const std::string& note : checkpoint.left_out()) options.warning(note);
  // Before packing, which takes the time: a bad vocabulary is told at once.
  if (options.tokenizer && checkpoint.tokenizer) parts->tokenizer = checkpoint.tokenizer();
  parts->no_tokenizer = options.tokenizer ? checkpoint.no_tokenizer : "it was not asked for";
  if (options.warning && parts->tokenizer)
    warn_of_vocabulary(*parts->tokenizer, checkpoint.spec.vocab_size, options.warning);
  parts->chat_templates = checkpoint.chat_templates;
  check_cancelled(options.cancel, checkpoint.source);
  transformer.kernels = &active_kernels();
  if (!options.weights.empty())
    set_types(
        checkpoint.spec, transformer.weights,
        weight_types_by_name(options.weights, checkpoint.spec, stored_types(checkpoint.spec, transformer.weights)));
  prepare_weights(transformer.weights, checkpoint,
                  {options.repack && !options.exact, options.method, options.progress, options.cancel});
  if (options.warning && !options.exact) warn_of_slow_paths(transformer, options.warning);
  if (options.progress) options.progress(1.0);
  return Model(std::move(parts));
}

const ModelSpec& Model::spec() const { return parts_->transformer.spec; }
std::size_t Model::weight_bytes() const { return plumb::weight_bytes(spec(), parts_->transformer.weights); }
const Transformer& Model::transformer() const { return parts_->transformer; }
const std::string& Model::source() const { return parts_->source; }
std::uint64_t Model::fingerprint() const {
  std::call_once(parts_->fingerprinted, [&] { parts_->fingerprint = fingerprint_of(parts_->transformer); });
  return parts_->fingerprint;
}
bool Model::has_tokenizer() const { return parts_->tokenizer != nullptr; }

const ChatTemplates& Model::chat_templates() const { return parts_->chat_templates; }

const Tokenizer& Model::tokenizer() const {
  if (!parts_->tokenizer)
    throw Error(ErrorCode::missing_key, parts_->source + ": the model has no tokenizer" +
                                            (parts_->no_tokenizer.empty() ? "" : ": " + parts_->no_tokenizer));
  return *parts_->tokenizer;
}

}  // namespace plumb
