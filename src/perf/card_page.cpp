#include <algorithm>
#include <cmath>

#include "../core/format.hpp"
#include "condition.hpp"
#include "page/bars.hpp"
#include "page/pareto.hpp"
#include "page/quantities.hpp"
#include "pages.hpp"
#include "plumb/core/printable.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

using page::number_text;
using Kind = page::Column::Kind;

/// A loss of quality that few notice: perplexity up by no more than this, and the same best guess this often. Either
/// alone can be luck.
constexpr double kSmallLoss = 0.01, kSameGuess = 0.9;

/// Names of cards: the type, and the method where there are several.
class CardNames {
 public:
  explicit CardNames(std::span<const ReportCard> cards) {
    for (const ReportCard& card : cards.subspan(1)) methods_ = methods_ || card.method != cards[1].method;
  }
  std::string of(const ReportCard& card) const {
    std::string name = upper(card.type);
    if (card.fallbacks.any()) name += '*';
    return methods_ && card.method != "-" ? name + ' ' + card.method : name;
  }
  std::string in_full(const ReportCard& card) const {
    const std::string name = card.fallbacks.beside(upper(card.type));
    return methods_ && card.method != "-" ? name + ' ' + card.method : name;
  }

 private:
  /// As types are written: "Q4_K_M". Rules and the base stay as they are.
  static std::string upper(const std::string& type) {
    std::string name = printable(type);
    if (name == "base" || name.find('=') != std::string::npos) return name;
    for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    return name;
  }
  bool methods_ = false;
};

double decode_rate(const ReportCard& card) {
  return card.speed.decode.passes > 0 ? card.speed.decode.tokens_per_second() : 0;
}
double prompt_rate(const ReportCard& card) {
  return card.speed.prefill.passes > 0 ? card.speed.prefill.tokens_per_second() : 0;
}

/// The smallest with hardly any loss; the one with least loss where all lose more.
std::size_t choice(std::span<const ReportCard> cards, bool& small_loss) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < cards.size(); ++i)
    if (cards[i].logits.nll_difference.value <= std::log1p(kSmallLoss) && cards[i].logits.top1.value >= kSameGuess &&
        (best == 0 || cards[i].bytes < cards[best].bytes))
      best = i;
  small_loss = best > 0;
  if (small_loss) return best;
  for (std::size_t i = 1; i < cards.size(); ++i)
    if (best == 0 || cards[i].logits.kl.value < cards[best].logits.kl.value) best = i;
  return best;
}

std::string answer(std::span<const ReportCard> cards, const CardNames& names, std::size_t best, bool small_loss) {
  const ReportCard &base = cards.front(), &card = cards[best];
  if (best == 0)
    return formatted("The base alone: {}, {}.", page::bytes_text(static_cast<double>(base.bytes)),
                     page::rate_text(decode_rate(base)));
  const std::string loss = formatted("{:+.1f}%", 100 * std::expm1(card.logits.nll_difference.value));
  return formatted(
      "{} {}: {} instead of {}, {} instead of {} while decoding, perplexity {}, the base's best guess for {:.1f}% of "
      "tokens.",
      small_loss
          ? "The smallest that loses little (perplexity at most 1% up, the same best guess for 9 tokens in 10) is"
          : "None loses little (perplexity at most 1% up, the same best guess for 9 tokens in 10); nearest to the base "
            "is",
      names.in_full(card), page::bytes_text(static_cast<double>(card.bytes)),
      page::bytes_text(static_cast<double>(base.bytes)), page::rate_text(decode_rate(card)),
      page::rate_text(decode_rate(base)), loss, 100 * card.logits.top1.value);
}

std::string with_error(const Estimate& e) {
  const std::string value = e.value == 0 ? "0" : formatted("{:.4g}", e.value);
  return e.error > 0 ? value + formatted(" ± {:.1g}", e.error) : value;
}
std::string error_text(double value) { return value > 0 ? formatted("{:.2e}", value) : "-"; }

page::HtmlTable card_table(std::span<const ReportCard> cards, const CardNames& names, std::size_t best) {
  page::HtmlTable table{"",
                        {{"type", "", Kind::name},
                         {"weights", "MB"},
                         {"bits per weight"},
                         {"of the base", "%"},
                         {"decode", "tokens/s"},
                         {"per token", "ms"},
                         {"prompt", "tokens/s"},
                         {"traffic", "MB/token"},
                         {"KL divergence"},
                         {"KL, 99th percentile"},
                         {"same best guess", "%"},
                         {"perplexity"},
                         {"perplexity", "% above base"},
                         {"weight error", "NMSE"},
                         {"output error", "NMSE"}},
                        {},
                        {best}};
  const auto base_bytes = static_cast<double>(cards.front().bytes);
  for (const ReportCard& c : cards) {
    const auto bytes = static_cast<double>(c.bytes);
    const PassTiming &decode = c.speed.decode, &prefill = c.speed.prefill;
    const auto star = [](const PassTiming& timing) { return disturbed(timing) ? "*" : ""; };
    table.rows.push_back({names.in_full(c), number_text(bytes * 1e-6, 4), formatted("{:.2f}", c.bits_per_weight),
                          formatted("{:.0f}", 100 * bytes / base_bytes), number_text(decode_rate(c)) + star(decode),
                          decode.passes > 0 ? number_text(decode.seconds_per_pass() * 1e3) : "-",
                          number_text(prompt_rate(c)) + star(prefill), number_text(c.bytes_per_token * 1e-6),
                          with_error(c.logits.kl), formatted("{:.3g}", c.logits.kl_99),
                          formatted("{:.2f}", 100 * c.logits.top1.value),
                          formatted("{:.4f}", c.logits.other.perplexity().value),
                          formatted("{:+.2f}", 100 * std::expm1(c.logits.nll_difference.value)),
                          error_text(c.weight_nmse), error_text(c.output_nmse)});
  }
  return table;
}

page::Picture bars_of(std::span<const ReportCard> cards, const CardNames& names) {
  page::Bars bars{.id = "card-bars",
                  .title = "Memory and speed",
                  .description = "For each type: weights in MB, decoding and reading prompts in tokens a second.",
                  .columns = {"weights, MB", "decode, tokens/s", "prompt, tokens/s"},
                  .rows = {}};
  for (const ReportCard& c : cards) {
    const double mb = static_cast<double>(c.bytes) * 1e-6;
    bars.rows.push_back({names.of(c),
                         {{mb, number_text(mb), false},
                          {decode_rate(c), number_text(decode_rate(c)), disturbed(c.speed.decode)},
                          {prompt_rate(c), number_text(prompt_rate(c)), disturbed(c.speed.prefill)}}});
    bars.description += formatted(" {}: {}, {}, {}.", names.of(c), number_text(mb), number_text(decode_rate(c)),
                                  number_text(prompt_rate(c)));
  }
  std::string caption = "The same run as the table.";
  if (std::any_of(cards.begin(), cards.end(), [](const ReportCard& c) { return c.fallbacks.any(); }))
    caption += " A star: not all tensors have that type; the table says which they have.";
  if (std::any_of(cards.begin(), cards.end(),
                  [](const ReportCard& c) { return disturbed(c.speed.decode) || disturbed(c.speed.prefill); }))
    caption += " Hollow: " + std::string(kDisturbedMeans) + '.';
  return draw(bars, caption);
}

page::HtmlTable tensor_table(const ReportCard& card) {
  page::HtmlTable table{"",
                        {{"tensor", "", Kind::name},
                         {"from", "", Kind::name},
                         {"to", "", Kind::name},
                         {"size", "kB"},
                         {"weight error", "NMSE"},
                         {"output error", "NMSE"}},
                        {}};
  for (const TensorError& t : card.tensors)
    table.rows.push_back({printable(t.name), std::string(dtype_name(t.from)), std::string(dtype_name(t.to)),
                          number_text(static_cast<double>(t.bytes) * 1e-3), error_text(t.nmse),
                          t.output_nmse ? error_text(*t.output_nmse) : "-"});
  return table;
}

}  // namespace

std::string card_page(std::span<const ReportCard> cards, const std::string& model, const PageContext& context) {
  const CardNames names(cards);
  bool small_loss = false;
  const std::size_t best = choice(cards, small_loss);
  page::Page page("Report card of " + printable(model), answer(cards, names, best, small_loss));
  const ReportCard& base = cards.front();
  page.paragraph(
      formatted("{} tokens of text scored, in windows of {}; speed of a prompt of {} tokens and {} written "
                "ones, median of {} runs. {}; {}",
                base.logits.base.scored, base.logits.base.context, base.speed.prefill.tokens, base.speed.decode.tokens,
                base.speed.decode.seconds.size(), time_text(context.when),
                machine_sentence(base.speed.system, base.speed.tier, base.speed.threads)));
  if (const std::string note = load_note(base.speed.system); !note.empty()) page.note(note);
  std::vector<page::Choice> choices;
  for (const ReportCard& c : cards)
    choices.push_back({names.of(c), std::max(0.0, c.logits.kl.value), decode_rate(c), static_cast<double>(c.bytes),
                       disturbed(c.speed.decode)});
  if (cards.size() > 1)
    for (const page::Picture& picture : page::pareto_pictures("card", choices, {}, std::string(kDisturbedMeans)))
      page.picture(picture);
  page.picture(bars_of(cards, names));
  page.section("All numbers");
  page.table(card_table(cards, names, best));
  page.paragraph("A star at a time: " + std::string(kDisturbedMeans) + ".");
  if (const std::vector<std::string> sentences = disagreements(cards); !sentences.empty()) {
    page.section("Where weights and predictions disagree");
    page.paragraph("Of files of the same size, the one with the smaller weight error is not always the better model:");
    page.list(sentences);
  }
  if (cards.size() > 1) page.section("Tensor by tensor");
  for (const ReportCard& card : cards) {
    if (card.tensors.empty()) continue;
    const std::string worst = worst_tensors(card);
    if (!worst.empty()) page.paragraph(names.in_full(card) + ": " + worst + '.');
    page.folded(formatted("{}: {} tensor{} changed", names.in_full(card), card.tensors.size(),
                          card.tensors.size() == 1 ? "" : "s"),
                tensor_table(card));
  }
  page.explain({
      {"KL divergence",
       "How far the predictions are from the base's, averaged over tokens, in nats: 0 is the same; 0.01 "
       "is hardly noticed, 0.1 is."},
      {"same best guess", "Share of tokens for which both models find the same next token most likely (top-1)."},
      {"perplexity",
       "How surprised a model is by the text: the smaller the better. Comparable between models of the same "
       "tokenizer on the same text."},
      {"bits per weight", "Bytes of all tensors times 8, over their number of weights; scales and norms included."},
      {"weight error, output error",
       "Squared error of weights, or of what matrices make of real inputs, over the squares "
       "of the originals (NMSE). They do not tell how good a model is: KL does."},
      {"*", "At a type: not all tensors have it, because their rows do not divide into its blocks."},
  });
  page.explain(common_terms());
  page.data({"cards.csv", "text/csv", csv_of(card_table(cards, names, best))});
  if (!context.json.empty()) page.data({"cards.json", "application/json", context.json});
  return page.html();
}

}  // namespace plumb
