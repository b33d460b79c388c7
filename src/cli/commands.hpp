#pragma once
/// One function per command: it declares its options on `program` and stores what to run in its own callback.
/// A command parses, calls the library and prints; it has no logic of its own.

#include "arguments.hpp"

namespace plumb::cli {

void add_bench(const Command& program);
void add_calibrate(const Command& program);
void add_chat(const Command& program);
void add_compare(const Command& program);
void add_compare_logits(const Command& program);
void add_decide(const Command& program);
void add_diff(const Command& program);
void add_embed(const Command& program);
void add_explain(const Command& program);
void add_generate(const Command& program);
void add_inspect(const Command& program);
void add_logits(const Command& program);
void add_machine(const Command& program);
void add_measure(const Command& program);
void add_models(const Command& program);
void add_perplexity(const Command& program);
void add_predict(const Command& program);
void add_convert(const Command& program);
void add_quantize(const Command& program);
void add_render(const Command& program);
void add_report_card(const Command& program);
void add_synth(const Command& program);
void add_tokenize(const Command& program);

}  // namespace plumb::cli
