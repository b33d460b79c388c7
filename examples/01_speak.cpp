/// A model file in, text out.
///
///     01_speak model.gguf "Once upon a time"

#include <plumb/plumb.hpp>

#include <exception>
#include <iostream>
#include <vector>

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::cerr << "usage: " << argv[0] << " MODEL TEXT\n";
    return 2;
  }
  const plumb::Model model = plumb::Model::load(argv[1]);  // throws plumb::Error
  plumb::Session session(model);
  const std::vector<plumb::Token> prompt = model.tokenizer().encode(argv[2]);
  session.prefill(prompt);

  plumb::StreamDecoder text(model.tokenizer(), {.render_special = false});  // never hands out half a code point
  for (const plumb::Token token : prompt) std::cout << text.push(token);
  for (const plumb::Token token : session.generate({.sampling = {.temperature = 0.8f}, .max_tokens = 100}))
    std::cout << text.push(token) << std::flush;
  std::cout << text.flush() << '\n';
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
