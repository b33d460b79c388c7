#include "plumb/io/open_model.hpp"

#include <string_view>

#include "plumb/io/gguf.hpp"
#include "plumb/io/llama2c.hpp"

namespace plumb::inline PLUMB_ABI {

ModelFile open_model_file(const std::filesystem::path& path, const OpenModelOptions& options) {
  const auto mapping = FileMapping::open(path, options.mode);
  const std::string_view text(reinterpret_cast<const char*>(mapping->bytes().data()), mapping->size());
  const bool gguf = text.starts_with("GGUF") || text.starts_with("FUGG");
  if (!gguf && (path.extension() == ".bin" || Llama2cFile::recognises(mapping->bytes())))
    return Llama2cFile::open(mapping, path, options.tokenizer);
  // What a loader needs of a GgufFile is its ModelFile.
  return GgufFile::open(mapping, {options.mode});  // NOLINT(cppcoreguidelines-slicing)
}

}  // namespace plumb
