#pragma once
/// Whole numbers beyond 64 bits. Python's integers have no bound; these end at the 4300 digits that Python prints.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "plumb/jinja/value.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

/// Sign and magnitude in base 10^9, least significant first, no leading zeros; zero is not negative.
class BigInteger {
 public:
  static constexpr std::uint32_t kBase = 1'000'000'000;
  static constexpr std::size_t kMaxLimbs = 478;  // 4300 digits

  BigInteger() = default;
  explicit BigInteger(std::int64_t value);
  /// Digits with an optional sign; an empty or malformed text gives false.
  static bool parse(std::string_view text, BigInteger& out);
  /// Of a finite number, cut towards zero.
  static BigInteger from_real(double value);

  std::string digits() const;
  double real() const;
  bool fits() const;  // into 64 bits
  std::int64_t small() const;
  bool negative() const { return negative_; }
  bool zero() const { return limbs_.empty(); }
  bool odd() const { return !limbs_.empty() && limbs_[0] % 2 != 0; }
  std::size_t limbs() const { return limbs_.size(); }
  BigInteger negated() const;

  /// -1, 0, 1.
  static int compare(const BigInteger& a, const BigInteger& b);
  static BigInteger add(const BigInteger& a, const BigInteger& b);
  static BigInteger multiply(const BigInteger& a, const BigInteger& b);
  /// Rounds the quotient down, as Python does; b is not zero.
  static void divide(const BigInteger& a, const BigInteger& b, BigInteger& quotient, BigInteger& remainder);

 private:
  static int compare_magnitude(const BigInteger& a, const BigInteger& b);
  void normalise();  // throws {limit} when there are too many limbs

  std::vector<std::uint32_t> limbs_;
  bool negative_ = false;
};

/// The value of a number as an integer Value: small where it fits.
Value integer_value(BigInteger value);
/// Of a boolean, integer or big integer.
BigInteger big_of(const Value& value);

}  // namespace plumb
