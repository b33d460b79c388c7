/// `plumb synth PRESET|config.json OUT.gguf`: a model of random weights as a file that any engine loads.

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "commands.hpp"
#include "options.hpp"
#include "plumb/model/synth.hpp"
#include "plumb/perf/subject.hpp"
#include "progress.hpp"
#include "say.hpp"

namespace plumb::cli {

void add_synth(const Command& program) {
  struct Options {
    std::string subject, out;
    SynthOptions synth;
  };
  const auto options = std::make_shared<Options>();
  const Command command =
      program.add_command("synth", "Write a model of random weights and a usable tokenizer as a GGUF file");
  command.add_option("MODEL", options->subject, "A preset, or a Hugging Face config.json").required();
  command.add_option("out", options->out, "The file to write").required();
  command.add_option("--type", options->synth.type, "Recipe, as `plumb quantize --type` (default q4_0)")
      .check(file_type_problem);
  add_weights_seed(command, options->synth.seed);
  command.callback([options] {
    Progress progress;
    options->synth.progress = [&progress](double fraction) { progress.show(fraction, "writing"); };
    write_random_model(options->out, load_subject(options->subject).spec, options->synth);
    put("{}: {} bytes\n", options->out, std::filesystem::file_size(options->out));
  });
}

}  // namespace plumb::cli
