#pragma once
/// @file
/// A layer: a mixer, a feed-forward block, and how each reads the stream and puts its output back.
///
///     sequential   x += scale * post_norm(mixer(norm(x)));   x += scale * post_norm(ffn(norm(x)))
///     parallel     x += scale * post_norm(mixer(norm(x))) + scale * post_norm(ffn(norm(x)))
///
/// A new kind of block is a page of its own beside these, an alternative of the variants below and its line in each of
/// the functions that follow: the compiler asks for them.

#include <optional>
#include <variant>

#include "plumb/blocks/attention.hpp"
#include "plumb/blocks/experts.hpp"
#include "plumb/blocks/feed_forward.hpp"
#include "plumb/blocks/latent_attention.hpp"

namespace plumb::inline PLUMB_ABI {

/// A layer without this part.
struct Nothing {
  bool operator==(const Nothing&) const = default;
};

/// What lets positions see each other.
using Mixer = std::variant<Nothing, AttentionSpec, LatentAttentionSpec>;
/// What works on each position alone.
using FeedForward = std::variant<Nothing, DenseSpec, ExpertsSpec>;

/// How a part of a layer is connected to the stream.
struct BranchSpec {
  std::optional<NormSpec> norm = {};       ///< of the part's input; none: it reads the stream as it is (olmo2)
  std::optional<NormSpec> post_norm = {};  ///< of its output, before that is added (gemma2)

  bool operator==(const BranchSpec&) const = default;
};

struct LayerSpec {
  Mixer mixer = {};
  FeedForward ffn = {};
  BranchSpec mixer_branch = {}, ffn_branch = {};
  /// Both parts read the stream as it is before the layer (gptneox).
  bool parallel = false;
  /// The feed-forward block reads what the mixer reads: one norm for both (phi2). Parallel layers only.
  bool shared_norm = false;
  float residual_scale = 1.0f;  ///< multiplies what each part adds (granite, minicpm)

  bool operator==(const LayerSpec&) const = default;
};

struct LayerWeights {
  NormWeights mixer_norm, mixer_post_norm, ffn_norm, ffn_post_norm;
  std::variant<Nothing, AttentionWeights, LatentAttentionWeights> mixer;
  std::variant<Nothing, DenseWeights, ExpertsWeights> ffn;
};

namespace detail {
template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
}  // namespace detail

/// Calls the case for the kind of part that a variant holds; one that is missing does not compile.
template <class Variant, class... Cases>
decltype(auto) match(Variant&& variant, Cases&&... cases) {
  return std::visit(detail::Overloaded<std::decay_t<Cases>...>{std::forward<Cases>(cases)...},
                    std::forward<Variant>(variant));
}

/// The alternative W of a variant of weights, made if it holds another.
template <class W, class Variant>
W& weights_as(Variant& weights) {
  if (!std::holds_alternative<W>(weights)) weights.template emplace<W>();
  return std::get<W>(weights);
}

/// Lists the tensors of a layer in the order in which a forward pass meets them.
template <class Visit>
void layer_tensors(const LayerSpec& spec, int width, LayerWeights& w, const TensorList<Visit>& list) {
  const auto norm = [&](const std::optional<NormSpec>& norm, TensorRole role, NormWeights& weights) {
    if (norm) norm_tensors(*norm, role, Shape{width}, weights, list);
  };
  norm(spec.mixer_branch.norm, TensorRole::attn_norm, w.mixer_norm);
  match(
      spec.mixer, [](const Nothing&) {},
      [&](const AttentionSpec& s) { attention_tensors(s, width, weights_as<AttentionWeights>(w.mixer), list); },
      [&](const LatentAttentionSpec& s) {
        latent_attention_tensors(s, width, weights_as<LatentAttentionWeights>(w.mixer), list);
      });
  norm(spec.mixer_branch.post_norm, TensorRole::attn_post_norm, w.mixer_post_norm);
  norm(spec.ffn_branch.norm, TensorRole::ffn_norm, w.ffn_norm);
  match(
      spec.ffn, [](const Nothing&) {},
      [&](const DenseSpec& s) { dense_tensors(s, width, weights_as<DenseWeights>(w.ffn), list); },
      [&](const ExpertsSpec& s) { experts_tensors(s, width, weights_as<ExpertsWeights>(w.ffn), list); });
  norm(spec.ffn_branch.post_norm, TensorRole::ffn_post_norm, w.ffn_post_norm);
}

/// What a sequence remembers in a layer.
inline LayerState layer_state(const LayerSpec& spec) {
  return match(
      spec.mixer, [](const Nothing&) -> LayerState { return NoState{}; },
      [](const AttentionSpec& s) { return attention_state(s); },
      [](const LatentAttentionSpec& s) { return latent_attention_state(s); });
}

/// Whether outputs of this layer's parts go through a buffer before they reach the stream.
inline bool adds_directly(const LayerSpec& spec, const BranchSpec& branch) {
  return !branch.post_norm && spec.residual_scale == 1.0f;
}

/// The work of a layer. `ropes`: the model's tables.
inline void layer_work(const LayerSpec& spec, int width, std::span<const RopeSpec> ropes, WorkWriter& writer) {
  const double rows = writer.rows();
  const auto norm = [&](const std::optional<NormSpec>& norm, Op op) {
    if (norm) norm_work(*norm, op, rows, width, writer);
  };
  const auto added = [&](const BranchSpec& branch, bool deferred, Op op) {
    writer.meet_prepared(rows);
    if (branch.post_norm) writer.meet(1);
    norm(branch.post_norm, op);
    if (!deferred && adds_directly(spec, branch)) return;  // the last product adds
    OpWork& sum = writer.add(op);
    sum.operations.f32 = rows * width * ElementCost::kResidual;
    sum.bytes.activation_read = 2 * rows * width * WorkWriter::kFloat;
    sum.bytes.activation_write = rows * width * WorkWriter::kFloat;
  };
  const auto rotated = [&](int rope) {
    if (rope < 0) return 0;
    const RopeSpec& table = ropes[static_cast<std::size_t>(rope)];
    return table.pairs == RopePairs::none ? 0 : table.dims;
  };
  norm(spec.mixer_branch.norm, Op::attn_norm);
  match(
      spec.mixer, [](const Nothing&) {},
      [&](const AttentionSpec& s) { attention_work(s, width, rotated(s.rope), writer); },
      [&](const LatentAttentionSpec& s) { latent_attention_work(s, width, writer); });
  if (!std::holds_alternative<Nothing>(spec.mixer)) added(spec.mixer_branch, spec.parallel, Op::attn_norm);
  norm(spec.shared_norm ? spec.mixer_branch.norm : spec.ffn_branch.norm, Op::ffn_norm);
  match(
      spec.ffn, [](const Nothing&) {},
      [&](const DenseSpec& s) {
        dense_work(s, width, writer);
        writer.meet(kDenseBarriers);
      },
      [&](const ExpertsSpec& s) { experts_work(s, width, writer); });
  if (!std::holds_alternative<Nothing>(spec.ffn)) added(spec.ffn_branch, false, Op::ffn_norm);
  writer.meet(spec.parallel ? 1 : 2);
}

/// Raises `sizes` to what a layer needs.
inline void layer_scratch(const LayerSpec& spec, ScratchSizes& sizes) {
  match(
      spec.mixer, [](const Nothing&) {}, [&](const AttentionSpec& s) { attention_scratch(s, sizes); },
      [](const LatentAttentionSpec&) {});
  match(
      spec.ffn, [](const Nothing&) {}, [&](const DenseSpec& s) { dense_scratch(s, sizes); },
      [&](const ExpertsSpec& s) { experts_scratch(s, sizes); });
  int branches = 0;
  if (spec.parallel || !adds_directly(spec, spec.mixer_branch)) branches = 1;
  if (!adds_directly(spec, spec.ffn_branch)) branches = spec.parallel ? 2 : 1;
  sizes.branches = std::max(sizes.branches, branches);
}

/// @throws Error{bad_value} for a layer that makes no sense. `check` names the layer.
inline void layer_check(const LayerSpec& spec, std::span<const RopeSpec> ropes, const SpecChecker& check) {
  const int tables = static_cast<int>(ropes.size());
  match(
      spec.mixer, [](const Nothing&) {},
      [&](const AttentionSpec& s) {
        attention_check(s, tables, check);
        if (s.rope >= 0) check.in_range("rope.dims", ropes[static_cast<std::size_t>(s.rope)].dims, 2, s.head_dim);
      },
      [&](const LatentAttentionSpec& s) { latent_attention_check(s, tables, check); });
  match(
      spec.ffn, [](const Nothing&) {}, [&](const DenseSpec& s) { dense_check(s, check); },
      [&](const ExpertsSpec& s) { experts_check(s, check); });
  for (const auto& [branch, name] : {std::pair{&spec.mixer_branch, "mixer"}, std::pair{&spec.ffn_branch, "ffn"}}) {
    if (branch->norm) norm_check(*branch->norm, std::string(name) + ".norm", check);
    if (branch->post_norm) norm_check(*branch->post_norm, std::string(name) + ".post_norm", check);
  }
  check.finite("residual_scale", spec.residual_scale, true);
  if (spec.shared_norm && (!spec.parallel || spec.ffn_branch.norm))
    check.fail(ErrorCode::bad_value, "one norm for both parts, expected parallel parts and no second norm");
}

/// Why a layer cannot be run here; empty when it can.
inline Refusal layer_refuses(const LayerSpec& spec) {
  Refusal why = match(
      spec.mixer, [](const Nothing&) -> Refusal { return {}; },
      [](const AttentionSpec& s) { return attention_refuses(s); },
      [](const LatentAttentionSpec& s) { return latent_attention_refuses(s); });
  if (!why.empty()) return why;
  return match(
      spec.ffn, [](const Nothing&) -> Refusal { return {}; }, [](const DenseSpec& s) { return dense_refuses(s); },
      [](const ExpertsSpec& s) { return experts_refuses(s); });
}

}  // namespace plumb
