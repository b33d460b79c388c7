// Which table of kernels a process gets: the one that PLUMB_ISA names or the best, and an error for what is not there.

#include <gtest/gtest.h>

#include "plumb/cpu/kernel_table.hpp"
#include "tests/support/expect_error.hpp"
#include "tests/support/tiers.hpp"

namespace plumb::dispatch_test {
namespace {

TEST(Dispatch, EveryTierIsItselfOrRefused) {
  for (const Isa isa : kAllIsas) {
    SCOPED_TRACE(isa_name(isa));
    const test::ForcedTier forced(isa_name(isa));
    if (!isa_usable(isa)) {
      test::expect_error(ErrorCode::unsupported_isa, [&] { kernels_for(isa); });
      test::expect_error(ErrorCode::unsupported_isa, [] { active_kernels(); });
      continue;
    }
    EXPECT_EQ(kernels_for(isa).isa, isa);
    EXPECT_EQ(kernels_for(isa).name, isa_name(isa));
    EXPECT_EQ(choose_isa(), isa);
    EXPECT_EQ(&active_kernels(), &kernels_for(isa));
  }
}

TEST(Dispatch, EverySlotOfEveryTierIsFilled) {
  for (const Isa isa : test::tiers_here()) {
    SCOPED_TRACE(isa_name(isa));
    const KernelTable& table = kernels_for(isa);
    for (std::size_t type = 0; type < kDTypeValues; ++type)
      EXPECT_EQ(table.matmul[type].available(), kernels_for(Isa::scalar).matmul[type].available()) << type;
    EXPECT_NE(table.quantize_activations, nullptr);
    EXPECT_NE(table.tile_f32_activations, nullptr);
    EXPECT_NE(table.probes.f32.run, nullptr);
    EXPECT_NE(table.probes.int8.run, nullptr);
  }
}

TEST(Dispatch, TheBestTierIsTheLastUsableOne) {
  const test::ForcedTier none("");
  Isa best = Isa::scalar;
  for (const Isa isa : kAllIsas)
    if (isa_usable(isa)) best = isa;
  EXPECT_EQ(choose_isa(), best);
}

TEST(Dispatch, AnUnknownTierIsRefused) {
  const test::ForcedTier forced("avx1024");
  const std::string message = test::expect_error(ErrorCode::unsupported_isa, [] { active_kernels(); });
  EXPECT_NE(message.find("PLUMB_ISA=avx1024: no such tier"), std::string::npos) << message;
}

}  // namespace
}  // namespace plumb::dispatch_test
