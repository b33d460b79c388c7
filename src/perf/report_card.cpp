#include "plumb/perf/report_card.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <system_error>

#include "../core/format.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/io/open_model.hpp"
#include "plumb/model/family.hpp"
#include "plumb/model/forward_pass.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// A folder that goes away with what is in it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "plumb-report-XXXXXX").native();
    if (::mkdtemp(name.data()) == nullptr) throw Error(ErrorCode::io, name + ": no folder can be made there");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::filesystem::path operator/(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

constexpr std::array<std::string_view, 4> kMethods{"nearest", "search", "search+imatrix", "gptq"};

void check_method(const std::string& method) {
  if (std::find(kMethods.begin(), kMethods.end(), method) != kMethods.end()) return;
  std::string known;
  for (const std::string_view name : kMethods) known += (known.empty() ? "" : ", ") + std::string(name);
  throw Error(ErrorCode::invalid_argument, "no method " + quote(method) + "; known: " + known);
}

/// Types that files cannot hold are made at load, by these methods alone.
bool made_at_load(const std::string& type) {
  const std::optional<DType> known = dtype_from_name(type);
  return known && dtype_info(*known).in_memory();
}
bool possible(const std::string& type, const std::string& method) {
  return !made_at_load(type) || method == "nearest" || method == "search";
}

QuantMethod scale_method(const std::string& method) {
  return method == "nearest" ? QuantMethod::nearest : QuantMethod::search;
}

/// The tensors of a file by name.
FindTensor tensors_of(const ModelFile& file) {
  return [&file](std::string_view name) -> std::optional<ConstTensorView> {
    const GgufTensor* tensor = file.find_tensor(name);
    if (tensor == nullptr) return std::nullopt;
    return tensor->view;
  };
}

/// Bytes of all tensors of `base` as `find` has them.
void count_bytes(ReportCard& card, const ModelFile& base, const FindTensor& find) {
  std::int64_t weights = 0;
  for (const GgufTensor& tensor : base.tensors()) {
    const std::optional<ConstTensorView> view = find(tensor.name);
    card.bytes += view ? view->bytes() : 0;
    weights += tensor.view.shape().elements();
  }
  card.bits_per_weight = 8.0 * static_cast<double>(card.bytes) / static_cast<double>(weights);
}

void sum_errors(ReportCard& card) {
  double error = 0, power = 0, outputs = 0;
  int with_outputs = 0;
  for (const TensorError& t : card.tensors) {
    const double squares = t.mse * static_cast<double>(t.shape.elements());
    error += squares;
    power += t.nmse > 0 ? squares / t.nmse : 0;
    if (t.output_nmse) outputs += *t.output_nmse, ++with_outputs;
  }
  card.weight_nmse = power > 0 ? error / power : 0;
  card.output_nmse = with_outputs > 0 ? outputs / with_outputs : 0;
}

/// What of the matrices has not the type that the recipe asks for. A type that is no recipe ("recorded") asks nothing.
Fallbacks fallbacks_in(const std::string& type, const ModelFile& base, const FindTensor& find, bool has_importance) {
  Fallbacks found;
  std::optional<Recipe> recipe;
  try {
    recipe = Recipe::parse(type);
  } catch (const Error&) {
    return found;
  }
  RecipeFacts facts = recipe_facts(base);
  facts.has_importance = has_importance;
  for (const GgufTensor& tensor : base.tensors()) {
    const DType wanted = recipe->wanted(tensor.name, tensor.view.dtype(), tensor.view.shape(), facts);
    const std::optional<ConstTensorView> view = find(tensor.name);
    if (view && wanted != tensor.view.dtype() && dtype_info(wanted).quantized())
      found.add(wanted, view->dtype(), tensor.view.shape().cols());
  }
  return found;
}

std::string label(const ReportCard& card) { return card.type + " " + card.method; }

}  // namespace

std::span<const std::string_view> report_methods() { return kMethods; }

Reporter::Reporter(const std::filesystem::path& base, ReportOptions options)
    : options_(std::move(options)), path_(base), file_(open_model_file(base)), base_(Model::from_file(file_)) {
  text_ = base_.tokenizer().encode(options_.text);
  calibration_ = options_.calibration.empty() ? text_ : base_.tokenizer().encode(options_.calibration);
  announce("inputs of the base");
  inputs_ = sample_inputs(base_, calibration_, calibration_options(), options_.samples);
}

void Reporter::announce(const std::string& what) const {
  if (options_.progress) options_.progress(done_, what);
}

CalibrationOptions Reporter::calibration_options() const {
  return {.context = options_.windows.context, .bos = options_.windows.bos, .session = options_.session};
}

const ImportanceMatrix& Reporter::importance() {
  if (!importance_) {
    announce("importance");
    importance_ = calibrate(base_, calibration_, calibration_options());
  }
  return *importance_;
}

const SecondMoments& Reporter::moments() {
  if (moments_.empty()) {
    announce("second moments");
    moments_ = collect_second_moments(base_, calibration_, calibration_options());
  }
  return moments_;
}

void Reporter::fill(ReportCard& card, const Model& model) {
  announce(label(card) + ": logits");
  card.logits = compare_logits(base_, model, text_, options_.windows, options_.session);
  card.bits_per_byte = card.logits.other.bits_per_byte(options_.text.size());
  announce(label(card) + ": speed");
  MeasureOptions speed = options_.speed;
  speed.session.threads = options_.session.threads;
  speed.session.kv = options_.session.kv;
  card.speed = measure(model, speed);
  const Traffic& bytes = card.speed.token_bytes;
  card.bytes_per_token = bytes.weights() + bytes.kv_read + bytes.kv_write;
}

ReportCard Reporter::base_card() {
  ReportCard card;
  card.type = "base";
  card.method = "-";
  count_bytes(card, file_, tensors_of(file_));
  fill(card, base_);
  return card;
}

void Reporter::judge_tensors(ReportCard& card, const FindTensor& find) {
  announce(label(card) + ": weights and outputs");
  card.tensors = tensor_errors(file_, find, inputs_, options_.session.threads);
  sum_errors(card);
  count_bytes(card, file_, find);
  card.fallbacks = fallbacks_in(card.type, file_, find, card.method == "search+imatrix");
}

ReportCard Reporter::card(const std::filesystem::path& file, std::string type, std::string method) {
  ReportCard card;
  card.type = std::move(type);
  card.method = std::move(method);
  const ModelFile made = open_model_file(file);
  judge_tensors(card, tensors_of(made));
  fill(card, Model::from_file(made, {.tokenizer = false}));
  return card;
}

ReportCard Reporter::card_at_load(const std::string& type, const std::string& method) {
  ReportCard card;
  card.type = type;
  card.method = method;
  LoadOptions load;
  load.tokenizer = false;
  load.weights = type;
  load.method = scale_method(method);
  {
    load.repack = false;  // panels do not show their rows
    const Model rows = Model::from_file(file_, load);
    std::map<std::string, ConstTensorView, std::less<>> matrices;
    for_each_matrix(rows.spec(), rows.transformer().weights, [&](const TensorSpec& tensor, const ops::WeightMatrix& w) {
      if (!w.each) matrices.emplace(tensor_name(rows.spec(), tensor.id), w.file);
    });
    judge_tensors(card, [&](std::string_view name) -> std::optional<ConstTensorView> {
      const auto found = matrices.find(name);
      return found != matrices.end() ? found->second : tensors_of(file_)(name);
    });
  }
  load.repack = true;
  fill(card, Model::from_file(file_, load));
  return card;
}

ReportCard Reporter::card_of(const std::string& type, const std::string& method) {
  check_method(method);
  announce(type + " " + method + ": quantizing");
  if (!possible(type, method))
    throw Error(ErrorCode::invalid_argument,
                "type " + quote(type) + " is made at load, which knows the methods nearest and search, not " + method);
  if (made_at_load(type)) return card_at_load(type, method);
  QuantizeOptions options;
  options.recipe = Recipe::parse(type);
  options.method = scale_method(method);
  options.threads = options_.session.threads;
  if (method == "search+imatrix") options.importance = &importance();
  if (method == "gptq") options.moments = &moments();
  const TemporaryFolder folder;
  quantize_model(path_, folder / "model.gguf", options);
  return card(folder / "model.gguf", type, method);
}

std::vector<ReportCard> report_cards(const std::filesystem::path& base, std::span<const std::string> types,
                                     std::span<const std::string> methods, ReportOptions options) {
  for (const std::string& type : types)
    if (!made_at_load(type)) Recipe::parse(type);
  for (const std::string& method : methods) check_method(method);
  Reporter reporter(base, std::move(options));
  std::vector<ReportCard> cards = {reporter.base_card()};
  const auto total = static_cast<double>(types.size() * methods.size() + 1);
  for (const std::string& type : types)
    for (const std::string& method : methods) {
      if (!possible(type, method)) continue;
      reporter.done_ = static_cast<double>(cards.size()) / total;
      cards.push_back(reporter.card_of(type, method));
    }
  return cards;
}

std::vector<std::string> disagreements(std::span<const ReportCard> cards) {
  constexpr double kSameSize = 1.01;
  std::vector<std::string> sentences;
  for (const ReportCard& a : cards)
    for (const ReportCard& b : cards) {
      if (a.tensors.empty() || b.tensors.empty() || !(a.weight_nmse < b.weight_nmse)) continue;
      if (std::max(a.bits_per_weight, b.bits_per_weight) > kSameSize * std::min(a.bits_per_weight, b.bits_per_weight))
        continue;
      const Estimate &x = a.logits.kl, &y = b.logits.kl;
      if (!(x.value - y.value > std::hypot(x.error, y.error))) continue;
      sentences.push_back(
          formatted("{} has the smaller weight error ({:.3g} against {:.3g}), {} the smaller KL divergence ({:.3g} "
                    "against {:.3g})",
                    label(a), a.weight_nmse, b.weight_nmse, label(b), y.value, x.value));
    }
  return sentences;
}

std::string worst_tensors(const ReportCard& card) {
  const TensorError *weights = nullptr, *outputs = nullptr;
  for (const TensorError& t : card.tensors) {
    if (!t.output_nmse) continue;
    if (weights == nullptr || t.nmse > weights->nmse) weights = &t;
    if (outputs == nullptr || *t.output_nmse > *outputs->output_nmse) outputs = &t;
  }
  if (weights == outputs) return {};
  return formatted(
      "the largest weight error is that of {} ({:.3g}, its outputs {:.3g}), the largest output error that of {} "
      "({:.3g}, "
      "its weights {:.3g})",
      printable(weights->name), weights->nmse, *weights->output_nmse, printable(outputs->name), *outputs->output_nmse,
      outputs->nmse);
}

}  // namespace plumb
