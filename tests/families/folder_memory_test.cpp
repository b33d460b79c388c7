// What loading a folder leaves in memory: tensors that are made of the files' do not keep the files' pages.

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "plumb/model/model.hpp"
#include "tests/support/model_folder.hpp"

namespace plumb::folder_memory_test {
namespace {

/// Kilobytes of mappings of a file that are in this process's memory.
long resident_of(const std::string& path) {
  std::ifstream in("/proc/self/smaps");
  long sum = 0;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.find('-') < line.find(' ')) inside = line.ends_with(path);  // "begin-end rw-p ... path"
    long kilobytes = 0;
    if (std::istringstream words(line); inside && line.starts_with("Rss:")) {
      std::string name;
      words >> name >> kilobytes;
    }
    sum += kilobytes;
  }
  return sum;
}

TEST(FolderMemory, PagesOfMadeTensorsAreGivenBack) {
  // A BitNet, since all of its matrices are made; most of the file are those of the feed-forward block.
  constexpr std::int64_t kFfn = 262'144;  // systems map up to 2 MiB of a file at once
  test::ModelFolder folder = test::small_llama_folder();
  const auto replace = [&](const std::string& from, const std::string& to) {
    folder.config.replace(folder.config.find(from), from.size(), to);
  };
  replace("llama", "bitnet");
  replace("\"intermediate_size\":16", "\"intermediate_size\":" + std::to_string(kFfn));
  const std::string layer = "model.layers.0.";
  folder.tensors[layer + "self_attn.attn_sub_norm.weight"] = {"F32", {8}};
  folder.tensors[layer + "mlp.ffn_sub_norm.weight"] = {"F32", {kFfn}};
  for (const char* name : {"gate_proj", "up_proj"})
    folder.tensors[layer + "mlp." + name + ".weight"] = {"F32", {kFfn, 8}};
  folder.tensors[layer + "mlp.down_proj.weight"] = {"F32", {8, kFfn}};
  const test::TempDir place;
  folder.write(place);
  const std::string file = (place.path() / "model.safetensors").native();
  const Model model = Model::load(place.path());
  const long all = static_cast<long>(std::filesystem::file_size(file) / 1024);
  ASSERT_GT(all, 24 * 1024);
  EXPECT_LT(resident_of(file), all / 4);
}

}  // namespace
}  // namespace plumb::folder_memory_test
