#include "plumb/io/open_model.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <system_error>

#include "plumb/core/error.hpp"
#include "plumb/io/gguf.hpp"
#include "plumb/io/llama2c.hpp"

namespace plumb::inline PLUMB_ABI {

namespace {

/// Files that go by the names of models, and what they are.
struct Foreign {
  std::string_view begins, what;
};
constexpr Foreign kForeign[] = {
    {"version https://git-lfs", "a pointer of Git LFS, not the file itself, which `git lfs pull` fetches"},
    {"PK\3\4", "a ZIP archive, as PyTorch writes; convert the folder that it is of"},
    {"\x80\2", "a Python pickle, as PyTorch wrote; convert the folder that it is of"},
    {"tjgg", "a GGML file (ggjt) from before GGUF; convert the model again"},
    {"fmgg", "a GGML file (ggmf) from before GGUF; convert the model again"},
    {"lmgg", "a GGML file from before GGUF; convert the model again"},
};

/// @throws Error{bad_magic} for those.
void refuse_foreign(std::string_view bytes, const std::string& name) {
  for (const Foreign& foreign : kForeign)
    if (bytes.starts_with(foreign.begins))
      throw Error(ErrorCode::bad_magic,
                  name + ": this is " + std::string(foreign.what) + "; expected a GGUF file or a llama2.c checkpoint");
}

/// No number that a llama2.c checkpoint may begin with is spelled in letters, but for the magic of its later versions.
bool begins_with_letters(std::string_view bytes) {
  return bytes.size() >= 4 && !bytes.starts_with("24ka") &&
         std::all_of(bytes.begin(), bytes.begin() + 4, [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

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
  const bool llama2c = !gguf && Llama2cFile::recognises(mapping->bytes());
  if (!gguf && !llama2c) refuse_foreign(text, mapping->name());
  if (llama2c || (!gguf && path.extension() == ".bin" && !begins_with_letters(text)))
    return Llama2cFile::open(mapping, path, {options.tokenizer, options.vocabulary});
  // What a loader needs of a GgufFile is its ModelFile.
  return GgufFile::open(mapping, {options.mode});  // NOLINT(cppcoreguidelines-slicing)
}

}  // namespace plumb
