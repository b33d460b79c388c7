#include "plumb/io/open_model.hpp"

#include <string_view>
#include <system_error>

#include "plumb/io/gguf.hpp"
#include "plumb/io/llama2c.hpp"

namespace plumb::inline PLUMB_ABI {

bool is_model_folder(const std::filesystem::path& path) {
  std::error_code failure;
  return std::filesystem::exists(path / "config.json", failure);
}

ModelFile open_model_file(const std::filesystem::path& path, const OpenModelOptions& options) {
  std::error_code failure;
  if (std::filesystem::is_directory(path, failure)) return open_model_folder(path, options.mode);
  const auto mapping = FileMapping::open(path, options.mode);
  const std::string_view text(reinterpret_cast<const char*>(mapping->bytes().data()), mapping->size());
  const bool gguf = text.starts_with("GGUF") || text.starts_with("FUGG");
  if (!gguf && (path.extension() == ".bin" || Llama2cFile::recognises(mapping->bytes())))
    return Llama2cFile::open(mapping, path, options.tokenizer);
  // What a loader needs of a GgufFile is its ModelFile.
  return GgufFile::open(mapping, {options.mode});  // NOLINT(cppcoreguidelines-slicing)
}

}  // namespace plumb
