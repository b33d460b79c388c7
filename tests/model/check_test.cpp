// Configurations that describe no transformer are refused with one clear sentence.

#include "plumb/model/check.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "plumb/model/presets.hpp"

namespace plumb {
namespace {

struct BadConfig {
  const char* field;  ///< must stand in the message
  std::function<void(ModelConfig&)> spoil;
};

TEST(CheckConfig, RefusesEachBadFieldByName) {
  const int huge = std::numeric_limits<int>::max();
  const BadConfig cases[] = {
      {"vocab_size", [](ModelConfig& c) { c.vocab_size = 0; }},
      {"vocab_size", [=](ModelConfig& c) { c.vocab_size = huge; }},
      {"width", [](ModelConfig& c) { c.width = -64; }},
      {"width", [=](ModelConfig& c) { c.width = huge; }},
      {"n_layers", [](ModelConfig& c) { c.n_layers = 0; }},
      {"n_layers", [=](ModelConfig& c) { c.n_layers = huge; }},
      {"n_heads", [](ModelConfig& c) { c.n_heads = 0; }},
      {"n_kv_heads", [](ModelConfig& c) { c.n_kv_heads = 0; }},
      {"n_kv_heads", [](ModelConfig& c) { c.n_kv_heads = 5; }},
      {"head_dim", [](ModelConfig& c) { c.head_dim = 0; }},
      {"rope.dims", [](ModelConfig& c) { c.head_dim = 63; }},
      {"rope.dims", [](ModelConfig& c) { c.rope.dims = 1000; }},
      {"ffn_dim", [](ModelConfig& c) { c.ffn_dim = -1; }},
      {"context", [](ModelConfig& c) { c.context = 0; }},
      {"sliding_window", [](ModelConfig& c) { c.sliding_window = -1; }},
      {"norm_eps", [](ModelConfig& c) { c.norm_eps = NAN; }},
      {"rope.base", [](ModelConfig& c) { c.rope.base = 0; }},
      {"rope.factor", [](ModelConfig& c) { c.rope.factor = INFINITY; }},
      {"moe.used", [](ModelConfig& c) { c.moe.count = 4, c.moe.used = 5, c.moe.ffn_dim = 64; }},
      {"moe.ffn_dim", [](ModelConfig& c) { c.moe.count = 4, c.moe.used = 2; }},
      {"moe.count", [](ModelConfig& c) { c.moe.count = -4; }},
      {"moe.groups", [](ModelConfig& c) { c.moe = {.count = 6, .used = 2, .ffn_dim = 64, .groups = 4}; }},
      {"mla.v_dims", [](ModelConfig& c) { c.mla.kv_rank = 64, c.mla.nope_dims = 64; }},
  };
  for (const BadConfig& bad : cases) {
    ModelConfig config = presets::tinyllama_1_1b();
    bad.spoil(config);
    try {
      check_config(config, "case.json");
      ADD_FAILURE() << bad.field << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::bad_value);
      EXPECT_NE(std::string(error.what()).find("case.json"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find(bad.field), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace plumb
