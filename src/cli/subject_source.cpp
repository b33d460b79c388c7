#include "subject_source.hpp"

#include <filesystem>
#include <system_error>

#include "http.hpp"
#include "plumb/core/error.hpp"
#include "plumb/io/open_model.hpp"
#include "plumb/model/presets.hpp"

namespace plumb::cli {
namespace {

void describe(const ModelFile& file, const std::filesystem::path& path, SubjectSource& source) {
  try {
    source.subject = read_subject(file, path);
  } catch (const Error& error) {
    const bool unknown =
        error.code() == ErrorCode::unsupported_architecture || error.code() == ErrorCode::unsupported_type;
    if (!unknown) throw;  // a file that contradicts itself
    source.stored = describe_stored(file);
    source.why = error.what();
  }
}

}  // namespace

SubjectSource read_source(const std::string& name, int timeout) {
  SubjectSource source;
  if (is_url(name)) {
    const RangedModel model =
        open_gguf_by_ranges(name, [&](const std::string& url) { return open_http(url, timeout); });
    source.file_bytes = static_cast<double>(model.bytes);
    source.fetched_bytes = static_cast<double>(model.fetched);
    const std::string address = name.substr(0, name.find_first_of("?#"));
    describe(model.file, address, source);
    return source;
  }
  std::error_code ignored;
  const std::filesystem::path path(name);
  const bool preset = name.find('/') == std::string::npos && find_preset(name) != nullptr;
  if (preset || path.extension() == ".json" || !std::filesystem::exists(path, ignored)) {
    source.subject = load_subject(name);
    return source;
  }
  OpenModelOptions open;
  open.vocabulary = false;
  const ModelFile file = open_model_file(path, open);
  source.file_bytes = static_cast<double>(file.bytes());
  describe(file, path, source);
  return source;
}

}  // namespace plumb::cli
