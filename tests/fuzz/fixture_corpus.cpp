/// Writes seeds of the fuzzers that read what Hugging Face folders are made of, from the shared fixtures:
///
///   fixture_corpus FIXTURES OUT     makes OUT/config, OUT/folder, OUT/safetensors, OUT/template, OUT/tokenizer_json

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/model_folder.hpp"

namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Corpus {
 public:
  explicit Corpus(fs::path out) : out_(std::move(out)) {}
  void add(const std::string& kind, const std::string& name, const std::string& bytes) const {
    fs::create_directories(out_ / kind);
    std::ofstream(out_ / kind / name, std::ios::binary) << bytes;
  }

 private:
  fs::path out_;
};

/// The header of a safetensors file.
std::string header_of(const std::string& file) {
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), std::min(file.size(), sizeof(length)));
  return file.size() < sizeof(length) ? "" : file.substr(sizeof(length), length);
}

void add_folder(const Corpus& corpus, const std::string& name, const std::string& config, const std::string& weights) {
  corpus.add("config", name, config);
  corpus.add("folder", name, config + '\0' + header_of(weights));
}

void add_lines(const Corpus& corpus, const fs::path& path) {
  std::ifstream in(path);
  std::size_t number = 0;
  for (std::string line; std::getline(in, line); ++number) {
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
    if (json.is_object() && json.contains("template") && json["template"].is_string())
      corpus.add("template", path.stem().string() + "-" + std::to_string(number), json["template"].get<std::string>());
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s FIXTURES OUT\n", argv[0]);
    return 2;
  }
  const fs::path fixtures = argv[1];
  const Corpus corpus(argv[2]);
  const plumb::test::ModelFolder small = plumb::test::small_llama_folder();
  add_folder(corpus, "small", small.config, small.safetensors());
  corpus.add("safetensors", "small", small.safetensors());
  for (const auto& entry : fs::directory_iterator(fixtures / "hf-dev"))
    if (fs::exists(entry.path() / "config.json"))
      add_folder(corpus, entry.path().filename().string(), read(entry.path() / "config.json"),
                 read(entry.path() / "model.safetensors"));
  for (const auto& entry : fs::directory_iterator(fixtures / "chat"))
    if (entry.path().extension() == ".jinja")
      corpus.add("template", entry.path().filename().string(), read(entry.path()));
  add_lines(corpus, fixtures / "chat" / "features.jsonl");
  add_lines(corpus, fixtures / "chat" / "hostile.jsonl");
  constexpr std::uintmax_t kSmall = 32'768;
  for (const auto& entry : fs::recursive_directory_iterator(fixtures / "tokenizer-json"))
    if (entry.path().extension() == ".json" && entry.file_size() <= kSmall)
      corpus.add("tokenizer_json", entry.path().filename().string(), read(entry.path()));
  return 0;
}
