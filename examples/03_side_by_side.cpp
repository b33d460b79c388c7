/// Two texts at once: every pass takes rows of (token, position, sequence), so the weights are read once for both.
///
///     03_side_by_side model.gguf "One day" "The dog"

#include <plumb/plumb.hpp>

#include <algorithm>
#include <exception>
#include <iostream>
#include <vector>

int main(int argc, char** argv) try {
  if (argc < 3) {
    std::cerr << "usage: " << argv[0] << " MODEL TEXT...\n";
    return 2;
  }
  const plumb::Model model = plumb::Model::load(argv[1]);
  const plumb::Tokenizer& tokenizer = model.tokenizer();
  const int n = argc - 2;
  plumb::Session session(model, {.context = std::min(model.spec().context, 256), .sequences = n});

  // The last token of each text asks for logits; the most probable token follows.
  std::vector<plumb::BatchRow> rows(static_cast<std::size_t>(n));
  for (int s = 0; s < n; ++s) {
    const std::vector<plumb::Token> prompt = tokenizer.encode(argv[2 + s]);
    if (prompt.size() > 1) session.prefill({prompt.data(), prompt.size() - 1}, s);
    rows[static_cast<std::size_t>(s)] = {prompt.back(), session.length(s), s, true};
  }
  for (int step = 0; step < 40; ++step) {
    session.forward(rows);
    for (int s = 0; s < n; ++s) {
      const std::span<const float> logits = session.logits(s);
      const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
      rows[static_cast<std::size_t>(s)] = {static_cast<plumb::Token>(best), session.length(s), s, true};
    }
  }
  for (int s = 0; s < n; ++s) std::cout << tokenizer.decode(session.tokens(s), {.render_special = false}) << "\n\n";
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
