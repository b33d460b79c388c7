#include "report_plots.hpp"
#include "../core/format.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "gnuplot.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

// Colours that people with colour blindness tell apart (Okabe and Ito, Color Universal Design).
constexpr std::array kColours{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"};

const char* colour(std::size_t i) { return kColours[i % kColours.size()]; }

std::string header(std::string_view x, std::string_view y, int height = 420) {
  return formatted(
      "set terminal svg size 480,{} dynamic font 'sans-serif,15' noenhanced background '#ffffff'\n"
      "set border 3 lc '#666666'\nset tics nomirror\nset grid lc '#dddddd' lw 1\nset xlabel {}\nset ylabel {}\n"
      "set key outside bottom center horizontal maxcols 2 font ',13'\n",
      height, gnuplot_quote(x), gnuplot_quote(y));
}

/// Rows of numbers under a name that plots refer to.
std::string block(const std::string& name, const std::vector<std::array<double, 2>>& rows) {
  std::string text = "$" + name + " << EOD\n";
  for (const auto& row : rows) text += formatted("{:.9g} {:.9g}\n", row[0], row[1]);
  return text + "EOD\n";
}

/// "1M", "30M" at round numbers of a logarithmic axis.
std::string count_tics() {
  std::string tics = "set xtics (";
  constexpr std::array kUnits{"", "k", "M", "B", "T"};
  for (int exponent = 0; exponent <= 13; ++exponent)
    tics += formatted("{}'{}{}' 1e{}", exponent > 0 ? "," : "", std::pow(10, exponent % 3),
                      kUnits[static_cast<std::size_t>(exponent / 3)], exponent);
  return tics + ")\n";
}

std::vector<std::string> types_of(const Sweep& sweep) {
  std::vector<std::string> types;
  for (const SweepPoint& p : sweep.points)
    if (std::find(types.begin(), types.end(), p.setting.type) == types.end()) types.push_back(p.setting.type);
  return types;
}

/// One series a type, or a single nameless one where the types are what is compared.
std::vector<std::string> series_of(const Sweep& sweep) {
  return sweep.dimension == Dimension::type ? std::vector<std::string>{""} : types_of(sweep);
}
bool in_series(const SweepPoint& point, const std::string& series) {
  return series.empty() || point.setting.type == series;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const std::string& part : parts) all += (all.empty() ? "" : ", ") + part;
  return all;
}

}  // namespace

std::string axis_title(Dimension dimension) {
  switch (dimension) {
    case Dimension::size: return "parameters";
    case Dimension::type: return "bits per weight";
    case Dimension::width: return "width";
    case Dimension::depth: return "layers";
    case Dimension::vocab: return "vocabulary";
    case Dimension::gqa: return "query heads per KV head";
    case Dimension::experts: return "experts per layer";
    case Dimension::context: return "tokens in the cache";
    case Dimension::batch: return "sequences side by side";
    case Dimension::threads: return "threads";
  }
  return "";
}

double PassBreakdown::seconds() const {
  double sum = meeting;
  for (const OpSpeed& op : ops) sum += op.seconds;
  return sum;
}

namespace {

/// Traced where it ran, else predicted; nothing where it is neither.
std::optional<PassBreakdown> breakdown(const SweepPoint& point, bool prefill) {
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

}  // namespace

std::vector<PassBreakdown> breakdowns(const Sweep& sweep) {
  std::vector<const SweepPoint*> points;
  for (const SweepPoint& p : sweep.points)
    if (p.setting.type == sweep.points.back().setting.type) points.push_back(&p);
  if (points.size() > 3) points = {points.front(), points[points.size() / 2], points.back()};
  std::vector<PassBreakdown> all;
  for (const bool prefill : {false, true})
    for (const SweepPoint* point : points)
      if (std::optional<PassBreakdown> pass = breakdown(*point, prefill)) all.push_back(std::move(*pass));
  return all;
}

const std::vector<OpGroup>& op_groups() {
  static const std::vector<OpGroup> groups = {
      {"q, k, v", {Op::q, Op::k, Op::v}},
      {"attention", {Op::rope, Op::attention}},
      {"attention out", {Op::attn_out}},
      {"gate, up", {Op::router, Op::gate, Op::up}},
      {"down", {Op::down}},
      {"head", {Op::head}},
      {"norms, other",
       {Op::embedding, Op::attn_norm, Op::ffn_norm, Op::head_norm, Op::activation, Op::quantize, Op::laurel,
        Op::per_layer, Op::altup}},
  };
  return groups;
}

double seconds_of(const PassBreakdown& pass, const OpGroup& group) {
  double sum = 0;
  for (const OpSpeed& op : pass.ops)
    if (std::find(group.ops.begin(), group.ops.end(), op.op) != group.ops.end()) sum += op.seconds;
  return sum;
}

std::string latency_plot(const Sweep& sweep, bool prefill) {
  std::string script = header(axis_title(sweep.dimension), prefill ? "ms for the whole prompt" : "ms per token");
  script += "set logscale y\nset format y '%g'\n";
  if (sweep.dimension != Dimension::type) script += "set logscale x\n";
  if (sweep.dimension == Dimension::size) script += count_tics();
  std::vector<std::string> plots;
  const std::vector<std::string> types = series_of(sweep);
  for (std::size_t t = 0; t < types.size(); ++t) {
    std::vector<std::array<double, 2>> measured, predicted;
    for (const SweepPoint& p : sweep.points) {
      if (!in_series(p, types[t])) continue;
      const double m = prefill ? p.prefill_seconds() : p.decode_seconds();
      const double e = prefill ? p.prefill_predicted() : p.decode_predicted();
      if (m > 0) measured.push_back({p.setting.value, m * 1e3});
      if (e > 0) predicted.push_back({p.setting.value, e * 1e3});
    }
    const std::string n = std::to_string(t);
    if (!predicted.empty()) {
      script += block("predicted" + n, predicted);
      plots.push_back(formatted("$predicted{} with lines lw 2 lc '{}' title {}", n, colour(t),
                                gnuplot_quote((types[t] + " predicted").c_str())));
    }
    if (!measured.empty()) {
      script += block("measured" + n, measured);
      plots.push_back(formatted("$measured{} with points pt 7 ps 0.8 lc '{}' title {}", n, colour(t),
                                gnuplot_quote((types[t] + " measured").c_str())));
    }
  }
  return script + "plot " + joined(plots) + "\n";
}

std::string ratio_plot(const Sweep& sweep) {
  std::string script = header("measured, ms", "predicted / measured");
  script +=
      "set logscale x\nset logscale y\nset format x '%g'\nset yrange [0.4:2.5]\n"
      "set ytics (0.5, 0.7, 0.9, 1, 1.1, 1.4, 2)\n";
  std::vector<std::string> plots = {"1 with lines lw 2 lc '#666666' title 'right'",
                                    "1.1 with lines dt 2 lc '#999999' title '10% off'",
                                    "1/1.1 with lines dt 2 lc '#999999' notitle"};
  const std::vector<std::string> types = series_of(sweep);
  for (std::size_t t = 0; t < types.size(); ++t)
    for (const bool prefill : {false, true}) {
      std::vector<std::array<double, 2>> rows;
      for (const SweepPoint& p : sweep.points) {
        const double m = prefill ? p.prefill_seconds() : p.decode_seconds();
        const double e = prefill ? p.prefill_predicted() : p.decode_predicted();
        if (in_series(p, types[t]) && m > 0 && e > 0) rows.push_back({m * 1e3, std::clamp(e / m, 0.4, 2.5)});
      }
      if (rows.empty()) continue;
      const std::string name = formatted("{}{}", prefill ? "prefill" : "decode", t);
      script += block(name, rows);
      plots.push_back(formatted("${} with points pt {} ps 0.9 lc '{}' title {}", name, prefill ? 8 : 7, colour(t),
                                gnuplot_quote(types[t] + (prefill ? " prompt" : " token"))));
    }
  return script + "plot " + joined(plots) + "\n";
}

std::string roofline_plot(const Machine& machine, int threads, const PassBreakdown& decode,
                          const PassBreakdown& prefill) {
  std::string script = header("operations per byte", "billion operations a second", 520);
  script += "set logscale xy\nset format '%g'\nset xrange [0.05:5000]\nset samples 400\n";
  const double memory = machine.memory_bandwidth(threads), f32 = machine.peak(Arithmetic::f32, threads),
               int8 = machine.peak(Arithmetic::int8, threads), top = std::max(f32, int8) * 1e-9;
  script += formatted("set yrange [{:.6g}:{:.6g}]\nlow(a,b)=a<b?a:b\n", top / 1e5, top * 2);
  std::vector<std::string> plots = {
      formatted("low(x*{:.6g},{:.6g}) with lines lw 2 lc '#333333' title {}", memory * 1e-9, top,
                gnuplot_quote(formatted("memory {:.3g} GB/s", memory * 1e-9))),
      formatted("{:.6g} with lines lw 1 dt 2 lc '#333333' title 'f32'", f32 * 1e-9)};
  if (int8 > 0) plots.push_back(formatted("{:.6g} with lines lw 1 dt 3 lc '#333333' title 'int8'", int8 * 1e-9));
  std::size_t n = 0;
  for (const OpGroup& group : op_groups()) {
    for (const PassBreakdown* pass : {&decode, &prefill}) {
      std::vector<std::array<double, 2>> rows;
      for (const OpSpeed& op : pass->ops)
        if (op.operations > 0 && std::find(group.ops.begin(), group.ops.end(), op.op) != group.ops.end())
          rows.push_back({op.operations / op.bytes, op.operations / op.seconds * 1e-9});
      if (rows.empty()) continue;
      const std::string name = formatted("{}{}", pass->prefill ? "prefill" : "decode", n);
      script += block(name, rows);
      plots.push_back(formatted("${} with points pt {} ps 1 lc '{}' {}", name, pass->prefill ? 8 : 7, colour(n),
                                pass->prefill ? "notitle" : "title " + gnuplot_quote(group.name)));
    }
    ++n;
  }
  return script + "plot " + joined(plots) + "\n";
}

std::string breakdown_plot(const std::vector<PassBreakdown>& passes) {
  std::string script = header("", "% of the time", 520);
  script +=
      "set style data histograms\nset style histogram rowstacked\nset style fill solid 0.9 border lc '#ffffff'\n"
      "set boxwidth 0.75\nset yrange [0:100]\nset xtics rotate by -35\nunset grid\nset tics font ',12'\n$shares << "
      "EOD\n";
  for (const PassBreakdown& pass : passes) {
    std::string label = pass.label.substr(0, pass.label.rfind(' ')) + (pass.prefill ? " prompt" : " token");
    std::replace(label.begin(), label.end(), '"', ' ');
    script += '"' + label + '"';
    for (const OpGroup& group : op_groups())
      script += formatted(" {:.6g}", 100 * seconds_of(pass, group) / pass.seconds());
    script += formatted(" {:.6g}\n", 100 * pass.meeting / pass.seconds());
  }
  script += "EOD\n";
  std::vector<std::string> plots;
  std::size_t column = 2;
  for (const OpGroup& group : op_groups()) {
    plots.push_back(formatted("$shares using {}{} lc '{}' title {}", column, column == 2 ? ":xtic(1)" : "",
                              colour(column - 2), gnuplot_quote(group.name)));
    ++column;
  }
  plots.push_back(formatted("$shares using {} lc '{}' title 'threads meeting'", column, colour(column - 2)));
  return script + "plot " + joined(plots) + "\n";
}

}  // namespace plumb
