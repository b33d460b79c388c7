#pragma once
/// One function per command: it declares its options on `app` and stores what to run in the subcommand's callback.
/// A command parses, calls the library and prints; it has no logic of its own.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace plumb::cli {

void add_bench(CLI::App& app);
void add_calibrate(CLI::App& app);
void add_compare_logits(CLI::App& app);
void add_explain(CLI::App& app);
void add_fit(CLI::App& app);
void add_generate(CLI::App& app);
void add_inspect(CLI::App& app);
void add_logits(CLI::App& app);
void add_machine(CLI::App& app);
void add_measure(CLI::App& app);
void add_perplexity(CLI::App& app);
void add_predict(CLI::App& app);
void add_quantize(CLI::App& app);
void add_report_card(CLI::App& app);
void add_synth(CLI::App& app);
void add_tokenize(CLI::App& app);

/// llama-bench has flags of one dash and two letters (-pg, -ub, -ctk), which no option parser takes: gives them their
/// second dash. For the arguments of `plumb bench` only.
std::vector<std::string> bench_arguments(std::vector<std::string> arguments);

}  // namespace plumb::cli
