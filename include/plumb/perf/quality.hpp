#pragma once
/// @file
/// How good a model is, as far as that is known without running it: what its maker published, and what a type of
/// weights costs. Both are tables of figures; what is not in them is not known.

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI {

/// A published result of MMLU with five shots (57 subjects, four answers to choose from: guessing gives 25%). Makers
/// put the questions in different ways, so between families a few points say nothing.
struct PublishedScore {
  std::string_view preset;
  double mmlu = 0;          ///< percent of the answers that were right
  std::string_view of;      ///< which of the models of this shape: "base" or "instruct"
  std::string_view source;  ///< where its maker published it
};

/// The score of a preset; nullptr where nobody here has seen it at its source.
PLUMB_API const PublishedScore* published_score(std::string_view preset);

/// What a type of weights costs: the KL divergence of a model's predictions from those of its unquantized weights, in
/// nats a token. An estimate: measured on small models of the tree's fixtures; larger ones mostly lose less.
struct TypeLoss {
  std::string_view type;  ///< name of a recipe
  double kl = 0;
};

/// All that were measured, the largest loss first. `scripts/type_loss` measures them again and writes the table.
PLUMB_API std::span<const TypeLoss> type_losses();

/// The loss of a recipe by its name in any spelling ("q4_k" is "q4_k_m"); 0 for 16 bits and more, nothing for others.
PLUMB_API std::optional<double> estimated_loss(std::string_view type);

/// A model among others, for people who give up one thing for another.
struct Offer {
  double seconds = 0;             ///< of a token
  double memory = 0;              ///< bytes
  double parameters = 0;          ///< in total
  std::optional<double> score{};  ///< the higher the better
  std::optional<double> loss{};   ///< of its type; the lower the better
};

/// For each offer, whether it is on the Pareto front: no other one is as fast, as small and as good, and better in one
/// of these. Better is the higher score where both have one, else more parameters, and of equal ones the smaller loss.
PLUMB_API std::vector<bool> pareto_front(std::span<const Offer> offers);

}  // namespace plumb
