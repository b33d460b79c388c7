#pragma once
/// @file
/// The stable interface of plumb: what a program needs to load a model, run it, and know what it costs. Names here keep
/// their meaning from version to version; what lies below (engine.hpp) may change.

// clang-format off
#include "plumb/core/version.hpp"     // which plumb this is
#include "plumb/core/error.hpp"       // the one exception
#include "plumb/core/dtype.hpp"       // the element types of tensors
#include "plumb/model/spec.hpp"       // what a model is: ModelSpec
#include "plumb/model/llama_spec.hpp" // the shortest way to one
#include "plumb/model/presets.hpp"    // those of known models
#include "plumb/model/family.hpp"     // those that files describe
#include "plumb/text/tokenizer.hpp"
#include "plumb/text/tokenizer_folder.hpp"
#include "plumb/text/sampler.hpp"
#include "plumb/text/stop_texts.hpp"
#include "plumb/model/model.hpp"
#include "plumb/model/session.hpp"
#include "plumb/model/chat.hpp"      // conversations: templates, replies, what is kept from turn to turn
#include "plumb/quantize/quantize.hpp"       // weights in fewer bits
#include "plumb/quantize/quantize_model.hpp" // a file in fewer bits
#include "plumb/perf/ledger.hpp"      // what a pass must do and move
#include "plumb/perf/parameters.hpp"
#include "plumb/perf/machine.hpp"     // what this machine can do
#include "plumb/perf/predict.hpp"     // how long a pass takes on it
#include "plumb/perf/measure.hpp"     // how long it took
// clang-format on
