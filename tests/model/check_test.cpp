// Configurations that describe no transformer are refused with one clear sentence.

#include "plumb/model/check_spec.hpp"

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
  std::function<void(ModelSpec&)> spoil;
};

TEST(CheckConfig, RefusesEachBadFieldByName) {
  const int huge = std::numeric_limits<int>::max();
  const BadConfig cases[] = {
      {"vocab_size", [](ModelSpec& c) { c.vocab_size = 0; }},
      {"vocab_size", [=](ModelSpec& c) { c.vocab_size = huge; }},
      {"width", [](ModelSpec& c) { c.width = -64; }},
      {"width", [=](ModelSpec& c) { c.width = huge; }},
      {"n_layers", [](ModelSpec& c) { c.n_layers = 0; }},
      {"n_layers", [=](ModelSpec& c) { c.n_layers = huge; }},
      {"n_heads", [](ModelSpec& c) { c.n_heads = 0; }},
      {"n_kv_heads", [](ModelSpec& c) { c.n_kv_heads = 0; }},
      {"n_kv_heads", [](ModelSpec& c) { c.n_kv_heads = 5; }},
      {"head_dim", [](ModelSpec& c) { c.head_dim = 0; }},
      {"rope.dims", [](ModelSpec& c) { c.head_dim = 63; }},
      {"rope.dims", [](ModelSpec& c) { c.rope.dims = 1000; }},
      {"ffn_dim", [](ModelSpec& c) { c.ffn_dim = -1; }},
      {"context", [](ModelSpec& c) { c.context = 0; }},
      {"sliding_window", [](ModelSpec& c) { c.sliding_window = -1; }},
      {"norm_eps", [](ModelSpec& c) { c.norm_eps = NAN; }},
      {"rope.base", [](ModelSpec& c) { c.rope.base = 0; }},
      {"rope.factor", [](ModelSpec& c) { c.rope.factor = INFINITY; }},
      {"moe.used", [](ModelSpec& c) { c.moe.count = 4, c.moe.used = 5, c.moe.ffn_dim = 64; }},
      {"moe.ffn_dim", [](ModelSpec& c) { c.moe.count = 4, c.moe.used = 2; }},
      {"moe.count", [](ModelSpec& c) { c.moe.count = -4; }},
      {"moe.groups", [](ModelSpec& c) { c.moe = {.count = 6, .used = 2, .ffn_dim = 64, .groups = 4}; }},
      {"mla.v_dims", [](ModelSpec& c) { c.mla.kv_rank = 64, c.mla.nope_dims = 64; }},
  };
  for (const BadConfig& bad : cases) {
    ModelSpec spec = presets::tinyllama_1_1b();
    bad.spoil(config);
    try {
      check_spec(config, "case.json");
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
