// A model that nobody has published: described by hand, counted, and run with random weights.
//
//   example_05_a_model_of_your_own

#include <plumb/plumb.hpp>

#include <exception>
#include <iostream>
#include <vector>

int main() try {
  plumb::ModelSpec spec = plumb::llama_spec({.vocab = 2048,
                                             .width = 256,
                                             .layers = 4,
                                             .heads = 4,
                                             .kv_heads = 2,
                                             .head_dim = 64,
                                             .ffn = 768,
                                             .context = 4096});
  for (std::size_t l = 0; l < spec.layers.size(); ++l)  // three layers in four see the last 512 positions only
    if (l % 4 != 3) std::get<plumb::AttentionSpec>(spec.layers[l].mixer).window = 512;
  plumb::check_runnable(spec, "my model");  // throws plumb::Error, which names the layer and the field

  const plumb::Ledger token = plumb::pass_work(spec, {.weights = plumb::DType::q4_0, .position = 4000});
  std::cout << plumb::count_parameters(spec).total() << " parameters, " << token.bytes().total() / 1e6 << " MB and "
            << token.operations().total() / 1e6 << " MOP per token\n";

  const plumb::Model model = plumb::Model::random(spec, plumb::DType::q4_0);
  plumb::Session session(model);
  session.prefill(std::vector<plumb::Token>{1, 2, 3});
  for (const plumb::Token token_id : session.generate({.sampling = {.temperature = 0}, .max_tokens = 8}))
    std::cout << token_id << ' ';
  std::cout << '\n';
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
