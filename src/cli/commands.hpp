#pragma once
/// One function per command: it declares its options on `app` and stores what to run in the subcommand's callback.
/// A command parses, calls the library and prints; it has no logic of its own.

#include <CLI/CLI.hpp>

namespace plumb::cli {

void add_generate(CLI::App& app);
void add_inspect(CLI::App& app);
void add_logits(CLI::App& app);
void add_machine(CLI::App& app);
void add_measure(CLI::App& app);
void add_quantize(CLI::App& app);
void add_predict(CLI::App& app);
void add_tokenize(CLI::App& app);

}  // namespace plumb::cli
