/// The `plumb` command. Exit codes: 0 done, 1 bad input (one line on stderr), 2 usage.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>

#include "commands.hpp"
#include "help.hpp"

int main(int argc, char** argv) {
  CLI::App app{"plumb: run a transformer on this CPU, measure it, and say why it is as fast as it is", "plumb"};
  app.formatter(std::make_shared<plumb::cli::HelpFormatter>());  // the commands inherit it
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Help of every command");
  plumb::cli::add_bench(app);
  plumb::cli::add_calibrate(app);
  plumb::cli::add_compare_logits(app);
  plumb::cli::add_explain(app);
  plumb::cli::add_fit(app);
  plumb::cli::add_generate(app);
  plumb::cli::add_inspect(app);
  plumb::cli::add_logits(app);
  plumb::cli::add_machine(app);
  plumb::cli::add_measure(app);
  plumb::cli::add_perplexity(app);
  plumb::cli::add_predict(app);
  plumb::cli::add_quantize(app);
  plumb::cli::add_report_card(app);
  plumb::cli::add_synth(app);
  plumb::cli::add_tokenize(app);
  try {
    std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
    if (!arguments.empty() && arguments.front() == "bench") arguments = plumb::cli::bench_arguments(arguments);
    std::reverse(arguments.begin(), arguments.end());  // the parser takes them from the back
    app.parse(arguments);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "plumb: %s\n", e.what());
    return 1;
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    std::fprintf(stderr, "plumb: standard output cannot be written to\n");
    return 1;
  }
  return 0;
}
