/// Links the compiled library: tiers, loaders, tokenizers. Exit code 0 means that it works.

#include <plumb/plumb.hpp>

#include <cstdio>

int main() {
  plumb::ModelSpec spec = plumb::preset_spec("llama-3.2-1b");
  std::printf("%s on %s\n", spec.name.c_str(), plumb::active_kernels().name);
  try {
    plumb::Model::load("no such file");
  } catch (const plumb::Error& error) {
    return error.code() == plumb::ErrorCode::io ? 0 : 1;
  }
  return 1;
}
