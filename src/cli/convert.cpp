/// `plumb convert FOLDER OUT.gguf`: a Hugging Face folder as one file that every GGUF engine loads.

#include <fmt/format.h>

#include <cstdio>
#include <map>
#include <memory>
#include <string>

#include "commands.hpp"
#include "options.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/io/open_model.hpp"
#include "plumb/model/chat_templates.hpp"
#include "plumb/quantize/quantize_model.hpp"
#include "plumb/text/vocabulary_keys.hpp"
#include "progress.hpp"
#include "say.hpp"

namespace plumb::cli {
namespace {

struct ConvertArguments {
  std::string folder, out, type;
  int threads = 0;
  bool quiet = false;
};

/// The recipe that keeps matrices as they are: the type that most of them have, and that of experts where it is
/// another.
std::string type_of(const ModelFile& file) {
  std::map<DType, std::uint64_t> bytes;
  bool blocks = false;
  for (const GgufTensor& tensor : file.tensors()) {
    const DType type = tensor.view.dtype();
    if (!is_quantizable(tensor.name, tensor.view.shape())) continue;
    if (dtype_info(type).in_memory())
      throw Error(ErrorCode::unsupported_type, file.path() + ": tensor " + quote(tensor.name) + " is of type " +
                                                   std::string(dtype_name(type)) +
                                                   ", which no file has; choose one with --type");
    blocks |= type == DType::mxfp4;
    if (type != DType::mxfp4) bytes[type] += tensor.view.bytes();
  }
  DType most = DType::f32;
  for (const auto& [type, sum] : bytes)
    if (sum > bytes[most]) most = type;
  const std::string usual(dtype_name(most));
  return blocks ? "*_exps=mxfp4,*=" + usual : usual;
}

/// The keys of the folder's tokenizer and chat templates; what a GGUF file cannot say of them is told and left out.
void set_text_keys(GgufWriter& writer, const std::string& folder, std::int64_t vocab_size) {
  try {
    std::string difference;
    set_vocabulary(writer, gguf_vocabulary_from_folder(folder, vocab_size, &difference));
    if (!difference.empty()) print_warning("the tokenizer is not quite the folder's: " + difference);
  } catch (const Error& error) {
    print_warning("written without a tokenizer: " + std::string(error.what()));
  }
  for (const ChatTemplates::Named& named : chat_templates_from_folder(folder).templates)
    writer.set(named.name == "default" ? "tokenizer.chat_template" : "tokenizer.chat_template." + named.name,
               named.text);
}

void run(const ConvertArguments& arguments) {
  if (!is_model_folder(arguments.folder))
    throw Error(ErrorCode::invalid_argument,
                quote(arguments.folder) + " is no folder with a config.json; to change a file, see `plumb quantize`");
  QuantizeOptions options;
  const ModelFile file = open_model_file(arguments.folder);
  options.recipe = Recipe::parse(arguments.type.empty() ? type_of(file) : arguments.type);
  options.keys = [&, rows = file.get_tensor("token_embd.weight").view.shape().rows()](GgufWriter& writer) {
    set_text_keys(writer, arguments.folder, rows);
  };
  options.threads = arguments.threads;
  Progress progress;
  if (!arguments.quiet)
    options.progress = [&](const QuantizeProgress& p) {
      progress.show(static_cast<double>(p.bytes_done) / static_cast<double>(p.bytes_total), "writing");
    };
  const QuantizeResult result = quantize_model(file, arguments.out, options);
  if (arguments.quiet) return;
  say("{}: {} tensors, {:.1f} MB, {:.3f} bits per weight\n", printable(arguments.out, 4096), result.tensors.size(),
      static_cast<double>(result.bytes_after) / 1e6, result.bits_per_weight());
}

}  // namespace

void add_convert(const Command& program) {
  const auto arguments = std::make_shared<ConvertArguments>();
  const Command command = program.add_command("convert", "Write a Hugging Face folder as a GGUF file");
  command.add_option("FOLDER", arguments->folder, "Folder with a config.json and safetensors").required();
  command.add_option("OUT", arguments->out, "GGUF file to write: complete or not at all").required();
  command
      .add_option("--type", arguments->type,
                  "Recipe, as `plumb quantize --type` (default: the type that most matrices have)")
      .check(file_type_problem);
  add_threads(command, arguments->threads);
  add_quiet(command, arguments->quiet);
  command.callback([arguments] { run(*arguments); });
}

}  // namespace plumb::cli
