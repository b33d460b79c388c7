#include "fingerprint.hpp"

#include <algorithm>
#include <string>

#include "plumb/core/checksum.hpp"
#include "plumb/quant/packed.hpp"
#include "src/families/difference.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

constexpr std::int64_t kSampledRows = 4;
constexpr std::size_t kSampledBytes = 64;

/// Some bytes of four of `count` pieces of `bytes` each: other bytes of each.
template <class At>
void add_samples(Checksum& sum, std::int64_t count, std::size_t bytes, const At& at) {
  const std::size_t some = std::min(bytes, kSampledBytes);
  for (std::int64_t i = 0; i < std::min(count, kSampledRows); ++i) {
    const std::int64_t piece = count <= kSampledRows ? i : (count - 1) * i / (kSampledRows - 1);
    const std::size_t from = (bytes - some) * static_cast<std::size_t>(i) / (kSampledRows - 1);
    sum.add({at(piece) + from, some});
  }
}

}  // namespace

std::uint64_t fingerprint_of(const Transformer& model) {
  Checksum sum;
  const std::string text = family::description(model.spec);
  sum.add(std::as_bytes(std::span(text)));
  for_each_slot(model.spec, const_cast<Weights&>(model.weights), [&](const TensorSlot& slot) {
    if (!slot.matrix) return sum.add(std::as_bytes(std::span(*slot.vector)));
    const ops::WeightMatrix& w = *slot.matrix;
    sum.number(static_cast<std::int32_t>(w.type));
    for (const std::int64_t size : {w.count, w.rows, w.cols}) sum.number(size);
    if (!w.file.empty() || w.each)
      add_samples(sum, w.count * w.rows, row_bytes(w.file.dtype(), w.cols),
                  [&](std::int64_t row) { return w.stored_row(row); });
    else if (w.packed())
      add_samples(sum, w.n_panels(), panel_bytes(w.type, w.cols), [&](std::int64_t panel) {
        return w.panels + static_cast<std::size_t>(panel) * panel_bytes(w.type, w.cols);
      });
  });
  return sum.value();
}

}  // namespace plumb
