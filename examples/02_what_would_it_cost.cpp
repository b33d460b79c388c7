/// A configuration, without any weights: its parameters, and what one token costs at different depths of context.

#include <plumb/plumb.hpp>

#include <cstdio>

int main() {
  plumb::ModelSpec spec = plumb::preset_spec("llama-3.2-1b");
  for (const int layers : {spec.n_layers(), spec.n_layers() / 2}) {
    spec.layers.resize(static_cast<std::size_t>(layers));
    std::printf("%d layers: %.2f billion parameters\n", layers,
                static_cast<double>(plumb::count_parameters(spec).total()) / 1e9);
    for (const plumb::DType type : {plumb::DType::f16, plumb::DType::q8_0, plumb::DType::q4_0})
      for (const int position : {0, 8192}) {
        const plumb::Ledger ledger = plumb::pass_work(spec, {.weights = type, .position = position});
        std::printf("  %-5s after %4d tokens: %7.1f MB and %.2f GOP per token\n",
                    std::string(plumb::dtype_name(type)).c_str(), position, ledger.bytes().total() / 1e6,
                    ledger.operations().total() / 1e9);
      }
  }
}
