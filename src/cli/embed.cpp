/// `plumb embed MODEL`: the embeddings of texts, or how near they are to each other.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "commands.hpp"
#include "json_output.hpp"
#include "options.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/io/atomic_file.hpp"
#include "plumb/model/embedding.hpp"
#include "plumb/text/token_list.hpp"
#include "text_file.hpp"

namespace plumb::cli {
namespace {

enum class EmbedFormat { json, csv, raw };

struct EmbedArguments {
  RunOptions run;
  std::vector<std::string> texts, tokens;
  std::optional<std::string> file, out;
  std::optional<EmbedFormat> format;
  Pooling pooling = Pooling::none;
  bool all = false, pairs = false, no_normalize = false;

  EmbedFormat chosen_format() const { return format ? *format : out && !pairs ? EmbedFormat::raw : EmbedFormat::json; }
};

/// Sequences of one pass at most: short texts fill a pass with fewer, and each takes a context of state.
constexpr int kTextsAtOnce = 64;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    if (lines.back().ends_with('\r')) lines.back().pop_back();
    at = end + 1;
  }
  return lines;
}

/// `lines`: those of the file.
std::vector<std::vector<Token>> chosen_texts(const EmbedArguments& arguments, const std::vector<std::string>& lines,
                                             const Model& model) {
  std::vector<std::vector<Token>> texts;
  for (const std::string& ids : arguments.tokens) texts.push_back(parse_token_list(ids, "--tokens"));
  for (const std::string& text : arguments.texts) texts.push_back(model.tokenizer().encode(text));
  for (const std::string& line : lines) texts.push_back(model.tokenizer().encode(line));
  return texts;
}

std::vector<Embedding> make(const EmbedArguments& arguments, const Model& model,
                            const std::vector<std::vector<Token>>& texts) {
  SessionOptions options = arguments.run.session;
  std::size_t longest = 1;
  for (const auto& text : texts) longest = std::max(longest, text.size());
  if (options.context == 0) options.context = static_cast<int>(longest);
  options.sequences = static_cast<int>(std::min<std::size_t>(texts.size(), kTextsAtOnce));
  options.batch = std::max(options.batch, reads_at_once(model.spec()) ? static_cast<int>(longest) : 1);
  std::vector<Embedding> embeddings =
      Session(model, options).embed(texts, {.pooling = arguments.pooling, .rows = arguments.all});
  for (std::size_t t = 0; t < embeddings.size(); ++t)
    for (const auto* values : {&embeddings[t].pooled, &embeddings[t].rows})
      if (!std::all_of(values->begin(), values->end(), [](float value) { return std::isfinite(value); }))
        throw Error(ErrorCode::bad_value,
                    fmt::format("{}: the embedding of text {} holds what is no finite number", model.source(), t + 1));
  if (arguments.no_normalize) return embeddings;
  const auto width = static_cast<std::size_t>(model.spec().width);
  for (Embedding& embedding : embeddings) {
    make_unit_length(embedding.pooled);
    for (std::size_t at = 0; at < embedding.rows.size(); at += width)
      make_unit_length(std::span(embedding.rows).subspan(at, width));
  }
  return embeddings;
}

/// Calls visit(text, row, values): the rows of a text by number from 1, where they are asked for, then row 0, the
/// pooled one.
template <class Visit>
void for_each_row(const std::vector<Embedding>& embeddings, std::size_t width, const Visit& visit) {
  for (std::size_t t = 0; t < embeddings.size(); ++t) {
    const std::span<const float> rows(embeddings[t].rows);
    for (std::size_t at = 0; at < rows.size(); at += width) visit(t, at / width + 1, rows.subspan(at, width));
    visit(t, 0, std::span<const float>(embeddings[t].pooled));
  }
}

std::string as_csv(const std::vector<Embedding>& embeddings, std::size_t width) {
  std::string out = "text,row";
  const std::size_t columns = std::max(width, embeddings.front().pooled.size());
  for (std::size_t i = 0; i < columns; ++i) fmt::format_to(std::back_inserter(out), ",{}", i);
  for_each_row(embeddings, width, [&](std::size_t t, std::size_t row, std::span<const float> values) {
    fmt::format_to(std::back_inserter(out), "\n{},{},{}", t + 1, row > 0 ? std::to_string(row) : "pooled",
                   fmt::join(values, ","));
  });
  return out + "\n";
}

/// A JSON array of numbers; what is none becomes null.
std::string json_array(std::span<const float> values) {
  std::string out = "[";
  for (const float value : values)
    fmt::format_to(std::back_inserter(out), "{}{}", out.size() > 1 ? "," : "",
                   std::isfinite(value) ? fmt::to_string(value) : "null");
  return out + "]";
}

/// The head of the document, open for more fields: numbers by the thousand are written without a tree.
std::string open_document(const EmbedArguments& arguments) {
  Json settings = run_settings(arguments.run);
  settings.update({{"model", printable(arguments.run.model)}, {"normalize", !arguments.no_normalize}});
  std::string head = json_head("embed", settings).dump(-1, ' ', false, Json::error_handler_t::replace);
  head.back() = ',';
  return head;
}

std::string as_json(const EmbedArguments& arguments, const std::vector<Embedding>& embeddings, std::size_t width) {
  std::string out =
      open_document(arguments) + fmt::format(R"("width":{},"embeddings":[)", embeddings.front().pooled.size());
  for (const Embedding& embedding : embeddings) {
    if (&embedding != &embeddings.front()) out += ',';
    out += R"({"embedding":)" + json_array(embedding.pooled);
    const std::span<const float> rows(embedding.rows);
    for (std::size_t at = 0; at < rows.size(); at += width)
      out.append(at == 0 ? R"(,"rows":[)" : ",").append(json_array(rows.subspan(at, width)));
    out += rows.empty() ? "}" : "]}";
  }
  return out + "]}\n";
}

std::string as_raw(const std::vector<Embedding>& embeddings, std::size_t width) {
  std::string out;
  for_each_row(embeddings, width, [&](std::size_t, std::size_t, std::span<const float> values) {
    const auto bytes = std::as_bytes(values);
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  });
  return out;
}

/// Cosines of all pairs, each pair once.
std::string as_pairs(const EmbedArguments& arguments, const std::vector<Embedding>& embeddings) {
  const EmbedFormat format = arguments.chosen_format();
  std::string out = format == EmbedFormat::csv    ? "a,b,cosine\n"
                    : format == EmbedFormat::json ? open_document(arguments) + R"("pairs":[)"
                                                  : "";
  const char* comma = "";
  for (std::size_t a = 0; a < embeddings.size(); ++a)
    for (std::size_t b = a + 1; b < embeddings.size(); ++b) {
      const auto cosine = static_cast<float>(cosine_similarity(embeddings[a].pooled, embeddings[b].pooled));
      if (format == EmbedFormat::raw)
        out.append(reinterpret_cast<const char*>(&cosine), sizeof(cosine));
      else if (format == EmbedFormat::csv)
        fmt::format_to(std::back_inserter(out), "{},{},{}\n", a + 1, b + 1, cosine);
      else
        fmt::format_to(std::back_inserter(out), R"({}{{"a":{},"b":{},"cosine":{}}})", std::exchange(comma, ","), a + 1,
                       b + 1, std::isfinite(cosine) ? fmt::to_string(cosine) : "null");
    }
  return format == EmbedFormat::json ? out + "]}\n" : out;
}

std::string printed(const EmbedArguments& arguments, const std::vector<std::string>& lines, const Model& model) {
  const std::vector<Embedding> embeddings = make(arguments, model, chosen_texts(arguments, lines, model));
  const auto width = static_cast<std::size_t>(model.spec().width);
  if (arguments.pairs) return as_pairs(arguments, embeddings);
  switch (arguments.chosen_format()) {
    case EmbedFormat::json: return as_json(arguments, embeddings, width);
    case EmbedFormat::csv: return as_csv(embeddings, width);
    case EmbedFormat::raw: break;
  }
  return as_raw(embeddings, width);
}

void run(const EmbedArguments& arguments) {
  const std::vector<std::string> lines =
      arguments.file ? lines_of(read_text(*arguments.file)) : std::vector<std::string>();
  if (lines.empty() && arguments.texts.empty() && arguments.tokens.empty())
    throw Error(ErrorCode::invalid_argument, printable(*arguments.file) + ": holds no text");
  LoadOptions load = arguments.run.load();
  load.tokenizer = !lines.empty() || !arguments.texts.empty();
  const Model model = Model::load(arguments.run.model, load);
  if (!arguments.out) {
    const std::string out = printed(arguments, lines, model);
    std::fwrite(out.data(), 1, out.size(), stdout);
    return;
  }
  AtomicFile file(*arguments.out);
  file.write(printed(arguments, lines, model));
  file.commit();
}

void add_choices(const Command& command, EmbedArguments& arguments) {
  const auto format = [&arguments](const std::string& name) {
    arguments.format = name == "json" ? EmbedFormat::json : name == "csv" ? EmbedFormat::csv : EmbedFormat::raw;
  };
  command
      .add_option_function("--format", format,
                           "Output as json, csv or raw, which is little-endian f32, a row after the other (default: "
                           "json; with --out raw)")
      .one_of({"json", "csv", "raw"}, {.in_help = false})
      .type_name("FORMAT");
  const auto pooling = [&arguments](const std::string& name) {
    arguments.pooling = name == "mean" ? Pooling::mean : name == "cls" ? Pooling::cls : Pooling::last;
  };
  command
      .add_option_function("--pooling", pooling,
                           "How the rows of a text become one: mean, cls (the first) or last (default: as the model "
                           "says; where it says nothing, last, or mean where all tokens see the whole text)")
      .one_of({"mean", "cls", "last"}, {.in_help = false})
      .type_name("KIND");
}

}  // namespace

void add_embed(const Command& program) {
  auto arguments = std::make_shared<EmbedArguments>();
  const Command command =
      program.add_command("embed", "Write the embeddings of texts, or the cosines between all pairs of them");
  add_model(command, arguments->run.model);
  command
      .add_option("--text", arguments->texts,
                  "A text, encoded as the model's file says (special tokens included); may be given again")
      .repeatable(1)
      .type_name("TEXT");
  command.add_option("--file", arguments->file, "A file with one text a line; - is standard input").type_name("FILE");
  command
      .add_option("--tokens", arguments->tokens,
                  "A text as token ids, separated by spaces or commas; may be given again")
      .repeatable(1)
      .check(token_list_problem)
      .type_name("IDS");
  const Option all = command.add_flag("--all", arguments->all, "A row for each token too, before the pooled one");
  command.add_flag("--pairs", arguments->pairs, "Write the cosine of each pair of texts instead").excludes(all);
  command.add_flag("--no-normalize", arguments->no_normalize, "Leave rows as long as they are (default: length 1)");
  add_choices(command, *arguments);
  add_out(command, arguments->out, "File to write (default: standard output)");
  add_context(command, arguments->run.session.context, "Positions in the cache (default: the longest text)");
  add_batch_size(command, arguments->run.session.batch,
                 "Tokens of one pass at most; where tokens see the whole text, at least the longest text");
  add_type(command, arguments->run);
  add_vocabulary(command, arguments->run.vocabulary);
  arguments->run.session.kv = kComparedKv;
  add_run_options(command, arguments->run);
  command.callback([arguments] {
    if (arguments->texts.empty() && arguments->tokens.empty() && !arguments->file)
      throw UsageError("--text, --file or --tokens is required");
    if (arguments->chosen_format() == EmbedFormat::raw && !arguments->out && ::isatty(STDOUT_FILENO) == 1)
      throw UsageError("raw floats are not for a terminal: --out, or another --format");
    run(*arguments);
  });
}

}  // namespace plumb::cli
