// One tensor of a spec out of the tensors of a folder.

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>

#include "folder.hpp"
#include "plumb/core/half.hpp"
#include "plumb/core/printable.hpp"
#include "plumb/quant/dequantize.hpp"

namespace plumb::inline PLUMB_ABI::family {
namespace {

/// What may stand before the names of a model's tensors. Of two that fit the longer counts.
constexpr std::array<std::string_view, 19> kPrefixes{"model.language_model.model.",
                                                     "model.language_model.",
                                                     "language_model.model.",
                                                     "language_model.",
                                                     "thinker.model.",
                                                     "model.text_model.",
                                                     "text_model.",
                                                     "model.model.",
                                                     "distilbert.transformer.",
                                                     "distilbert.",
                                                     "model.backbone.",
                                                     "model.",
                                                     "transformer.",
                                                     "backbone.",
                                                     "gpt_neox.",
                                                     "roberta.",
                                                     "bert.",
                                                     "ernie.",
                                                     "lfm."};

std::string bare_name(std::string_view name) {
  for (const std::string_view prefix : kPrefixes)
    if (name.starts_with(prefix)) return std::string(name.substr(prefix.size()));
  return std::string(name);
}

/// Sets of dimensions without those of 1.
std::vector<std::int64_t> squeezed(std::span<const std::int64_t> shape) {
  std::vector<std::int64_t> dims;
  for (const std::int64_t dim : shape)
    if (dim != 1) dims.push_back(dim);
  return dims;
}

/// The shape that a folder's tensor must have for `gather`.
std::vector<std::int64_t> expected_shape(const RowShape& ours, const Gather& gather) {
  std::int64_t rows = gather.rows > 0 ? gather.rows : ours.rows, cols = gather.cols > 0 ? gather.cols : ours.cols;
  if (gather.turned) std::swap(rows, cols);
  if (gather.flat) return {ours.matrices * rows, cols};
  std::vector<std::int64_t> shape{ours.matrices, rows, cols};
  if (ours.matrices == 1) shape.erase(shape.begin());
  if (ours.cols == 1 && !gather.turned) shape.pop_back();
  return shape;
}

/// Where our rows are for a rotation of neighbours, and theirs for one of halves: of each head the rotated dimensions.
std::function<std::int64_t(std::int64_t)> rows_of_halves(std::int64_t head_dim, std::int64_t rotated) {
  return [=](std::int64_t r) {
    const std::int64_t in_head = r % head_dim;
    if (in_head >= rotated) return r;
    return r - in_head + in_head % 2 * (rotated / 2) + in_head / 2;
  };
}

/// A change by all numbers, which are read when the first of them is asked for.
std::function<float(std::int64_t, float)> late_change(
    const std::function<std::function<float(float)>(const std::vector<float>&)>& make, const Elements& elements) {
  struct Late {
    std::once_flag once;
    std::function<float(float)> change;
  };
  return [make, elements, late = std::make_shared<Late>()](std::int64_t, float number) {
    std::call_once(late->once, [&] {
      const std::int64_t n = elements.count();
      std::vector<std::byte> raw(row_bytes(elements.type, n));
      std::vector<float> numbers(static_cast<std::size_t>(n));
      elements.copy(0, n, raw.data());
      dequantize_row(elements.type, raw.data(), numbers.data(), n);
      late->change = make(numbers);
    });
    return late->change(number);
  };
}

/// Reads rows of a tensor by a layout.
class Reader {
 public:
  Reader(Elements elements, Gather gather, const RowShape& ours, bool as_floats)
      : elements_(std::move(elements)), gather_(std::move(gather)), ours_(ours) {
    rows_there_ = gather_.rows > 0 ? gather_.rows : ours.rows;
    cols_there_ = gather_.cols > 0 ? gather_.cols : ours.cols;
    floats_ = as_floats && elements_.type != DType::f32;
    type_ = as_floats || gather_.change ? DType::f32 : elements_.type;
    const bool blocks = dtype_info(elements_.type).block_elements > 1;
    in_runs_ = !gather_.turned && !gather_.col;
    if (blocks && (!in_runs_ || gather_.change))
      throw Error(ErrorCode::unsupported_type,
                  "type " + std::string(dtype_name(elements_.type)) + " cannot be read in another order");
    if (blocks) floats_ = false, type_ = elements_.type;
  }

  DType type() const { return type_; }

  /// Where the rows stand if nothing has to be done to them.
  std::vector<const std::byte*> stored() const {
    if (!elements_.stored || type_ != elements_.type || gather_.change || !in_runs_) return {};
    const std::size_t bytes = row_bytes(type_, ours_.cols);
    std::vector<const std::byte*> each;
    bool one_run = true;
    for (std::int64_t m = 0; m < ours_.matrices; ++m) {
      const std::int64_t first = m * ours_.rows, there = source_row(first);
      if (gather_.row)
        for (std::int64_t r = 1; r < ours_.rows; ++r)
          if (source_row(first + r) != there + r) return {};
      each.push_back(elements_.bytes.data() + static_cast<std::size_t>(there) * bytes);
      one_run = one_run && each.back() == each.front() + static_cast<std::size_t>(first) * bytes;
    }
    if (one_run) each.resize(1);
    return each;
  }

  void write(Range rows, std::byte* out) const {
    const std::size_t bytes = row_bytes(type_, ours_.cols);
    std::vector<std::byte> raw(floats_ || gather_.change ? row_bytes(elements_.type, ours_.cols) : 0);
    std::vector<float> numbers(raw.empty() ? 0 : static_cast<std::size_t>(ours_.cols));
    for (std::int64_t r = rows.begin; r < rows.end; ++r, out += bytes) {
      if (raw.empty()) {
        read_row(r, out);
        continue;
      }
      read_row(r, raw.data());
      dequantize_row(elements_.type, raw.data(), numbers.data(), ours_.cols);
      if (gather_.change)
        for (float& number : numbers) number = gather_.change(r, number);
      std::memcpy(out, numbers.data(), bytes);
    }
  }

 private:
  std::int64_t source_row(std::int64_t r) const {
    if (gather_.row) return gather_.row(r);
    return r / ours_.rows * rows_there_ + r % ours_.rows;
  }

  void read_row(std::int64_t r, std::byte* out) const {
    const std::int64_t row = source_row(r);
    if (in_runs_) {
      elements_.copy(row * cols_there_, ours_.cols, out);
      return;
    }
    const std::int64_t matrix = row / rows_there_, inside = row % rows_there_;
    const std::int64_t first = gather_.turned ? matrix * rows_there_ * cols_there_ + inside : row * cols_there_;
    const std::int64_t step = gather_.turned ? rows_there_ : 1;
    const std::size_t size = dtype_info(elements_.type).block_bytes;
    for (std::int64_t c = 0; c < ours_.cols; ++c, out += size) {
      const std::int64_t at = first + (gather_.col ? gather_.col(c) : c) * step;
      if (elements_.stored)
        std::memcpy(out, elements_.bytes.data() + static_cast<std::size_t>(at) * size, size);
      else
        elements_.copy(at, 1, out);
    }
  }

  Elements elements_;
  Gather gather_;
  RowShape ours_;
  std::int64_t rows_there_ = 0, cols_there_ = 0;
  DType type_ = DType::f32;
  bool floats_ = false, in_runs_ = true;
};

/// The names of a folder's tensors for one of ours, and what is made of them.
class Finder {
 public:
  Finder(const FolderIndex& index, const Config& config, const ModelSpec& spec, const TensorSpec& tensor)
      : index_(index), config_(config), spec_(spec), tensor_(tensor), folder_(config.family().folder) {}

  Assembled find() const {
    std::string first;
    if (auto found = find(first)) return *std::move(found);
    const std::string name = first.empty() ? std::string(role_name(tensor_.id.role)) : first;
    throw Error(ErrorCode::missing_key,
                index_.named(name) + " is absent, expected " + tensor_.shape.to_string() + " by config.json");
  }

  /// Nothing where it is absent. `first`: becomes the first of the names it might have.
  std::optional<Assembled> find(std::string& first) const {
    for (const std::span<const Place> places : {folder_.places, usual_places()})
      for (const Place& place : places) {
        if (place.role != tensor_.id.role || (tensor_.id.bias && place.suffix == Suffix::none)) continue;
        const std::vector<std::string> names = names_of(place, folder_.layers);
        if (first.empty()) first = names.front();
        if (exists(names.front())) return join(place, names);
        if (folder_.other_layers.empty() || tensor_.id.layer < 0) continue;
        const std::vector<std::string> others = names_of(place, folder_.other_layers);
        if (exists(others.front())) return join(place, others);
      }
    return std::nullopt;
  }

 private:
  bool exists(const std::string& name) const { return index_.has(name); }

  std::string full_name(const Place& place, const std::string& name, std::string_view layers) const {
    std::string full =
        tensor_.id.layer >= 0 ? std::string(layers) + std::to_string(tensor_.id.layer) + "." + name : name;
    if (place.suffix == Suffix::usual) return full + (tensor_.id.bias ? ".bias" : ".weight");
    return place.suffix == Suffix::underscore && tensor_.id.bias ? full + "_bias" : full;
  }

  /// One name, or one for each matrix of a stack.
  std::vector<std::string> names_of(const Place& place, std::string_view layers) const {
    const std::string pattern(place.name);
    const std::size_t number = pattern.find("{}");
    if (number == std::string::npos) return {full_name(place, pattern, layers)};
    std::vector<std::string> names;
    for (std::int64_t i = 0; i < tensor_.shape[0]; ++i) {
      const std::string own =
          place.letters.empty() ? std::to_string(i) : std::string(1, place.letters[static_cast<std::size_t>(i)]);
      names.push_back(full_name(place, std::string(pattern).replace(number, 2, own), layers));
    }
    return names;
  }

  Assembled join(const Place& place, const std::vector<std::string>& names) const {
    if (names.size() == 1) return make_one(place, names.front(), tensor_);
    std::vector<std::int64_t> dims;
    for (int d = 1; d < tensor_.shape.rank(); ++d) dims.push_back(tensor_.shape[d]);
    const TensorSpec part{tensor_.id, Shape(dims)};
    Assembled whole;
    whole.shape = tensor_.shape;
    std::vector<Assembled> parts;
    for (const std::string& name : names) {
      if (!exists(name))
        throw Error(ErrorCode::missing_key, index_.named(name) + " is absent, expected " + part.shape.to_string() +
                                                " beside " + quote(names.front()));
      parts.push_back(make_one(place, name, part));
      if (parts.back().type != parts.front().type)
        throw Error(ErrorCode::wrong_type,
                    index_.named(name) + ": becomes " + std::string(dtype_name(parts.back().type)) + ", expected " +
                        std::string(dtype_name(parts.front().type)) + " as " + quote(names.front()));
      whole.sources.insert(whole.sources.end(), parts.back().sources.begin(), parts.back().sources.end());
    }
    whole.type = parts.front().type;
    whole.rows = parts.front().rows;
    whole.rows.matrices *= static_cast<std::int64_t>(parts.size());
    const bool stored =
        tensor_.shape.rank() == 3 && tensor_.is_matrix() &&
        std::all_of(parts.begin(), parts.end(), [](const Assembled& p) { return p.stored.size() == 1; });
    if (stored)
      for (const Assembled& p : parts) whole.stored.push_back(p.stored.front());
    const std::int64_t each = whole.rows.all_rows() / static_cast<std::int64_t>(parts.size());
    const std::size_t bytes = whole.row_bytes();
    whole.write = [parts = std::move(parts), each, bytes](Range rows, std::byte* out) {
      while (!rows.empty()) {
        const std::int64_t part = rows.begin / each, end = std::min(rows.end, (part + 1) * each);
        parts[static_cast<std::size_t>(part)].write({rows.begin - part * each, end - part * each}, out);
        out += static_cast<std::size_t>(end - rows.begin) * bytes;
        rows.begin = end;
      }
    };
    return whole;
  }

  Assembled make_one(const Place& place, const std::string& name, const TensorSpec& tensor) const {
    const RowShape ours = row_shape(tensor);
    Gather gather = place.take ? place.take({spec_, tensor, config_.keys(), !index_.find(name)}) : Gather{};
    add_halves(gather, tensor);
    if (folder_.norms_less_one && is_norm(tensor.id.role) && !tensor.id.bias && !gather.change)
      gather.change = [](std::int64_t, float number) { return number + 1.0f; };
    Elements elements = index_.read(name);
    if (gather.change_by_all) gather.change = late_change(gather.change_by_all, elements);
    check_shape(name, elements, gather, ours, tensor);
    Assembled made;
    made.shape = tensor.shape;
    made.rows = ours;
    made.sources.push_back(elements.bytes);
    std::shared_ptr<const Reader> reader;
    try {
      reader = std::make_shared<const Reader>(std::move(elements), std::move(gather), ours, !tensor.is_matrix());
    } catch (const Error& error) {
      throw Error(error.code(), index_.named(name) + ": " + error.what());
    }
    made.type = reader->type();
    made.stored = reader->stored();
    made.write = [reader](Range rows, std::byte* out) { reader->write(rows, out); };
    return made;
  }

  /// Queries and keys for a rotation of halves, where ours is of neighbours.
  void add_halves(Gather& gather, const TensorSpec& tensor) const {
    const TensorRole role = tensor.id.role;
    if (!folder_.halves || tensor.id.layer < 0 || (role != TensorRole::attn_q && role != TensorRole::attn_k)) return;
    const auto* attention = std::get_if<AttentionSpec>(&spec_.layers[static_cast<std::size_t>(tensor.id.layer)].mixer);
    if (!attention) return;
    std::int64_t rotated = attention->head_dim;
    if (attention->rope >= 0) rotated = spec_.ropes[static_cast<std::size_t>(attention->rope)].dims;
    const auto halves = rows_of_halves(attention->head_dim, rotated);
    if (!gather.row)
      gather.row = halves;
    else
      gather.row = [inner = gather.row, halves](std::int64_t r) { return inner(halves(r)); };
  }

  void check_shape(const std::string& name, const Elements& elements, const Gather& gather, const RowShape& ours,
                   const TensorSpec& tensor) const {
    const std::vector<std::int64_t> expected = expected_shape(ours, gather);
    const std::vector<std::int64_t> found = squeezed(elements.shape), wanted = squeezed(expected);
    if (found == wanted) return;
    // What is no matrix may be stored as one row of numbers.
    std::int64_t all = 1;
    for (const std::int64_t dim : wanted) all *= dim;
    if (!tensor.is_matrix() && !gather.turned && elements.count() == all && (found.size() < 2 || wanted.size() < 2))
      return;
    throw Error(ErrorCode::bad_shape, index_.named(name) + ": shape " + shape_text(elements.shape) + ", expected " +
                                          shape_text(expected) + " by config.json");
  }

  const FolderIndex& index_;
  const Config& config_;
  const ModelSpec& spec_;
  const TensorSpec& tensor_;
  const Folder& folder_;
};

/// A tensor of numbers that config.json makes.
Assembled of_numbers(const TensorSpec& tensor, std::vector<float> numbers) {
  Assembled made;
  made.shape = tensor.shape;
  made.rows = row_shape(tensor);
  made.write = [numbers = std::move(numbers)](Range rows, std::byte* out) {
    std::memcpy(out, numbers.data() + rows.begin, static_cast<std::size_t>(rows.size()) * sizeof(float));
  };
  return made;
}

}  // namespace

void Assembled::write_all(std::byte* out) const {
  constexpr std::size_t kWorthATeam = std::size_t{1} << 20;
  const std::size_t each = row_bytes();
  const int threads = bytes() < kWorthATeam ? 1 : default_threads();
  run_parallel(threads, [&](const Worker& worker) {
    const Range mine = worker.share(rows.all_rows());
    if (!mine.empty()) write(mine, out + static_cast<std::size_t>(mine.begin) * each);
  });
}

FolderIndex::FolderIndex(const Safetensors& weights, const Packing& packing, std::string where)
    : weights_(weights), packing_(packing), where_(std::move(where)) {
  for (const SafeTensor& tensor : weights.tensors()) {
    const std::string bare = bare_name(tensor.name);
    if (prefix_.empty()) prefix_ = tensor.name.substr(0, tensor.name.size() - bare.size());
    by_name_.emplace(bare, &tensor);  // the first of two that differ in what stands before
    by_name_.emplace(tensor.name, &tensor);
  }
}

std::string FolderIndex::named(const std::string& name) const {
  const SafeTensor* const tensor = find(name);
  return where_ + ": tensor " + quote(tensor ? tensor->name : prefix_ + name);
}

const SafeTensor* FolderIndex::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

namespace {

/// "a.b.weight" is packed as "a.b.qweight", "a.b.qzeros" and so on.
std::string packed_name(const std::string& name, std::string_view part) {
  constexpr std::string_view kWeight = "weight";
  return name.ends_with(".weight") ? name.substr(0, name.size() - kWeight.size()).append(part) : std::string();
}

}  // namespace

bool FolderIndex::has(const std::string& name) const {
  return find(name) || find(name + "_blocks") ||
         (packing_.kind != Packing::Kind::none && find(packed_name(name, "qweight")));
}

const SafeTensor& FolderIndex::part(const std::string& name, const SafeTensor& beside) const {
  if (const SafeTensor* found = find(name)) return *found;
  throw Error(ErrorCode::missing_key, named(name) + " is absent, expected it beside " + quote(beside.name));
}

Elements FolderIndex::read(const std::string& name) const {
  if (const SafeTensor* tensor = find(name)) return elements_of(weights_, *tensor, where_);
  if (const SafeTensor* blocks = find(name + "_blocks"))
    return mxfp4_of(*blocks, part(name + "_scales", *blocks), where_);
  const SafeTensor& codes = *find(packed_name(name, "qweight"));
  return packed_of(packing_,
                   {&codes, &part(packed_name(name, "qzeros"), codes), &part(packed_name(name, "scales"), codes),
                    find(packed_name(name, "g_idx"))},
                   where_);
}

std::optional<float> FolderIndex::number(const std::string& name) const {
  const SafeTensor* const tensor = find(name);
  if (!tensor) return std::nullopt;
  numbers_.insert(tensor);
  const Elements elements = elements_of(weights_, *tensor, where_);
  if (elements.count() != 1)
    throw Error(ErrorCode::bad_shape,
                where_ + ": tensor " + quote(tensor->name) + ": shape " + shape_text(tensor->shape) + ", expected [1]");
  std::byte raw[sizeof(float)];
  elements.copy(0, 1, raw);
  float number = 0;
  dequantize_row(elements.type, raw, &number, 1);
  return number;
}

std::optional<std::int64_t> FolderIndex::rows(const std::string& name) const {
  const SafeTensor* const tensor = find(name);
  if (!tensor || tensor->shape.empty()) return std::nullopt;
  return tensor->shape.front();
}

Assembled assemble(const FolderIndex& index, const Config& config, const ModelSpec& spec, const TensorSpec& tensor) {
  if (auto factors = rope_factors_of(config, spec, tensor)) return of_numbers(tensor, *std::move(factors));
  return Finder(index, config, spec, tensor).find();
}

std::optional<Assembled> assemble_if_there(const FolderIndex& index, const Config& config, const ModelSpec& spec,
                                           const TensorSpec& tensor) {
  std::string name;
  return Finder(index, config, spec, tensor).find(name);
}

}  // namespace plumb::family
