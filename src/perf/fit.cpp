#include "plumb/perf/fit.hpp"

#include <algorithm>
#include <cmath>

#include "plumb/core/error.hpp"
#include "plumb/model/llama_spec.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/model/presets.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr int kHead = 64, kWidthStep = 128;

void check_budget(const Budget& budget) {
  const auto check = [](const char* name, double value) {
    if (!(value >= 0) || !std::isfinite(value))
      throw Error(ErrorCode::invalid_argument,
                  std::string(name) + " of a budget is " + std::to_string(value) + ", expected a number above zero");
  };
  check("latency", budget.latency);
  check("memory", budget.memory);
  check("time to the first token", budget.first_token);
  if (budget.latency == 0 && budget.memory == 0 && budget.first_token == 0)
    throw Error(ErrorCode::invalid_argument,
                "a budget without a limit: expected a latency, a memory or a time to the first token");
  if (budget.context < 1 || budget.context > SpecLimits::kContext)
    throw Error(ErrorCode::invalid_argument, "context is " + std::to_string(budget.context) + ", expected 1 to " +
                                                 std::to_string(SpecLimits::kContext));
  if (budget.prompt < 1 || budget.prompt > budget.context)
    throw Error(ErrorCode::invalid_argument, "prompt is " + std::to_string(budget.prompt) +
                                                 ", expected 1 to the context, " + std::to_string(budget.context));
}

bool runs(const ModelSpec& spec) {
  try {
    check_runnable(spec, spec.name);
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// Answers "does this model fit" for one budget and machine.
class Judge {
 public:
  Judge(const FitOptions& options, const Machine& machine) : options_(options), machine_(machine) {
    memory_ = options.budget.memory > 0 ? options.budget.memory : machine.system.memory_bytes;
    types_ = options.types;
    if (types_.empty()) types_.assign(std::begin(kFitTypes), std::end(kFitTypes));
  }

  /// The model with the most bits that meets the budget.
  std::optional<FitChoice> best(const ModelSpec& spec, const std::string& name) const {
    std::optional<FitChoice> choice;
    for (const std::string& type : types_) {
      const ForecastOptions ask = question(spec, type);
      if (!has_room(spec, ask)) continue;
      FitChoice tried{name, spec, type, forecast(spec, ask, machine_), runs(spec)};
      if (meets(tried) && (!choice || tried.forecast.memory.weights > choice->forecast.memory.weights))
        choice = std::move(tried);
    }
    return choice;
  }

 private:
  ForecastOptions question(const ModelSpec& spec, const std::string& type) const {
    ForecastOptions ask;
    ask.weights = weight_types_by_name(type, spec);
    ask.kv = options_.kv;
    ask.context = options_.budget.context;
    ask.prompt = options_.budget.prompt;
    ask.threads = options_.threads;
    return ask;
  }
  /// Asked before the forecast, which takes far longer.
  bool has_room(const ModelSpec& spec, const ForecastOptions& ask) const {
    return memory_ <= 0 ||
           memory_use(spec, ask.weights, ask.kv, ask.context, ask.sequences, ask.batch).total() <= memory_;
  }
  bool meets(const FitChoice& choice) const {
    const Budget& b = options_.budget;
    return (b.latency <= 0 || choice.latency() <= b.latency) &&
           (b.first_token <= 0 || choice.forecast.time_to_first_token() <= b.first_token);
  }

  const FitOptions& options_;
  const Machine& machine_;
  double memory_ = 0;
  std::vector<std::string> types_;
};

/// For each type the widest free shape that meets the budget: costs rise with the width, so halving finds it.
std::vector<FitChoice> fit_free(const FitOptions& options, const Machine& machine) {
  std::vector<std::string> types = options.types;
  if (types.empty()) types.assign(std::begin(kFitTypes), std::end(kFitTypes));
  std::vector<FitChoice> choices;
  for (const std::string& type : types) {
    FitOptions one = options;
    one.types = {type};
    const Judge judge(one, machine);
    std::optional<FitChoice> best;
    int low = 0, high = 32768 / kWidthStep;  // in steps: low meets the budget (or is nothing), high + 1 does not
    while (low < high) {
      const int middle = (low + high + 1) / 2;
      const ModelSpec spec = free_shape(middle * kWidthStep, options.budget.context);
      if (std::optional<FitChoice> choice = judge.best(spec, spec.name)) {
        best = std::move(choice);
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    if (best) choices.push_back(std::move(*best));
  }
  return choices;
}

}  // namespace

ModelSpec free_shape(int width, std::int64_t context) {
  if (width < kWidthStep || width % kWidthStep != 0)
    throw Error(ErrorCode::bad_value,
                "width is " + std::to_string(width) + ", expected a multiple of " + std::to_string(kWidthStep));
  const int layers = width <= 4096 ? std::max(2, width / 64) : static_cast<int>(std::lround(std::sqrt(width)));
  const int heads = width / kHead, kv_heads = heads % 4 == 0 ? heads / 4 : heads / 2;
  const int ffn = static_cast<int>(std::ceil(width * 8.0 / 3 / 256)) * 256;
  const std::string name = "width " + std::to_string(width) + ", " + std::to_string(layers) + " layers";
  const ModelSpec spec =
      llama_spec({name, 32000, width, layers, heads, kv_heads, kHead, ffn, static_cast<int>(context), 1e4f, true});
  check_spec(spec, name);
  return spec;
}

std::vector<FitChoice> fit_models(const FitOptions& options, const Machine& machine) {
  check_budget(options.budget);
  std::vector<FitChoice> choices;
  if (options.free_shape) {
    choices = fit_free(options, machine);
  } else {
    const Judge judge(options, machine);
    for (const Preset& preset : all_presets()) {
      const ModelSpec spec = preset.spec();
      if (!generates(spec)) continue;  // makes embeddings of whole texts, and no tokens
      if (spec.context < options.budget.context || (options.runnable && !runs(spec))) continue;
      if (std::optional<FitChoice> choice = judge.best(spec, std::string(preset.name)))
        choices.push_back(std::move(*choice));
    }
  }
  std::stable_sort(choices.begin(), choices.end(), [](const FitChoice& a, const FitChoice& b) {
    return a.forecast.parameters.total() > b.forecast.parameters.total();
  });
  return choices;
}

Measurement verify_choice(const FitChoice& choice, const FitOptions& options,
                          const std::function<void(std::string_view what, double done)>& progress) {
  check_runnable(choice.spec, choice.name);
  if (progress) progress("making random weights", 0);
  const Model model = Model::random(choice.spec, weight_types_by_name(choice.type, choice.spec));
  MeasureOptions measured;
  measured.session.threads = options.threads;
  measured.session.kv = options.kv;
  measured.session.context = static_cast<int>(options.budget.context);
  measured.progress = progress;
  measured.repetitions = 3;
  measured.prompt = static_cast<int>(options.budget.prompt);
  measured.tokens = 0;
  Measurement result = measure(model, measured);
  measured.prompt = 0;
  measured.tokens = std::min(16, measured.session.context);
  measured.depth = measured.session.context - measured.tokens;
  result.decode = measure(model, measured).decode;
  return result;
}

}  // namespace plumb
