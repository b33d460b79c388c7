#pragma once
/// @file
/// What a render may use: steps of work, and bytes held at a time.

#include <cstddef>
#include <cstdint>
#include <utility>

#include "plumb/core/version.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

/// Bounds of one render of a template from a stranger. Steps and bytes grow with the conversation, so that a long one
/// may be rendered and a short one cannot be used to keep the machine busy.
struct Limits {
  std::int64_t steps = 400'000;               ///< expressions evaluated, and sixteens of bytes handled
  std::int64_t steps_per_value = 1000;        ///< more for every value in the variables
  std::int64_t steps_per_byte = 4;            ///< more for every byte in the variables
  std::size_t bytes = std::size_t{12} << 20;  ///< of all texts, lists and the output together
  std::size_t bytes_per_byte = 8;             ///< more for every byte in the variables
  int depth = 600;                            ///< nested expressions, statements and calls
};

/// Counts down. Throws TemplateError{limit} when nothing is left.
class Budget {
 public:
  Budget(std::int64_t steps, std::size_t bytes) : steps_(steps), limit_(bytes) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  void spend(std::int64_t steps) {
    if ((steps_ -= steps) < 0) out_of_steps();
  }
  /// Work on so many bytes.
  void spend_bytes(std::size_t bytes) { spend(static_cast<std::int64_t>(bytes / 16) + 1); }
  void take(std::size_t bytes) {
    expect(bytes);
    held_ += bytes;
  }
  void give(std::size_t bytes) noexcept { held_ -= bytes; }
  /// Throws unless so many bytes could be taken.
  void expect(std::size_t bytes) const {
    if (bytes > limit_ - held_) out_of_bytes();
  }

 private:
  [[noreturn]] static void out_of_steps();
  [[noreturn]] static void out_of_bytes();

  std::int64_t steps_;
  std::size_t limit_, held_ = 0;
};

/// Bytes that are given back when their owner ends. Values made outside of a render have none.
class Charge {
 public:
  Charge() = default;
  Charge(Budget* budget, std::size_t bytes) : budget_(budget), bytes_(bytes) {
    if (budget_) budget_->take(bytes_);
  }
  Charge(const Charge&) : Charge() {}  ///< a copy is free until someone charges it
  Charge(Charge&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Charge& operator=(Charge other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Charge() {
    if (budget_) budget_->give(bytes_);
  }

 private:
  Budget* budget_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace plumb
