/// Is one way to quantize better than another, or was it lucky? Rounding errors are a draw. Listing the channels of the
/// same model in another order gives another draw: it changes only which weights share a block.
///
///     04_is_it_luck model-f32.gguf text.txt calibration.txt 10 q4_0 nearest search search+imatrix gptq
///
/// For llamas without biases, in F32.

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <numeric>
#include <plumb/engine.hpp>
#include <random>
#include <string>
#include <vector>

namespace {

std::string read(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Writes the model with channel order[i] in the place of channel i: rows of what adds to the residual stream, columns
/// of everything else that is as wide.
void reorder_channels(const plumb::ModelFile& model, const std::filesystem::path& out,
                      const std::vector<std::size_t>& order) {
  plumb::GgufWriter writer;
  writer.copy_metadata(model);
  for (const plumb::GgufTensor& t : model.tensors()) writer.add_tensor(t.name, t.view.dtype(), t.view.shape());
  std::size_t index = 0;
  writer.write(out, [&](const plumb::GgufTensorPlan&, const plumb::GgufAppend& append) {
    const plumb::GgufTensor& t = model.tensors()[index++];
    const std::string_view role = plumb::split_gguf_name(t.name).base;
    const bool adds = role == "attn_output" || role == "ffn_down";
    std::vector<float> row(static_cast<std::size_t>(t.view.cols())), moved(row.size());
    for (std::int64_t r = 0; r < t.view.rows(); ++r) {
      const auto from = adds ? static_cast<std::int64_t>(order[static_cast<std::size_t>(r)]) : r;
      std::memcpy(row.data(), t.view.row(from), t.view.row_bytes());
      for (std::size_t k = 0; k < row.size(); ++k)
        moved[k] = adds || row.size() != order.size() ? row[k] : row[order[k]];
      append(std::as_bytes(std::span(moved)));
    }
  });
}

struct Draws {
  std::vector<double> values;
  double mean() const {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  }
  double deviation() const {
    double sum = 0;
    for (const double v : values) sum += (v - mean()) * (v - mean());
    return std::sqrt(sum / std::max(1.0, static_cast<double>(values.size()) - 1));
  }
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 7) {
    std::cerr << "usage: " << argv[0] << " MODEL TEXT CALIBRATION DRAWS TYPE METHOD...\n";
    return 2;
  }
  const plumb::ModelFile model = plumb::open_model_file(argv[1]);
  const int draws = std::max(1, std::atoi(argv[4]));
  plumb::ReportOptions options;
  options.text = read(argv[2]), options.calibration = read(argv[3]);
  options.windows = {.context = 256, .stride = 256};
  options.speed = {.prompt = 1, .tokens = 1, .repetitions = 1};

  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / ("luck-" + std::to_string(std::random_device()()) + ".gguf");
  std::vector<std::size_t> order(static_cast<std::size_t>(plumb::Model::load(argv[1]).spec().width));
  std::iota(order.begin(), order.end(), 0u);
  std::mt19937 random(1);
  std::map<std::string, Draws> divergence;
  for (int draw = 0; draw < draws; ++draw, std::shuffle(order.begin(), order.end(), random)) {
    reorder_channels(model, file, order);
    plumb::Reporter reporter(file, options);
    for (int m = 6; m < argc; ++m)
      divergence[argv[m]].values.push_back(reporter.card_of(argv[5], argv[m]).logits.kl.value);
  }
  std::filesystem::remove(file);

  std::cout << argv[5] << ", " << draws << " orders of the channels\nKL divergence  one order differs by  method\n";
  for (const auto& [method, d] : divergence)
    std::cout << d.mean() << " ± " << d.deviation() / std::sqrt(draws) << "  " << d.deviation() << "  " << method
              << '\n';
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
