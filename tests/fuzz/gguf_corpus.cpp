/// Writes the seeds of the fuzzer: small valid files of every kind that the tests build.

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/gguf_builder.hpp"
#include "tests/support/imatrix_builder.hpp"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder);
  const auto write = [&](const char* name, const plumb::test::GgufBuilder& file) {
    std::ofstream(folder / name, std::ios::binary) << file.bytes();
  };
  write("spm", plumb::test::tiny_llama());
  write("spm-without-bytes", plumb::test::tiny_llama(false));
  write("bpe", plumb::test::tiny_llama_bpe());
  plumb::test::GgufBuilder nested = plumb::test::tiny_llama(false);
  using plumb::test::encoded_array;
  nested.set("nested", 9, encoded_array(9, 2, encoded_array(0, 2, "ab") + encoded_array(8, 0, "")));
  nested.version = 2;
  write("nested", nested);
  write("imatrix", plumb::test::small_imatrix());
  std::ofstream(folder / "legacy-imatrix", std::ios::binary) << plumb::test::small_legacy_imatrix();
  return 0;
}
