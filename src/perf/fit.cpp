#include "plumb/perf/fit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "plumb/core/error.hpp"
#include "plumb/model/llama_spec.hpp"
#include "plumb/model/named_types.hpp"
#include "plumb/model/presets.hpp"
#include "plumb/perf/quality.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr int kHead = 64, kWidthStep = 128;
constexpr std::int64_t kMostUsers = 1 << 16;

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
  if (budget.users < 1 || budget.users > kMostUsers)
    throw Error(ErrorCode::invalid_argument,
                "users is " + std::to_string(budget.users) + ", expected 1 to " + std::to_string(kMostUsers));
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
    types_ = options.types;
    if (types_.empty()) types_.assign(std::begin(kFitTypes), std::end(kFitTypes));
  }

  /// The model in the type with the most bits that meets the budget.
  std::optional<FitChoice> best(const ModelSpec& spec, const std::string& name) const {
    std::vector<std::pair<double, const std::string*>> by_size;
    std::vector<ForecastOptions> asks;
    for (const std::string& type : types_) {
      asks.push_back(question(spec, type));
      by_size.emplace_back(weight_bytes(spec, asks.back().weights), &type);
    }
    std::stable_sort(by_size.begin(), by_size.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    for (const auto& [bytes, type] : by_size) {
      const ForecastOptions& ask = asks[static_cast<std::size_t>(type - types_.data())];
      if (least_excess(spec, ask, 0) > 0) continue;
      FitChoice tried = price(spec, name, *type, ask);
      if (tried.excess.worst() == 0) return tried;
    }
    return std::nullopt;
  }
  /// The model in the type that misses the budget by least; nothing if that is by more than `most`.
  std::optional<FitChoice> nearest(const ModelSpec& spec, const std::string& name, double most) const {
    std::optional<FitChoice> choice;
    for (const std::string& type : types_) {
      const ForecastOptions ask = question(spec, type);
      if (least_excess(spec, ask, most) > most) continue;
      FitChoice tried = price(spec, name, type, ask);
      if (tried.excess.worst() > most) continue;
      most = tried.excess.worst();
      choice = std::move(tried);
    }
    return choice;
  }

 private:
  FitChoice price(const ModelSpec& spec, const std::string& name, const std::string& type,
                  const ForecastOptions& ask) const {
    FitChoice choice{name, spec, type, forecast(spec, ask, machine_), runs(spec), file_bytes(spec, ask.weights)};
    const Budget& b = options_.budget;
    choice.excess = {beyond(choice.latency(), b.latency), beyond(choice.forecast.memory.total(), b.memory),
                     beyond(choice.forecast.time_to_first_token(), b.first_token)};
    return choice;
  }
  ForecastOptions question(const ModelSpec& spec, const std::string& type) const {
    ForecastOptions ask;
    ask.weights = weight_types_by_name(type, spec);
    ask.kv = options_.kv;
    ask.context = options_.budget.context;
    ask.prompt = options_.budget.prompt;
    ask.sequences = options_.budget.users;
    ask.threads = options_.threads;
    return ask;
  }
  static double beyond(double value, double limit) { return limit > 0 ? std::max(value / limit - 1, 0.0) : 0; }

  /// The excess is this or more. Asked before the forecast, which takes far longer; given up beyond `most`.
  double least_excess(const ModelSpec& spec, const ForecastOptions& ask, double most) const {
    const Budget& b = options_.budget;
    double least =
        beyond(memory_use(spec, ask.weights, ask.kv, ask.context, ask.sequences, ask.batch).total(), b.memory);
    const int threads = ask.threads > 0 ? ask.threads : machine_.max_threads();
    PassOptions pass{.weights = ask.weights,
                     .kv = ask.kv,
                     .position = ask.context - 1,
                     .tokens = 1,
                     .sequences = ask.sequences,
                     .bf16_dot = machine_.peak(Arithmetic::bf16, 1) > 0};
    if (least <= most && b.latency > 0)
      least = std::max(least, beyond(predict(pass_work(spec, pass), machine_, threads).seconds(), b.latency));
    if (least > most || b.first_token <= 0 || ask.prompt < ask.batch) return least;
    pass.position = 0;  // no pass of the prompt takes less than the first
    pass.tokens = ask.batch;
    pass.sequences = 1;
    pass.logits = 0;
    const auto passes = static_cast<double>(ask.prompt / ask.batch);
    return std::max(least, beyond(passes * predict(pass_work(spec, pass), machine_, threads).seconds(), b.first_token));
  }

  const FitOptions& options_;
  const Machine& machine_;
  std::vector<std::string> types_;
};

/// Whether two presets are one shape: everything that can be predicted of them is the same.
bool cost_the_same(const FitChoice& a, const FitChoice& b) {
  const Forecast &f = a.forecast, &g = b.forecast;
  return a.type == b.type && a.file_bytes == b.file_bytes && f.parameters.total() == g.parameters.total() &&
         f.parameters.active() == g.parameters.active() && f.memory.total() == g.memory.total() &&
         a.latency() == b.latency() && f.time_to_first_token() == g.time_to_first_token();
}

/// Adds a choice, or its name to one of the same shape.
void add_choice(std::vector<FitChoice>& choices, FitChoice choice) {
  for (FitChoice& other : choices)
    if (cost_the_same(other, choice)) return other.others.push_back(std::move(choice.name));
  choices.push_back(std::move(choice));
}

/// The presets that are asked about; notes those of short contexts.
std::vector<std::pair<const Preset*, ModelSpec>> candidates(const FitOptions& options, FitResult& result) {
  std::vector<std::pair<const Preset*, ModelSpec>> presets;
  for (const Preset& preset : all_presets()) {
    if (!preset.trained) continue;
    ModelSpec spec = preset.spec();
    if (!generates(spec)) continue;  // makes embeddings of whole texts, and no tokens
    const PublishedScore* score = options.score > 0 ? published_score(preset.name) : nullptr;
    if ((options.score > 0 && (!score || score->mmlu < options.score)) || (options.runnable && !runs(spec))) continue;
    if (spec.context < options.budget.context) {
      result.short_contexts.push_back({std::string(preset.name), spec.context});
    } else {
      presets.emplace_back(&preset, std::move(spec));
    }
  }
  return presets;
}

FitResult fit_presets(const FitOptions& options, const Machine& machine) {
  constexpr std::size_t kMisses = 5;
  FitResult result;
  const Judge judge(options, machine);
  const auto presets = candidates(options, result);
  for (const auto& [preset, spec] : presets)
    if (std::optional<FitChoice> choice = judge.best(spec, std::string(preset->name)))
      add_choice(result.choices, std::move(*choice));
  if (!result.choices.empty()) return result;
  for (const auto& [preset, spec] : presets) {
    const bool full = result.misses.size() == kMisses;
    const double most = full ? result.misses.back().excess.worst() : std::numeric_limits<double>::infinity();
    std::optional<FitChoice> miss = judge.nearest(spec, std::string(preset->name), most);
    if (!miss) continue;
    add_choice(result.misses, std::move(*miss));
    std::stable_sort(result.misses.begin(), result.misses.end(),
                     [](const FitChoice& a, const FitChoice& b) { return a.excess.worst() < b.excess.worst(); });
    if (result.misses.size() > kMisses) result.misses.pop_back();
  }
  return result;
}

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

double Excess::worst() const { return std::max({latency, memory, first_token}); }

std::optional<double> margin_of(const Prediction&) { return std::nullopt; }

FitResult fit_models(const FitOptions& options, const Machine& machine) {
  check_budget(options.budget);
  FitResult result;
  if (options.free_shape) {
    result.choices = fit_free(options, machine);
  } else {
    result = fit_presets(options, machine);
  }
  std::stable_sort(result.choices.begin(), result.choices.end(), [](const FitChoice& a, const FitChoice& b) {
    return a.forecast.parameters.total() > b.forecast.parameters.total();
  });
  return result;
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
  measured.session.sequences = static_cast<int>(options.budget.users);
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
