#include "plumb/perf/quality.hpp"

#include <algorithm>
#include <string>

#include "plumb/model/presets.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr std::string_view kLlama2Card = "Llama 2 model card, academic benchmarks",
                           kLlama3Card = "Llama 3 model card, base pretrained models",
                           kLlama31Card = "Llama 3.1 model card, base pretrained models",
                           kLlama32Card = "Llama 3.2 model card, base pretrained models",
                           kQwen2 = "Qwen2 release post (qwenlm.github.io/blog/qwen2), base models",
                           kQwen25 = "Qwen2.5 release post (qwenlm.github.io/blog/qwen2.5-llm), base models",
                           kDeepSeekV2 = "DeepSeek-V2 README, base models",
                           kDeepSeekV3 = "DeepSeek-V3 README, base model";

/// MMLU with five shots, each as the maker of the model states it; every row was held against its source.
constexpr PublishedScore kScores[] = {
    {"llama-2-7b", 45.3, "base", kLlama2Card},
    {"llama-2-13b", 54.8, "base", kLlama2Card},
    {"llama-2-70b", 68.9, "base", kLlama2Card},
    {"llama-3-8b", 66.6, "base", kLlama3Card},
    {"llama-3-70b", 79.5, "base", kLlama3Card},
    {"llama-3.1-8b", 66.7, "base", kLlama31Card},
    {"llama-3.1-70b", 79.3, "base", kLlama31Card},
    {"llama-3.1-405b", 85.2, "base", kLlama31Card},
    {"llama-3.2-1b", 32.2, "base", kLlama32Card},
    {"llama-3.2-3b", 58.0, "base", kLlama32Card},
    {"qwen2-0.5b", 45.4, "base", kQwen2},
    {"qwen2-1.5b", 56.5, "base", kQwen2},
    {"qwen2-7b", 70.3, "base", kQwen2},
    {"qwen2-72b", 84.2, "base", kQwen2},
    {"qwen2.5-0.5b", 47.5, "base", kQwen25},
    {"qwen2.5-1.5b", 60.9, "base", kQwen25},
    {"qwen2.5-3b", 65.6, "base", kQwen25},
    {"qwen2.5-7b", 74.2, "base", kQwen25},
    {"qwen2.5-14b", 79.7, "base", kQwen25},
    {"qwen2.5-32b", 83.3, "base", kQwen25},
    {"qwen2.5-72b", 86.1, "base", kQwen25},
    {"deepseek-v2-lite", 58.3, "base", kDeepSeekV2},
    {"deepseek-v2", 78.5, "base", kDeepSeekV2},
    {"deepseek-v3", 87.1, "base", kDeepSeekV3},
};

constexpr TypeLoss kLosses[] = {
#include "type_loss.inc"
};

/// The longer name of what has two, as in Recipe.
std::string_view usual_name(std::string_view type) {
  for (const std::string_view mix : {"q3_k_m", "q4_k_m", "q5_k_m"})
    if (type == mix.substr(0, 4)) return mix;
  return type;
}

bool at_least_as_good(const Offer& a, const Offer& b, bool& better) {
  const double first = a.score && b.score ? *a.score : a.parameters,
               second = a.score && b.score ? *b.score : b.parameters;
  if (first != second) {
    better = better || first > second;
    return first > second;
  }
  const double loss_a = a.loss.value_or(0), loss_b = b.loss.value_or(0);
  better = better || loss_a < loss_b;
  return loss_a <= loss_b;
}

bool beats(const Offer& a, const Offer& b) {
  bool better = a.seconds < b.seconds || a.memory < b.memory;
  return a.seconds <= b.seconds && a.memory <= b.memory && at_least_as_good(a, b, better) && better;
}

}  // namespace

const PublishedScore* published_score(std::string_view preset) {
  const Preset* known = find_preset(preset);
  if (!known) return nullptr;
  for (const PublishedScore& score : kScores)
    if (score.preset == known->name) return &score;
  return nullptr;
}

std::span<const TypeLoss> type_losses() { return kLosses; }

std::optional<double> estimated_loss(std::string_view type) {
  std::string lower;
  for (const char c : type) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (const std::string_view full : {"f32", "bf16", "f16"})
    if (lower == full) return 0;
  for (const TypeLoss& loss : kLosses)
    if (loss.type == usual_name(lower)) return loss.kl;
  return std::nullopt;
}

std::vector<bool> pareto_front(std::span<const Offer> offers) {
  std::vector<bool> front(offers.size());
  std::transform(offers.begin(), offers.end(), front.begin(), [&](const Offer& offer) {
    return std::none_of(offers.begin(), offers.end(), [&](const Offer& other) { return beats(other, offer); });
  });
  return front;
}

}  // namespace plumb
