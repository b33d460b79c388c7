/// The list of features: each is there where it was added, and runs or is refused by its block.

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "plumb/core/error.hpp"
#include "plumb/model/features.hpp"
#include "plumb/model/presets.hpp"
#include "plumb/model/session.hpp"

namespace plumb {
namespace {

TEST(Features, AreThereWhereTheyAreAdded) {
  std::set<std::string> names;
  for (const Feature& feature : all_features()) {
    const std::string name = std::string(feature.part) + ": " + std::string(feature.name);
    EXPECT_TRUE(names.insert(name).second) << name << " stands twice";
    ModelSpec spec = feature_base();
    EXPECT_FALSE(feature.has(spec)) << name;
    feature.add(spec);
    EXPECT_TRUE(feature.has(spec)) << name;
  }
}

TEST(Features, RunUnlessTheirBlockRefusesThem) {
  int refused = 0;
  for (const Feature& feature : all_features()) {
    SCOPED_TRACE(std::string(feature.part) + ": " + std::string(feature.name));
    ModelSpec spec = feature_base();
    feature.add(spec);
    const std::string refusal = refusal_of(feature);
    if (!refusal.empty()) {
      ++refused;
      try {
        check_runnable(spec, "feature");
        ADD_FAILURE() << "is refused: " << refusal;
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::unsupported_architecture);
        EXPECT_NE(std::string(e.what()).find(refusal), std::string::npos) << e.what();
      }
      continue;
    }
    Session session(Model::random(spec, DType::f32), {.context = 4, .threads = 1});
    const std::vector<BatchRow> rows = {{1, 0, 0, spec.output.head}};
    session.forward(rows, spec.output.head ? PassOutput::logits : PassOutput::states);
  }
  EXPECT_EQ(refused, 4);  // the newest: experts with token shift
}

/// No preset has what is refused.
TEST(Features, OfPresetsRun) {
  for (const Feature& feature : all_features())
    if (!refusal_of(feature).empty()) {
      EXPECT_TRUE(families_with(feature).empty()) << feature.name;
    }
}

}  // namespace
}  // namespace plumb
