#include "big_integer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "heap.hpp"

namespace plumb::inline PLUMB_ABI::jinja {

BigInteger::BigInteger(std::int64_t value) : negative_(value < 0) {
  std::uint64_t rest = negative_ ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  for (; rest != 0; rest /= kBase) limbs_.push_back(static_cast<std::uint32_t>(rest % kBase));
}

void BigInteger::normalise() {
  while (!limbs_.empty() && limbs_.back() == 0) limbs_.pop_back();
  if (limbs_.empty()) negative_ = false;
  if (limbs_.size() > kMaxLimbs) stop(Fault::limit, "a whole number of more than 4300 digits");
}

bool BigInteger::parse(std::string_view text, BigInteger& out) {
  out = {};
  const bool minus = !text.empty() && text.front() == '-';
  if (!text.empty() && (minus || text.front() == '+')) text.remove_prefix(1);
  if (text.empty() || !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) return false;
  if (text.size() > 9 * kMaxLimbs) stop(Fault::limit, "a whole number of more than 4300 digits");
  for (std::size_t end = text.size(); end > 0;) {
    const std::size_t begin = end > 9 ? end - 9 : 0;
    std::uint32_t limb = 0;
    for (std::size_t i = begin; i < end; ++i) limb = limb * 10 + static_cast<std::uint32_t>(text[i] - '0');
    out.limbs_.push_back(limb);
    end = begin;
  }
  out.negative_ = minus;
  out.normalise();
  return true;
}

BigInteger BigInteger::from_real(double value) {
  int exponent = 0;
  const double fraction = std::frexp(std::trunc(value), &exponent);  // in [0.5, 1), times 2^exponent
  BigInteger out(static_cast<std::int64_t>(std::ldexp(fraction, 53)));
  for (exponent -= 53; exponent > 0; exponent -= std::min(exponent, 29))
    out = multiply(out, BigInteger(std::int64_t{1} << std::min(exponent, 29)));
  BigInteger rest;
  for (; exponent < 0; exponent += std::min(-exponent, 29))
    divide(out, BigInteger(std::int64_t{1} << std::min(-exponent, 29)), out, rest);
  return out;
}

std::string BigInteger::digits() const {
  if (limbs_.empty()) return "0";
  std::string out = negative_ ? "-" : "";
  out += std::to_string(limbs_.back());
  for (std::size_t i = limbs_.size() - 1; i-- > 0;) {
    const std::string limb = std::to_string(limbs_[i]);
    out.append(9 - limb.size(), '0').append(limb);
  }
  return out;
}

double BigInteger::real() const { return std::strtod(digits().c_str(), nullptr); }

bool BigInteger::fits() const {
  return compare(*this, BigInteger(std::numeric_limits<std::int64_t>::min())) >= 0 &&
         compare(*this, BigInteger(std::numeric_limits<std::int64_t>::max())) <= 0;
}

std::int64_t BigInteger::small() const {
  std::uint64_t magnitude = 0;
  for (std::size_t i = limbs_.size(); i-- > 0;) magnitude = magnitude * kBase + limbs_[i];
  return static_cast<std::int64_t>(negative_ ? 0 - magnitude : magnitude);
}

BigInteger BigInteger::negated() const {
  BigInteger out = *this;
  out.negative_ = !out.negative_ && !out.limbs_.empty();
  return out;
}

int BigInteger::compare_magnitude(const BigInteger& a, const BigInteger& b) {
  if (a.limbs_.size() != b.limbs_.size()) return a.limbs_.size() < b.limbs_.size() ? -1 : 1;
  for (std::size_t i = a.limbs_.size(); i-- > 0;)
    if (a.limbs_[i] != b.limbs_[i]) return a.limbs_[i] < b.limbs_[i] ? -1 : 1;
  return 0;
}

int BigInteger::compare(const BigInteger& a, const BigInteger& b) {
  if (a.negative_ != b.negative_) return a.negative_ ? -1 : 1;
  return a.negative_ ? -compare_magnitude(a, b) : compare_magnitude(a, b);
}

BigInteger BigInteger::add(const BigInteger& a, const BigInteger& b) {
  const bool swap = compare_magnitude(a, b) < 0;
  const BigInteger& large = swap ? b : a;
  const BigInteger& small = swap ? a : b;
  const bool minus = large.negative_ != small.negative_;
  BigInteger out = large;
  std::int64_t carry = 0;
  for (std::size_t i = 0; i < out.limbs_.size(); ++i) {
    const std::int64_t other = i < small.limbs_.size() ? small.limbs_[i] : 0;
    std::int64_t sum = out.limbs_[i] + carry + (minus ? -other : other);
    carry = sum < 0 ? -1 : sum >= kBase ? 1 : 0;
    sum -= carry * static_cast<std::int64_t>(kBase);
    out.limbs_[i] = static_cast<std::uint32_t>(sum);
  }
  if (carry > 0) out.limbs_.push_back(1);
  out.normalise();
  return out;
}

BigInteger BigInteger::multiply(const BigInteger& a, const BigInteger& b) {
  if (a.limbs_.size() + b.limbs_.size() > kMaxLimbs + 1) stop(Fault::limit, "a whole number of more than 4300 digits");
  BigInteger out;
  out.negative_ = a.negative_ != b.negative_;
  out.limbs_.assign(a.limbs_.size() + b.limbs_.size(), 0);
  for (std::size_t i = 0; i < a.limbs_.size(); ++i) {
    std::uint64_t carry = 0;
    for (std::size_t j = 0; j < b.limbs_.size(); ++j) {
      const std::uint64_t sum = std::uint64_t{a.limbs_[i]} * b.limbs_[j] + out.limbs_[i + j] + carry;
      out.limbs_[i + j] = static_cast<std::uint32_t>(sum % kBase);
      carry = sum / kBase;
    }
    out.limbs_[i + b.limbs_.size()] = static_cast<std::uint32_t>(carry);
  }
  out.normalise();
  return out;
}

void BigInteger::divide(const BigInteger& a, const BigInteger& b, BigInteger& quotient, BigInteger& remainder) {
  BigInteger divisor = b, rest, result;
  divisor.negative_ = false;
  result.limbs_.assign(a.limbs_.size(), 0);
  for (std::size_t i = a.limbs_.size(); i-- > 0;) {
    rest.limbs_.insert(rest.limbs_.begin(), a.limbs_[i]);
    rest.normalise();
    std::uint32_t low = 0, high = kBase - 1;  // the largest digit whose product does not exceed the rest
    while (low < high) {
      const std::uint32_t middle = low + (high - low + 1) / 2;
      if (compare_magnitude(multiply(divisor, BigInteger(middle)), rest) <= 0)
        low = middle;
      else
        high = middle - 1;
    }
    result.limbs_[i] = low;
    if (low != 0) rest = add(rest, multiply(divisor, BigInteger(low)).negated());
  }
  result.negative_ = a.negative_ != b.negative_;
  result.normalise();
  rest.negative_ = a.negative_;
  rest.normalise();
  if (!rest.zero() && a.negative_ != b.negative_) {  // down, and the remainder has the divisor's sign
    result = add(result, BigInteger(-1));
    rest = add(rest, b);
  }
  quotient = std::move(result);
  remainder = std::move(rest);
}

Value integer_value(BigInteger value) {
  if (value.fits()) return value.small();
  return Value(std::make_shared<const BigInteger>(std::move(value)));
}

BigInteger big_of(const Value& value) {
  return value.is(Kind::big_integer) ? value.big() : BigInteger(value.integer());
}

}  // namespace plumb
