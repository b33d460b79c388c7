#include "plumb/model/collect_moments.hpp"

#include <algorithm>
#include <exception>
#include <memory>
#include <vector>

#include "plumb/core/parallel.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// The second moment of one input, and the rows of the last pass, which wait until all threads sum them.
struct Sum {
  const ProductInput& input;
  std::shared_ptr<SecondMoment> moment;
  std::vector<float> rows;  // [rows, columns]

  void keep(const ops::Activations& x) {
    rows.resize(static_cast<std::size_t>(x.rows * x.cols));
    for (std::int64_t r = 0; r < x.rows; ++r) std::copy_n(x.values + r * x.stride, x.cols, rows.data() + r * x.cols);
  }
  void add() const {
    try {
      moment->add(rows.data(), static_cast<std::int64_t>(rows.size()) / input.columns, input.columns);
    } catch (const Error& e) {
      throw Error(e.code(), "input of " + input.names.front() + ": " + e.what());
    }
  }
};

/// An input a thread.
void add_all(const std::vector<Sum>& sums, int threads) {
  std::exception_ptr failure;
  const auto count = static_cast<std::int64_t>(sums.size());
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (std::int64_t i = 0; i < count; ++i) {
    try {
      sums[static_cast<std::size_t>(i)].add();
    } catch (...) {
#pragma omp critical
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

SecondMoments collect_second_moments(const Model& model, std::span<const Token> text,
                                     const CalibrationOptions& options) {
  std::vector<ProductInput> inputs = product_inputs(model);
  std::erase_if(inputs, [](const ProductInput& input) {
    return input.names.front() == "token_embd.weight" || input.consumers.front()->count > 1;
  });
  std::vector<Sum> sums;
  sums.reserve(inputs.size());
  for (const ProductInput& input : inputs) sums.push_back({input, std::make_shared<SecondMoment>(input.columns), {}});
  const int threads = options.session.threads > 0 ? granted_threads(options.session.threads) : default_threads();
  observe_inputs(
      model, inputs, text, options,
      [&](std::size_t index, std::int64_t, const ops::Activations& x) { sums[index].keep(x); },
      [&] { add_all(sums, threads); });
  SecondMoments moments;
  for (const Sum& sum : sums)
    for (const std::string& name : sum.input.names) moments[name] = sum.moment;
  return moments;
}

}  // namespace plumb
