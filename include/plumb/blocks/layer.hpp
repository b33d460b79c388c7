#pragma once
/// @file
/// A layer: a mixer, a feed-forward block, and how each reads the stream and puts its output back.
///
///     sequential   x += scale * post_norm(mixer(norm(x)));   x += scale * post_norm(ffn(norm(x)))
///     parallel     x += scale * post_norm(mixer(norm(x))) + scale * post_norm(ffn(norm(x)))
///     after either x *= layer_scale
///
/// where a mixer may have a second one beside it: mixer(y) + beside(y) of the same y. In older models the stream itself
/// is normed after each sum: x = stream_norm(x + mixer(x)). A new kind of feed-forward block is a page of its own
/// beside these, an alternative of the variants below and its line in each of the functions that follow: the compiler
/// asks for them. Mixers: mixer.hpp.

#include <optional>
#include <variant>

#include "plumb/blocks/experts.hpp"
#include "plumb/blocks/feed_forward.hpp"
#include "plumb/blocks/laurel.hpp"
#include "plumb/blocks/mixer.hpp"

namespace plumb::inline PLUMB_ABI {

/// What works on each position alone.
using FeedForward = std::variant<Nothing, DenseSpec, ExpertsSpec>;

/// How a part of a layer is connected to the stream.
struct BranchSpec {
  std::optional<NormSpec> norm = {};         ///< of the part's input; none: it reads the stream as it is (olmo2)
  std::optional<NormSpec> post_norm = {};    ///< of its output, before that is added (gemma2)
  std::optional<NormSpec> stream_norm = {};  ///< of the stream, after that is added (bert); sequential layers only

  bool operator==(const BranchSpec&) const = default;
};

struct LayerSpec {
  Mixer mixer = {};
  Mixer beside = {};  ///< reads what the mixer reads, and its output is added to the mixer's (falcon-h1)
  FeedForward ffn = {};
  BranchSpec mixer_branch = {}, ffn_branch = {};
  /// Both parts read the stream as it is before the layer (gptneox).
  bool parallel = false;
  /// The feed-forward block reads what the mixer reads: one norm for both (phi2). Parallel layers only.
  bool shared_norm = false;
  float residual_scale = 1.0f;            ///< multiplies what each part adds (granite, minicpm)
  std::optional<LaurelSpec> laurel = {};  ///< a low-rank branch beside the mixer (gemma3n). Sequential layers only
  bool layer_scale = false;  ///< a learned number multiplies the stream after the layer: 1 parameter (gemma4)

  bool operator==(const LayerSpec&) const = default;
};

struct LayerWeights {
  NormWeights mixer_norm, mixer_post_norm, mixer_stream_norm;
  NormWeights ffn_norm, ffn_post_norm, ffn_stream_norm;
  MixerWeights mixer, beside;
  LaurelWeights laurel;
  Vector layer_scale;  // [1], or empty
  std::variant<Nothing, DenseWeights, ExpertsWeights> ffn;
};

/// Lists the tensors of a layer in the order in which a forward pass meets them.
inline void layer_tensors(const LayerSpec& spec, int width, LayerWeights& w, const TensorList& list) {
  const auto norm = [&](const std::optional<NormSpec>& norm, TensorRole role, NormWeights& weights) {
    if (norm) norm_tensors(*norm, role, Shape{width}, weights, list);
  };
  norm(spec.mixer_branch.norm, TensorRole::attn_norm, w.mixer_norm);
  mixer_tensors(spec.mixer, width, w.mixer, list);
  mixer_tensors(spec.beside, width, w.beside, list);
  norm(spec.mixer_branch.post_norm, TensorRole::attn_post_norm, w.mixer_post_norm);
  if (spec.laurel) laurel_tensors(*spec.laurel, width, w.laurel, list);
  norm(spec.mixer_branch.stream_norm, TensorRole::attn_stream_norm, w.mixer_stream_norm);
  norm(spec.ffn_branch.norm, TensorRole::ffn_norm, w.ffn_norm);
  match(
      spec.ffn, [](const Nothing&) {},
      [&](const DenseSpec& s) { dense_tensors(s, width, weights_as<DenseWeights>(w.ffn), list); },
      [&](const ExpertsSpec& s) { experts_tensors(s, width, weights_as<ExpertsWeights>(w.ffn), list); });
  norm(spec.ffn_branch.post_norm, TensorRole::ffn_post_norm, w.ffn_post_norm);
  norm(spec.ffn_branch.stream_norm, TensorRole::ffn_stream_norm, w.ffn_stream_norm);
  if (spec.layer_scale) list.vector(TensorRole::layer_scale, w.layer_scale, Shape{1});
}

/// Fills in what follows from the spec and the weights that were stored.
inline void layer_derive(const LayerSpec& spec, LayerWeights& w) {
  mixer_derive(spec.mixer, w.mixer);
  mixer_derive(spec.beside, w.beside);
}

/// What a sequence remembers for a feed-forward block.
inline LayerState feed_forward_state(const FeedForward& ffn, int width) {
  return match(
      ffn, [](const Nothing&) -> LayerState { return {}; }, [&](const DenseSpec& s) { return dense_state(s, width); },
      [](const ExpertsSpec&) -> LayerState { return {}; });
}

/// What a sequence remembers in a layer of a stream of that width, all parts together.
inline LayerState layer_state(const LayerSpec& spec, int width) {
  LayerState state = mixer_state(spec.mixer, width);
  state += mixer_state(spec.beside, width);
  state += feed_forward_state(spec.ffn, width);
  return state;
}
/// Where the recurrent values of the second mixer and of the feed-forward block begin among those of the layer.
inline std::int64_t beside_state_offset(const LayerSpec& spec, int width) {
  return mixer_state(spec.mixer, width).recurrent;
}
inline std::int64_t ffn_state_offset(const LayerSpec& spec, int width) {
  return beside_state_offset(spec, width) + mixer_state(spec.beside, width).recurrent;
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
    if (branch.post_norm || branch.stream_norm) writer.meet(1);
    norm(branch.post_norm, op);
    if (deferred || !adds_directly(spec, branch)) {  // else the last product adds
      OpWork& sum = writer.add(op);
      sum.operations.f32 = rows * width * ElementCost::kResidual;
      sum.bytes.activation_read = 2 * rows * width * WorkWriter::kFloat;
      sum.bytes.activation_write = rows * width * WorkWriter::kFloat;
    }
    norm(branch.stream_norm, op);
  };
  norm(spec.mixer_branch.norm, Op::attn_norm);
  mixer_work(spec.mixer, width, ropes, writer);
  if (!std::holds_alternative<Nothing>(spec.beside)) {
    writer.share_input();
    mixer_work(spec.beside, width, ropes, writer);
  }
  if (!std::holds_alternative<Nothing>(spec.mixer)) added(spec.mixer_branch, spec.parallel, Op::attn_norm);
  if (spec.laurel) laurel_work(*spec.laurel, width, writer);
  norm(spec.shared_norm ? spec.mixer_branch.norm : spec.ffn_branch.norm, Op::ffn_norm);
  match(
      spec.ffn, [](const Nothing&) {},
      [&](const DenseSpec& s) {
        dense_work(s, width, writer);
        writer.meet(kDenseBarriers + (s.sparsity > 0 ? kSparseBarriers : 0));
      },
      [&](const ExpertsSpec& s) { experts_work(s, width, writer); });
  if (!std::holds_alternative<Nothing>(spec.ffn)) added(spec.ffn_branch, false, Op::ffn_norm);
  writer.meet(spec.parallel ? 1 : 2);
  if (!spec.layer_scale) return;
  OpWork& scaled = writer.add(Op::ffn_norm);
  scaled.operations.f32 = rows * width * ElementCost::kAdd;
  scaled.bytes.weight_payload = WorkWriter::kFloat;
}

/// Raises `sizes` to what a layer needs.
inline void layer_scratch(const LayerSpec& spec, ScratchSizes& sizes) {
  mixer_scratch(spec.mixer, sizes);
  mixer_scratch(spec.beside, sizes);
  match(
      spec.ffn, [](const Nothing&) {}, [&](const DenseSpec& s) { dense_scratch(s, sizes); },
      [&](const ExpertsSpec& s) { experts_scratch(s, sizes); });
  int branches = 0;
  if (spec.parallel || !adds_directly(spec, spec.mixer_branch)) branches = 1;
  if (!adds_directly(spec, spec.ffn_branch)) branches = spec.parallel ? 2 : 1;
  sizes.branches = std::max(sizes.branches, branches);
  if (spec.laurel) laurel_scratch(*spec.laurel, sizes);
}

/// @throws Error{bad_value} for a layer that makes no sense. `check` names the layer.
inline void layer_check(const LayerSpec& spec, std::span<const RopeSpec> ropes, const SpecChecker& check) {
  mixer_check(spec.mixer, ropes, check);
  mixer_check(spec.beside, ropes, check);
  if (!std::holds_alternative<Nothing>(spec.beside)) {
    if (spec.beside.index() == spec.mixer.index() || std::holds_alternative<Nothing>(spec.mixer))
      check.fail(ErrorCode::bad_value, "two mixers side by side, expected a mixer and one of another kind");
    const auto keeps = [](const Mixer& mixer) { return mixer_state(mixer, 1).keeps_positions(); };  // at any width
    if (keeps(spec.mixer) && keeps(spec.beside))
      check.fail(ErrorCode::bad_value, "two mixers side by side keep every position, expected at most one");
  }
  match(
      spec.ffn, [](const Nothing&) {}, [&](const DenseSpec& s) { dense_check(s, check); },
      [&](const ExpertsSpec& s) { experts_check(s, check); });
  for (const auto& [branch, name] : {std::pair{&spec.mixer_branch, "mixer"}, std::pair{&spec.ffn_branch, "ffn"}}) {
    if (branch->norm) norm_check(*branch->norm, std::string(name) + ".norm", check);
    if (branch->post_norm) norm_check(*branch->post_norm, std::string(name) + ".post_norm", check);
    if (branch->stream_norm) norm_check(*branch->stream_norm, std::string(name) + ".stream_norm", check);
    if (branch->stream_norm && spec.parallel)
      check.fail(ErrorCode::bad_value, "a norm of the stream after a part, expected parts one after the other");
  }
  check.finite("residual_scale", spec.residual_scale, true);
  if (spec.laurel) laurel_check(*spec.laurel, check);
  if (spec.laurel && (spec.parallel || !spec.mixer_branch.norm || std::holds_alternative<Nothing>(spec.mixer)))
    check.fail(ErrorCode::bad_value,
               "a branch beside the mixer, expected a normed mixer and parts one after the other");
  const auto* experts = std::get_if<ExpertsSpec>(&spec.ffn);
  if (experts && experts->apart && (!spec.ffn_branch.post_norm || spec.parallel))
    check.fail(ErrorCode::bad_value,
               "experts apart from the shared one, expected parts one after the other and a norm after the block");
  if (spec.layer_scale && (spec.parallel || std::holds_alternative<Nothing>(spec.ffn)))
    check.fail(ErrorCode::bad_value,
               "a scale of the layer, expected parts one after the other, the last a feed-forward block");
  const auto* dense = std::get_if<DenseSpec>(&spec.ffn);
  if (dense && dense->shift && !spec.ffn_branch.norm)
    check.fail(ErrorCode::bad_value, "ffn.shift is set, expected a norm of its own before the block");
  if (spec.shared_norm && (!spec.parallel || spec.ffn_branch.norm))
    check.fail(ErrorCode::bad_value, "one norm for both parts, expected parallel parts and no second norm");
}

/// Why a layer cannot be run here; empty when it can.
inline Refusal layer_refuses(const LayerSpec& spec) {
  for (const Mixer* mixer : {&spec.mixer, &spec.beside})
    if (Refusal why = mixer_refuses(*mixer); !why.empty()) return why;
  if (std::holds_alternative<RwkvSpec>(spec.beside) ||
      (std::holds_alternative<RwkvSpec>(spec.mixer) && !std::holds_alternative<Nothing>(spec.beside)))
    return "time mixing of RWKV and another mixer side by side have no forward pass here; supported: one in a layer";
  return match(
      spec.ffn, [](const Nothing&) -> Refusal { return {}; }, [](const DenseSpec& s) { return dense_refuses(s); },
      [](const ExpertsSpec& s) { return experts_refuses(s); });
}

}  // namespace plumb
