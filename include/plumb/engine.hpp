#pragma once
/// @file
/// All of plumb, for reading and for programs that reach below the stable interface (plumb.hpp): nothing here is
/// promised to stay. The order of the includes is the order to read the library in: each header builds on those above
/// it. (Not here: eigen.hpp, which needs Eigen.)

// clang-format off
// What everything is made of.
#include "plumb/core/version.hpp"    // which plumb this is
#include "plumb/core/error.hpp"      // the one exception
#include "plumb/core/checked.hpp"    // arithmetic that cannot wrap round
#include "plumb/core/half.hpp"       // 16-bit floats
#include "plumb/core/dtype.hpp"      // the element types of tensors
#include "plumb/core/memory.hpp"     // aligned memory
#include "plumb/core/tensor.hpp"     // shapes, views, owners
#include "plumb/core/trace.hpp"      // where a team's time goes
#include "plumb/core/parallel.hpp"   // workers, shares, barriers
#include "plumb/core/checksum.hpp"   // XXH64, for files of our own
#include "plumb/core/printable.hpp"  // names from strangers, made safe to show
#include "plumb/core/quantity.hpp"   // "50ms", "6GB"

// Chat templates.
#include "plumb/jinja/error.hpp"     // what can be wrong with them
#include "plumb/jinja/budget.hpp"    // what they may use
#include "plumb/jinja/value.hpp"     // what they compute with
#include "plumb/jinja/json.hpp"      // where that comes from
#include "plumb/jinja/template.hpp"  // running one

// Model files.
#include "plumb/io/tensor_id.hpp"    // what a tensor is for, and its name in files
#include "plumb/io/model_file.hpp"   // named values and named tensors, whatever the format
#include "plumb/io/open_model.hpp"   // any model file
#include "plumb/io/gguf.hpp"         // GGUF
#include "plumb/io/gguf_ranges.hpp"  // its header, of a file that is elsewhere
#include "plumb/io/llama2c.hpp"      // llama2.c checkpoints
#include "plumb/io/gguf_writer.hpp"  // writing GGUF

// Weights in fewer bits.
#include "plumb/quant/formats.hpp"     // the blocks, byte by byte
#include "plumb/quant/dequantize.hpp"  // what they mean
#include "plumb/quantize/quantize.hpp"    // making them
#include "plumb/quantize/recipe.hpp"      // which type for which tensor of a model
#include "plumb/quantize/importance.hpp"  // which columns matter
#include "plumb/quantize/gptq.hpp"        // rounding that makes good its errors
#include "plumb/quantize/quantize_model.hpp"
#include "plumb/quant/packed.hpp"      // how kernels want them
#include "plumb/quant/pack.hpp"

// What this processor can do.
#include "plumb/cpu/isa.hpp"
#include "plumb/cpu/kernel_table.hpp"
#if !defined(PLUMB_COMPILED)
#include "plumb/headers_only.hpp"  // kernels for programs without the compiled library
#endif

// The operations of a transformer.
#include "plumb/ops/kinds.hpp"
#include "plumb/ops/norm.hpp"
#include "plumb/ops/activation_functions.hpp"
#include "plumb/ops/softmax.hpp"
#include "plumb/ops/rope.hpp"
#include "plumb/ops/weight_matrix.hpp"
#include "plumb/ops/activations.hpp"
#include "plumb/ops/matmul.hpp"
#include "plumb/ops/routing.hpp"  // which experts a row visits
#include "plumb/ops/attention.hpp"

// Text.
#include "plumb/text/token.hpp"
#include "plumb/text/vocabulary.hpp"
#include "plumb/text/tokenizer.hpp"
#include "plumb/text/sampler.hpp"
#include "plumb/text/stop_texts.hpp"

// What a layer is made of: each block is described once.
#include "plumb/blocks/op.hpp"             // the operations of a pass by name
#include "plumb/blocks/tensors.hpp"        // how a block names its weights
#include "plumb/blocks/weight_types.hpp"   // which type each of them has
#include "plumb/blocks/work.hpp"           // what an operation costs
#include "plumb/blocks/pass_options.hpp"   // one pass as the ledger sees it
#include "plumb/blocks/work_writer.hpp"    // what blocks write their work with
#include "plumb/blocks/layer_state.hpp"    // what a sequence must remember
#include "plumb/blocks/norm.hpp"
#include "plumb/blocks/attention.hpp"
#include "plumb/blocks/latent_attention.hpp"
#include "plumb/blocks/convolution.hpp"
#include "plumb/blocks/delta_net.hpp"
#include "plumb/blocks/short_conv.hpp"
#include "plumb/blocks/token_shift.hpp"
#include "plumb/blocks/rwkv.hpp"
#include "plumb/blocks/part.hpp"           // parts of a layer as alternatives
#include "plumb/blocks/mixer.hpp"          // what lets positions see each other
#include "plumb/blocks/feed_forward.hpp"
#include "plumb/blocks/experts.hpp"
#include "plumb/blocks/laurel.hpp"
#include "plumb/blocks/layer.hpp"          // a layer: two blocks and how they meet the stream
#include "plumb/blocks/per_layer_embedding.hpp"
#include "plumb/blocks/altup.hpp"
#include "plumb/blocks/batch.hpp"          // how they are run: rows of tokens,
#include "plumb/blocks/sequence_rows.hpp"  // by sequence,
#include "plumb/blocks/checkpoints.hpp"    // copies of recurrent values,
#include "plumb/blocks/state_slabs.hpp"    // where what layers remember lies,
#include "plumb/blocks/state_blocks.hpp"   // in blocks that they share,
#include "plumb/blocks/state.hpp"          // the memory of sequences,
#include "plumb/blocks/scratch.hpp"        // the memory of a pass,
#include "plumb/blocks/products.hpp"       // its matrix products,
#include "plumb/blocks/pass.hpp"           // what its blocks share
#include "plumb/blocks/residual.hpp"
#include "plumb/blocks/attention_run.hpp"
#include "plumb/blocks/delta_net_run.hpp"
#include "plumb/blocks/short_conv_run.hpp"
#include "plumb/blocks/token_shift_run.hpp"
#include "plumb/blocks/rwkv_run.hpp"
#include "plumb/blocks/feed_forward_run.hpp"
#include "plumb/blocks/experts_run.hpp"
#include "plumb/blocks/laurel_run.hpp"
#include "plumb/blocks/per_layer_embedding_run.hpp"
#include "plumb/blocks/altup_run.hpp"

// The model: its description, its weights, one pass; then what a program holds.
#include "plumb/model/spec.hpp"
#include "plumb/model/check_spec.hpp"
#include "plumb/model/llama_spec.hpp"      // the shortest way to a description
#include "plumb/model/presets.hpp"
#include "plumb/model/family.hpp"          // descriptions from files, names of tensors
#include "plumb/model/weights.hpp"
#include "plumb/model/bind_weights.hpp"
#include "plumb/model/forward_pass.hpp"    // the whole transformer on a page
#include "plumb/model/chat_templates.hpp"  // where the templates of a model stand
#include "plumb/model/checkpoint.hpp"      // description, tensors, vocabulary, whatever they came from
#include "plumb/model/pack_weights.hpp"
#include "plumb/model/named_types.hpp"     // "q4_k_m" for a model
#include "plumb/model/model.hpp"
#include "plumb/model/generation.hpp"
#include "plumb/model/session.hpp"
#include "plumb/model/reply_parts.hpp"     // reasoning and calls of tools in what a model says
#include "plumb/model/chat.hpp"            // conversations
#include "plumb/model/random_weights.hpp"
#include "plumb/model/synth.hpp"
#include "plumb/model/text_windows.hpp"
#include "plumb/model/evaluate.hpp"   // perplexity, and two models compared
#include "plumb/model/calibrate.hpp"  // importance of weights from a text
#include "plumb/model/collect_moments.hpp"

// What it costs.
#include "plumb/perf/parameters.hpp"
#include "plumb/perf/ledger.hpp"
#include "plumb/perf/machine.hpp"
#include "plumb/perf/predict.hpp"
#include "plumb/perf/explain.hpp"  // where the time of a real pass goes
#include "plumb/perf/verify.hpp"   // and how good the prediction is
#include "plumb/perf/stored_model.hpp"  // bytes and bandwidth of what nobody can describe
#include "plumb/perf/bench.hpp"
#include "plumb/perf/measure.hpp"
#include "plumb/perf/law.hpp"        // time = overhead + bytes / bandwidth + operations / rate
#include "plumb/perf/sweep.hpp"
#include "plumb/perf/quality.hpp"  // what is known of models that are not at hand
#include "plumb/perf/fit.hpp"
#include "plumb/perf/report.hpp"
#include "plumb/perf/tensor_error.hpp"  // what quantization did to weights and outputs
#include "plumb/perf/report_card.hpp"   // and to a model, beside what it saves
// clang-format on
