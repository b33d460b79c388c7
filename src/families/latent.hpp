#pragma once
/// Latent attention by the keys of a file: what families that have it share.

#include "keys.hpp"
#include "plumb/io/gguf_writer.hpp"
#include "plumb/model/spec.hpp"

namespace plumb::inline PLUMB_ABI::family {

/// The latent attention of a model whose layer `layer` has some, without rotation: ranks, heads, biases. `norm`: of the
/// compressed vectors. @throws Error{missing_key, bad_value}.
LatentAttentionSpec read_latent(const Keys& keys, const NormSpec& norm, int layer);

/// How much a rotation that is stretched by YaRN enlarges the rotated vectors, and how much the scores are multiplied
/// beside that.
struct YarnMagnitudes {
  float rotated = 1, scores = 1;
};
/// Magnitude that YaRN's authors give to a stretch, for a multiplier of their formula (Peng et al. 2023).
float yarn_magnitude(float multiplier, float factor);
/// What two keys of GGUF files say: `attn_factor`, and ten times `yarn_log_multiplier`, 0 where it is absent. The
/// vectors' own multiplier has no key. It is 1; but where `one_multiplier` it is that of the scores, unless that is 0.
YarnMagnitudes yarn_magnitudes(float attn_factor, float multiplier, float factor, bool one_multiplier);
/// Reads both magnitudes into the rotation and the scale of the scores.
void read_yarn_magnitudes(const Keys& keys, bool one_multiplier, RopeSpec& rope, LatentAttentionSpec& latent);
/// The keys that read_yarn_magnitudes would read so.
void write_yarn_magnitudes(GgufWriter& writer, const ModelSpec& spec, const LatentAttentionSpec& latent,
                           bool one_multiplier);

}  // namespace plumb::family
