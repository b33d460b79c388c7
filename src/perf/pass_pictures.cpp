#include "pass_pictures.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "../core/format.hpp"
#include "page/bars.hpp"
#include "page/quantities.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// How operations are grouped: name and members. What no group has is in the last.
struct OpGroup {
  std::string_view name;
  std::vector<Op> ops;
};

const std::vector<OpGroup>& op_groups() {
  static const std::vector<OpGroup> groups = {
      {"query, key, value", {Op::q, Op::k, Op::v}},
      {"attention", {Op::rope, Op::index, Op::attention}},
      {"recurrent mixers", {Op::mix_in, Op::convolution, Op::recurrence}},
      {"attention output", {Op::attn_out}},
      {"gate and up", {Op::router, Op::gate, Op::up}},
      {"down", {Op::down}},
      {"head", {Op::head}},
      {"norms and the rest",
       {Op::embedding, Op::attn_norm, Op::ffn_norm, Op::head_norm, Op::activation, Op::quantize, Op::laurel,
        Op::per_layer, Op::altup, Op::sampling}},
  };
  return groups;
}

double seconds_of(const PassBreakdown& pass, const OpGroup& group) {
  double sum = 0;
  for (const OpSpeed& op : pass.ops)
    if (std::find(group.ops.begin(), group.ops.end(), op.op) != group.ops.end()) sum += op.seconds;
  return sum;
}

/// Traced where it ran, else predicted; nothing where it is neither.
std::optional<PassBreakdown> breakdown_of(const SweepPoint& point, bool prefill) {
  const std::optional<Prediction>& predicted = prefill ? point.prefill : point.decode;
  std::optional<TracedRun> traced;
  if (point.measured) traced = prefill ? point.measured->prefill.trace : point.measured->decode.trace;
  if (!traced && !predicted) return std::nullopt;
  PassBreakdown pass{point.setting.label + ' ' + point.setting.type,
                     prefill,
                     traced.has_value(),
                     {},
                     traced ? traced->meeting : predicted->meeting_seconds};
  for (const Op op : kAllOps) {
    OpSpeed speed{op, traced ? traced->busy[static_cast<std::size_t>(op)] : predicted->sum_of(op).seconds};
    for (const Ledger& ledger : prefill ? point.passes.prefill : point.passes.decode) {
      const OpWork work = ledger.sum_of(op);
      speed.operations += work.operations.total();
      speed.bytes += work.bytes.total();
    }
    if (speed.seconds > 0) pass.ops.push_back(speed);
  }
  return pass;
}

bool is_product(Op op) {
  constexpr std::array kProducts{Op::q,    Op::k,  Op::v,    Op::mix_in, Op::attn_out, Op::router,
                                 Op::gate, Op::up, Op::down, Op::head,   Op::laurel,   Op::per_layer};
  return std::find(kProducts.begin(), kProducts.end(), op) != kProducts.end();
}

/// The roofs of a machine.
struct Roofs {
  Roofs(const Machine& machine, int threads)
      : memory(machine.memory_bandwidth(threads)),
        f32(machine.peak(Arithmetic::f32, threads)),
        int8(machine.peak(Arithmetic::int8, threads)) {}
  double memory, f32, int8;
  double top() const { return std::max(f32, int8); }
  /// Arithmetic of products is that of int8 where there is some; the rest is f32.
  double arithmetic(Op op) const { return is_product(op) ? top() : f32; }
  double at(double intensity, Op op) const { return std::min(intensity * memory, arithmetic(op)); }
};

bool on_roofline(const OpSpeed& op) { return op.operations > 0 && op.bytes > 0 && op.seconds > 0; }

/// Why a point is where it is.
std::string reason(const OpSpeed& op, const Roofs& roofs, double share_of_time) {
  const double intensity = op.operations / op.bytes, reached = op.operations / op.seconds;
  const double share = reached / roofs.at(intensity, op.op);
  const bool by_memory = intensity * roofs.memory < roofs.arithmetic(op.op);
  if (by_memory && share > 1.05)
    return formatted("Its bytes come from a cache: {:.2g} times as fast as memory could bring them.", share);
  if (share > 0.75)
    return by_memory ? formatted("Waits for memory: {:.0f}% of what memory can bring.", 100 * share)
                     : formatted("Limited by arithmetic: {:.0f}% of what the units can do.", 100 * share);
  if (share_of_time < 0.02)
    return formatted("Too little work to get up to speed; {:.1f}% of the time.", 100 * share_of_time);
  if (by_memory)
    return formatted(
        "{:.0f}% of what memory could bring: what is done to each byte (unpacking, multiplying) or the start of so "
        "short a piece of work takes longer than bringing it.",
        100 * share);
  return formatted(
      "{:.0f}% of the units' best: unpacking weights, loads and stores take turns with the multiplications.",
      100 * share);
}

std::string kind_of(const PassBreakdown& pass) { return pass.prefill ? "a prompt" : "a token"; }

/// "plumb-1b" of "plumb-1b Q4_0 ".
std::string column_title(const PassBreakdown& pass) { return pass.label; }

}  // namespace

double PassBreakdown::seconds() const {
  double sum = meeting;
  for (const OpSpeed& op : ops) sum += op.seconds;
  return sum;
}

std::vector<PassBreakdown> breakdowns(const Sweep& sweep) {
  std::vector<const SweepPoint*> points;
  for (const SweepPoint& p : sweep.points)
    if (p.setting.type == sweep.points.back().setting.type) points.push_back(&p);
  if (points.size() > 3) points = {points.front(), points[points.size() / 2], points.back()};
  std::vector<PassBreakdown> all;
  for (const bool prefill : {false, true})
    for (const SweepPoint* point : points)
      if (std::optional<PassBreakdown> pass = breakdown_of(*point, prefill)) all.push_back(std::move(*pass));
  return all;
}

PassBreakdown breakdown(const PassReport& report, std::string label, bool prefill) {
  PassBreakdown pass{std::move(label), prefill, true, {}, report.meeting_seconds};
  for (const OpReport& op : report.ops)
    if (op.seconds > 0) pass.ops.push_back({op.op, op.seconds, op.work.operations.total(), op.work.bytes.total()});
  return pass;
}

PassBreakdown breakdown(const Ledger& work, const Prediction& predicted, std::string label, bool prefill) {
  PassBreakdown pass{std::move(label), prefill, false, {}, predicted.meeting_seconds};
  for (const Op op : kAllOps) {
    const OpWork sum = work.sum_of(op);
    const double seconds = predicted.sum_of(op).seconds;
    if (seconds > 0) pass.ops.push_back({op, seconds, sum.operations.total(), sum.bytes.total()});
  }
  return pass;
}

std::string op_title(Op op) {
  switch (op) {
    case Op::attn_norm: return "norm before attention";
    case Op::q: return "query";
    case Op::k: return "key";
    case Op::v: return "value";
    case Op::mix_in: return "mixer input";
    case Op::attn_out: return "attention output";
    case Op::ffn_norm: return "norm before feed-forward";
    case Op::per_layer: return "per-layer embedding";
    case Op::quantize: return "rounding to int8";
    case Op::head_norm: return "norm before the head";
    default: return std::string(op_name(op));
  }
}

std::vector<page::Picture> share_pictures(const std::vector<PassBreakdown>& passes) {
  std::vector<page::Picture> pictures;
  for (const bool prefill : {false, true}) {
    page::Bars bars{.id = prefill ? "share-prompt" : "share-token",
                    .title = formatted("Where the time of {} goes", prefill ? "a prompt" : "a token"),
                    .description = {},
                    .columns = {},
                    .rows = {},
                    .one_scale = true};
    std::vector<const PassBreakdown*> shown;
    for (const PassBreakdown& pass : passes)
      if (pass.prefill == prefill) shown.push_back(&pass);
    if (shown.empty()) continue;
    for (const PassBreakdown* pass : shown) bars.columns.push_back(column_title(*pass));
    bars.description = formatted("Shares of the time, {}.", shown.front()->measured ? "measured" : "predicted");
    const auto row = [&](std::string_view name, const auto& seconds) {
      page::BarRow bar{std::string(name), {}};
      bool any = false;
      for (const PassBreakdown* pass : shown) {
        const double share = seconds(*pass) / pass->seconds();
        bar.bars.push_back({share, formatted("{:.1f}%", 100 * share)});
        any = any || share > 0;
      }
      if (!any) return;
      bars.description += formatted(" {}: {}.", name, bar.bars.back().text);
      bars.rows.push_back(std::move(bar));
    };
    for (const OpGroup& group : op_groups())
      row(group.name, [&](const PassBreakdown& pass) { return seconds_of(pass, group); });
    row("threads meeting", [](const PassBreakdown& pass) { return pass.meeting; });
    pictures.push_back(
        draw(bars, formatted("Shares of the time, {}.",
                             shown.front()->measured ? "measured with a clock on every operation" : "predicted")));
  }
  return pictures;
}

page::HtmlTable share_table(const std::vector<PassBreakdown>& passes) {
  page::HtmlTable table{"Shares of the time", {{"operations", "", page::Column::Kind::name}}, {}};
  for (const PassBreakdown& pass : passes)
    table.columns.push_back({column_title(pass), pass.prefill ? "prompt, %" : "token, %"});
  const auto share = [](double part, const PassBreakdown& pass) {
    return formatted("{:.1f}", 100 * part / pass.seconds());
  };
  for (const OpGroup& group : op_groups()) {
    std::vector<std::string> row = {std::string(group.name)};
    double sum = 0;
    for (const PassBreakdown& pass : passes) {
      sum += seconds_of(pass, group);
      row.push_back(share(seconds_of(pass, group), pass));
    }
    if (sum > 0) table.rows.push_back(row);
  }
  std::vector<std::string> meeting = {"threads meeting"};
  for (const PassBreakdown& pass : passes) meeting.push_back(share(pass.meeting, pass));
  table.rows.push_back(meeting);
  return table;
}

page::Picture roofline_picture(const Machine& machine, int threads, const PassBreakdown& pass) {
  const Roofs roofs(machine, threads);
  page::Plot plot{.id = pass.prefill ? "roof-prompt" : "roof-token",
                  .title = formatted("What the operations of {} reach", kind_of(pass)),
                  .description = {},
                  .x = {"operations per byte", page::Scale::Kind::logarithmic},
                  .y = {"billion operations a second", page::Scale::Kind::logarithmic},
                  .height = 420};
  double low = roofs.top() / roofs.memory, high = low;  // the bend is always in the picture
  for (const OpSpeed& op : pass.ops)
    if (on_roofline(op)) {
      low = std::min(low, op.operations / op.bytes);
      high = std::max(high, op.operations / op.bytes);
    }
  low /= 2;
  high *= 4;
  const double bend = roofs.top() / roofs.memory;
  if (roofs.memory > 0 && roofs.top() > 0)
    plot.curves.push_back({{{low, low * roofs.memory * 1e-9}, {bend, roofs.top() * 1e-9}},
                           formatted("memory {} GB/s", page::number_text(roofs.memory * 1e-9)),
                           -1,
                           false});
  const auto roof = [&](double rate, std::string_view name) {
    if (rate > 0 && roofs.memory > 0)
      plot.curves.push_back({{{rate / roofs.memory, rate * 1e-9}, {high, rate * 1e-9}},
                             formatted("{} {}", name, page::number_text(rate * 1e-9)),
                             -1,
                             rate < roofs.top()});
  };
  roof(roofs.int8, "int8");
  roof(roofs.f32, "f32");
  plot.description = formatted("Operations of {}: what each reached.", kind_of(pass));
  for (const OpSpeed& op : pass.ops) {
    if (!on_roofline(op)) continue;
    const double x = op.operations / op.bytes, y = op.operations / op.seconds * 1e-9;
    const std::string tip = formatted("{}: {:.3g} operations per byte, {:.3g} billion a second", op_title(op.op), x, y);
    plot.dots.push_back({.x = x, .y = y, .label = op_title(op.op), .tip = tip, .colour = is_product(op.op) ? 0 : 2});
    plot.description += ' ' + tip + '.';
  }
  return draw(plot, formatted("{}, {}. Below the slope memory limits, below the flat lines arithmetic; above the slope "
                              "bytes come from a cache. Blue: products with weights; green: the rest.",
                              pass.label, pass.measured ? "measured" : "predicted"));
}

page::HtmlTable roofline_table(const Machine& machine, int threads, const PassBreakdown& pass) {
  const Roofs roofs(machine, threads);
  page::HtmlTable table{formatted("Every operation of {}, {}", kind_of(pass), pass.label),
                        {{"operation", "", page::Column::Kind::name},
                         {"time", "us"},
                         {"share", "%"},
                         {"ops per byte"},
                         {"reached", "GB/s"},
                         {"reached", "Gop/s"},
                         {"of its roof", "%"},
                         {"why it is there", "", page::Column::Kind::prose}},
                        {}};
  for (const OpSpeed& op : pass.ops) {
    const double share = op.seconds / pass.seconds();
    if (!on_roofline(op)) {
      table.rows.push_back({op_title(op.op), page::number_text(op.seconds * 1e6), formatted("{:.1f}", 100 * share), "-",
                            "-", "-", "-", "Moves or chooses values; no arithmetic is counted."});
      continue;
    }
    const double intensity = op.operations / op.bytes, reached = op.operations / op.seconds;
    table.rows.push_back({op_title(op.op), page::number_text(op.seconds * 1e6), formatted("{:.1f}", 100 * share),
                          page::number_text(intensity), page::number_text(op.bytes / op.seconds * 1e-9),
                          page::number_text(reached * 1e-9),
                          formatted("{:.0f}", 100 * reached / roofs.at(intensity, op.op)), reason(op, roofs, share)});
  }
  table.rows.push_back({"threads meeting", page::number_text(pass.meeting * 1e6),
                        formatted("{:.1f}", 100 * pass.meeting / pass.seconds()), "-", "-", "-", "-",
                        "Waiting for the slower thread, barriers, opening and closing the parallel region."});
  return table;
}

std::vector<page::Term> roofline_terms() {
  return {
      {"roofline",
       "A picture of limits: memory brings so many bytes a second, units do so many operations; an "
       "operation with few operations per byte meets the first limit, one with many the second."},
      {"operations per byte",
       "Multiplications and additions, divided by the bytes that are read and written for them."},
      {"Gop/s", "Billion multiplications and additions a second."},
      {"threads meeting", "Time in which a thread has nothing to do until the others are done."},
  };
}

}  // namespace plumb
