/// The `plumb` command. Exit codes: 0 done, 1 bad input (one line on stderr), 2 usage, 130 ended by Ctrl-C.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "bench_flags.hpp"
#include "commands.hpp"
#include "interrupt.hpp"
#include "plumb/core/version.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "plumb/perf/machine.hpp"

namespace {

/// A standard stream that is closed would lend its number to the next file that is opened, and what is said to it would
/// be written there. Output that nobody reads fails; messages that nobody reads do not.
void fill_closed_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(stream, F_GETFD) == -1 && errno == EBADF)
      (void)::open("/dev/null", stream == STDERR_FILENO ? O_WRONLY : O_RDONLY);  // takes the lowest free number: this
}

/// What --version prints. @throws as choose_isa.
std::string version_text() {
  return std::string("plumb ") + plumb::version() + ", build " + plumb::build_id() + ", kernels " +
         std::string(plumb::isa_name(plumb::choose_isa()));
}

}  // namespace

int main(int argc, char** argv) {
  using namespace plumb::cli;
  fill_closed_streams();
  const Program program("plumb", "plumb: run a transformer on this CPU, measure it, and say why it is as fast as it is",
                        version_text);
  const Command root = program.root();
  add_bench(root);
  add_calibrate(root);
  add_chat(root);
  add_compare(root);
  add_compare_logits(root);
  add_decide(root);
  add_diff(root);
  add_embed(root);
  add_explain(root);
  add_generate(root);
  add_inspect(root);
  add_logits(root);
  add_machine(root);
  add_measure(root);
  add_models(root);
  add_perplexity(root);
  add_predict(root);
  add_convert(root);
  add_quantize(root);
  add_render(root);
  add_report_card(root);
  add_synth(root);
  add_tokenize(root);
  int code = 0;
  try {
    std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
    if (!arguments.empty() && arguments.front() == "bench") arguments = bench_arguments(std::move(arguments));
    code = program.run(std::move(arguments));
  } catch (const Interrupted& e) {
    if (*e.what() != '\0') std::fprintf(stderr, "plumb: %s\n", e.what());
    code = 130;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "plumb: %s\n", e.what());
    return 1;
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    std::fprintf(stderr, "plumb: standard output cannot be written to\n");
    return 1;
  }
  return code;
}
