#include <cstdlib>
#include <optional>
#include <string>

#include "plumb/core/error.hpp"
#include "plumb/cpu/kernel_table.hpp"
#include "tiers.hpp"

namespace plumb::inline PLUMB_ABI {
namespace {

/// The table of a tier that is compiled in (PLUMB_TIERS in src/CMakeLists.txt), or nullptr.
const KernelTable* find_table(Isa isa) {
  switch (isa) {
    case Isa::scalar: return &kernels::scalar_table();
#ifdef PLUMB_TIER_AVX2
    case Isa::avx2: return &kernels::avx2_table();
#endif
#ifdef PLUMB_TIER_AVX_VNNI
    case Isa::avx_vnni: return &kernels::avx_vnni_table();
#endif
#ifdef PLUMB_TIER_AVX512
    case Isa::avx512: return &kernels::avx512_table();
#endif
#ifdef PLUMB_TIER_AVX512_VNNI
    case Isa::avx512_vnni: return &kernels::avx512_vnni_table();
#endif
#ifdef PLUMB_TIER_AVX512_BF16
    case Isa::avx512_bf16: return &kernels::avx512_bf16_table();
#endif
    default: return nullptr;
  }
}

Isa best_isa() {
  Isa best = Isa::scalar;
  for (const Isa isa : kAllIsas)
    if (isa_usable(isa)) best = isa;
  return best;
}

/// Why a tier is not usable, and which is.
[[noreturn]] void refuse(const std::string& subject, Isa isa) {
  throw Error(ErrorCode::unsupported_isa,
              subject +
                  (isa_supported(isa) ? ": this build has no kernels of that tier (PLUMB_TIERS)"
                                      : ": this machine cannot run that tier") +
                  "; the best here is " + std::string(isa_name(best_isa())));
}

}  // namespace

bool isa_usable(Isa isa) { return isa_supported(isa) && find_table(isa) != nullptr; }

Isa choose_isa() {
  const char* forced = std::getenv("PLUMB_ISA");
  if (forced == nullptr || *forced == '\0') return best_isa();
  const std::string subject = std::string("PLUMB_ISA=") + forced;
  const std::optional<Isa> isa = isa_from_name(forced);
  if (!isa)
    throw Error(ErrorCode::unsupported_isa,
                subject + ": no such tier; the best here is " + std::string(isa_name(best_isa())));
  if (!isa_usable(*isa)) refuse(subject, *isa);
  return *isa;
}

const KernelTable& kernels_for(Isa isa) {
  if (!isa_usable(isa)) refuse("kernels of the tier " + std::string(isa_name(isa)), isa);
  return *find_table(isa);
}

const KernelTable& active_kernels() { return kernels_for(choose_isa()); }

}  // namespace plumb
