#include "report_card_output.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "../perf/pages.hpp"
#include "comparison_json.hpp"
#include "evaluation_options.hpp"
#include "html_option.hpp"
#include "plumb/core/printable.hpp"
#include "text_file.hpp"
#include "units.hpp"

namespace plumb::cli {
namespace {

using A = Table::Align;

/// "0.00123 ± 0.00004"; a bare number where there is nothing to be uncertain of.
Cell with_error(const Estimate& e) {
  const std::string number = plain_number(e.value);
  if (e.error <= 0) return {fmt::format("{:.4g}", e.value), number};
  return {fmt::format("{:.4g} ± {:.1g}", e.value, e.error), number};
}

Cell error_or_dash(double value) { return value > 0 ? number_cell(value, "{:.2e}") : no_cell(); }
Cell scaled(double value, double scale) { return {fmt::format("{:.4g}", value * scale), plain_number(value)}; }

Table card_table(std::span<const ReportCard> cards) {
  Table table({{"type", A::left},
               {"method", A::left},
               {"bits/weight", A::right},
               {"MB", A::right, "bytes"},
               {"MB/token", A::right, "moved per token, bytes"},
               {"prompt t/s", A::right, "prompt, tokens/s"},
               {"decode t/s", A::right, "decode, tokens/s"},
               {"weight NMSE", A::right},
               {"output NMSE", A::right},
               {"KL mean", A::right},
               {"KL 99%", A::right},
               {"top-1", A::right, "top-1, %"},
               {"perplexity", A::right},
               {"bits/byte", A::right},
               {"ln(ppl ratio)", A::right}});
  for (const ReportCard& c : cards)
    table.add({printable(c.type_text()), c.method, number_cell(c.bits_per_weight, "{:.3f}"),
               scaled(static_cast<double>(c.bytes), 1e-6), scaled(c.bytes_per_token, 1e-6),
               number_cell(c.speed.prefill.tokens_per_second()), number_cell(c.speed.decode.tokens_per_second()),
               error_or_dash(c.weight_nmse), error_or_dash(c.output_nmse), with_error(c.logits.kl),
               number_cell(c.logits.kl_99, "{:.3g}"), percent_cell(c.logits.top1.value, 2),
               number_cell(c.logits.other.perplexity().value, "{:.4f}"), number_cell(c.bits_per_byte.value, "{:.4f}"),
               with_error(c.logits.nll_difference)});
  return table;
}

Table tensor_table(const ReportCard& card) {
  Table table({{"tensor", A::left},
               {"from", A::left},
               {"to", A::left},
               {"kB", A::right},
               {"weight MSE", A::right},
               {"weight NMSE", A::right},
               {"output NMSE", A::right},
               {"output / weight", A::right}});
  for (const TensorError& t : card.tensors)
    table.add({printable(t.name), std::string(dtype_name(t.from)), std::string(dtype_name(t.to)),
               fmt::format("{:.4g}", static_cast<double>(t.bytes) * 1e-3), fmt::format("{:.3e}", t.mse),
               fmt::format("{:.3e}", t.nmse), t.output_nmse ? fmt::format("{:.3e}", *t.output_nmse) : "-",
               t.output_nmse && t.nmse > 0 ? fmt::format("{:.2f}", *t.output_nmse / t.nmse) : "-"});
  return table;
}

std::string conditions(std::span<const ReportCard> cards) {
  const ReportCard& c = cards.front();
  return fmt::format(
      "{} tokens scored, windows of {}; {} threads, {} kernels; a prompt of {} tokens, {} decoded; KL and "
      "perplexity decide, weight error alone does not",
      c.logits.base.scored, c.logits.base.context, c.speed.threads, c.speed.tier, c.speed.prefill.tokens,
      c.speed.decode.tokens);
}

Json json_of(const ReportCard& c) {
  Json tensors = Json::array();
  for (const TensorError& t : c.tensors) {
    Json tensor = {{"name", printable(t.name)},
                   {"from", dtype_name(t.from)},
                   {"to", dtype_name(t.to)},
                   {"bytes", t.bytes},
                   {"mse", t.mse},
                   {"nmse", t.nmse}};
    tensor["output_nmse"] = t.output_nmse ? Json(*t.output_nmse) : Json(nullptr);
    tensors.push_back(std::move(tensor));
  }
  Json fallbacks = Json::object();
  for (const auto& [type, matrices] : c.fallbacks.instead) fallbacks[std::string(dtype_name(type))] = matrices;
  return {{"type", printable(c.type)},
          {"method", c.method},
          {"matrices", c.fallbacks.matrices},
          {"fallbacks", std::move(fallbacks)},
          {"bits_per_weight", c.bits_per_weight},
          {"bytes", c.bytes},
          {"bytes_per_token", c.bytes_per_token},
          {"weight_nmse", c.weight_nmse},
          {"output_nmse", c.output_nmse},
          {"logits", comparison_json(c.logits)},
          {"bits_per_byte", {{"value", c.bits_per_byte.value}, {"error", c.bits_per_byte.error}}},
          {"prefill_tokens", c.speed.prefill.tokens},
          {"prefill_seconds", c.speed.prefill.seconds},
          {"prefill_tokens_per_second", c.speed.prefill.tokens_per_second()},
          {"decode_tokens", c.speed.decode.tokens},
          {"decode_seconds", c.speed.decode.seconds},
          {"decode_tokens_per_second", c.speed.decode.tokens_per_second()},
          {"threads", c.speed.threads},
          {"tier", c.speed.tier},
          {"worst_tensors", worst_tensors(c)},
          {"tensors", std::move(tensors)}};
}

}  // namespace

std::string report_text(const std::string& model, std::span<const ReportCard> cards, Format format) {
  if (format == Format::csv) return card_table(cards).csv();
  const std::vector<std::string> sentences = disagreements(cards);
  if (format == Format::json) {
    Json json = {{"cards", Json::array()}, {"disagreements", sentences}};
    for (const ReportCard& card : cards) json["cards"].push_back(json_of(card));
    return json_document("report-card", {{"model", model}}, json);
  }
  const bool markdown = format == Format::md;
  const auto show = [&](const Table& table) { return markdown ? table.markdown() : table.text(); };
  std::string out = show(card_table(cards)) + '\n' + conditions(cards) + ".\n";
  if (!sentences.empty()) out += "\nWhere weights and predictions disagree:\n\n";
  for (const std::string& sentence : sentences) out += "- " + sentence + '\n';
  for (const ReportCard& card : cards) {
    if (card.tensors.empty()) continue;
    const std::string worst = worst_tensors(card);
    out += fmt::format("\n{}{} {}{}{}\n\n", markdown ? "## " : "", printable(card.type_text()), card.method,
                       worst.empty() ? ""
                       : markdown    ? "\n\n"
                                     : ": ",
                       worst) +
           show(tensor_table(card));
  }
  return out;
}

std::string report_html(std::span<const ReportCard> cards, const std::string& model) {
  return card_page(cards, model, {.when = now_of_page(), .json = report_text(model, cards, Format::json)});
}

void add_report_options(const Command& command, ReportFiles& files) {
  const Option report =
      command.add_option("--report", files.out, "Judge the result: a report card, as .json, .csv, .md or .html")
          .check([](const std::string& name) {
            for (const char* ending : {".json", ".csv", ".md", ".html"})
              if (name.ends_with(ending)) return std::string();
            return std::string("the report's name must end in .json, .csv, .md or .html");
          });
  const Option text = add_text(command, files.text, "Text that the report's perplexity and divergence are taken on");
  text.needs(report);
  report.needs(text);
  add_calibration(command, files.calibration,
                  "Text to calibrate with: what --method gptq reads, and whose activations the report compares outputs "
                  "on (default of the report: --text)");
}

std::optional<ReportOptions> report_options(const ReportFiles& files, int threads) {
  if (files.out.empty()) return std::nullopt;
  ReportOptions options;
  options.text = read_text(files.text);
  if (!files.calibration.empty()) options.calibration = read_text(files.calibration);
  options.session.threads = threads;
  options.session.kv = kUsualKv;
  return options;
}

void write_report_card(const std::string& file, const ReportOptions& options, const std::string& in,
                       const std::string& out, const std::string& type, const std::string& method) {
  Reporter reporter(in, options);
  const ReportCard cards[] = {reporter.base_card(), reporter.card(out, type, method)};
  const std::string model = printable(in);
  page::write_file(file, file.ends_with(".html")   ? report_html(cards, model)
                         : file.ends_with(".json") ? report_text(model, cards, Format::json)
                         : file.ends_with(".csv")  ? report_text(model, cards, Format::csv)
                                                   : report_text(model, cards, Format::md));
}

}  // namespace plumb::cli
