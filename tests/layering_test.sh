#!/bin/sh
# scripts/check_layers must find each kind of violation, and only violations.
set -eu
check=$(cd "$(dirname "$0")/.." && pwd)/scripts/check_layers
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0

# expect pass|fail FILE LINE...: the verdict on a tree with this one file.
expect() {
  verdict=$1 file=$2
  shift 2
  rm -rf "${tree:?}"/*
  mkdir -p "$tree"/include "$tree"/kernels "$tree"/src "$tree"/tests "$tree"/benchmarks "$tree"/examples
  mkdir -p "$tree/$(dirname "$file")"
  printf '%s\n' "$@" >"$tree/$file"
  if "$check" "$tree" >"$tree/out" 2>&1; then found=pass; else found=fail; fi
  if [ "$found" != "$verdict" ]; then
    printf 'expected %s, got %s for %s:\n' "$verdict" "$found" "$file"
    printf '    %s\n' "$@"
    cat "$tree/out"
    failures=$((failures + 1))
  fi
}

expect pass include/plumb/ops/a.hpp '#include "plumb/quant/b.hpp"' '#include <omp.h>'
expect fail include/plumb/quant/a.hpp '#include "plumb/ops/b.hpp"'
expect fail src/io/a.cpp '#include "plumb/model/b.hpp"'
expect pass src/model/a.cpp '#include "../io/json.hpp"' '#include <fmt/format.h>'
expect fail src/io/a.cpp '#include "../model/b.hpp"'
expect fail src/io/parts/a.cpp '#include "../../model/b.hpp"'
expect pass src/model/parts/a.cpp '#include "../../io/b.hpp"' '#include "../b.hpp"'
expect pass include/plumb/model/a.hpp '#include "plumb/text/tokenizer.hpp"'
expect fail include/plumb/text/a.hpp '#include "plumb/model/b.hpp"'
expect fail include/plumb/text/a.hpp '#include "plumb/cpu/b.hpp"'
expect fail include/plumb/misc/a.hpp 'int x;'
expect fail include/plumb/core/a.hpp '#include <fmt/format.h>'
expect fail include/plumb/core/a.hpp '#include <Eigen/Core>'
expect pass include/plumb/eigen.hpp '#include <Eigen/Core>' '#include "plumb/core/tensor.hpp"'
expect pass include/plumb/plumb.hpp '#include "plumb/perf/ledger.hpp"'
expect fail include/plumb/ops/a.hpp '#pragma omp parallel'
expect pass include/plumb/ops/a.hpp '#pragma omp simd'
expect pass src/quantize/a.cpp '#pragma omp parallel'
expect fail kernels/generic/a.hpp '#pragma omp simd'
expect fail include/plumb/ops/a.hpp '#include "kernels/scalar/tier.hpp"'
expect pass src/cpu/a.cpp '#include "kernels/avx2/tier.hpp"'
expect fail src/perf/a.cpp '#include "kernels/avx2/simd.hpp"'
expect fail include/plumb/cpu/a.hpp '#include "kernels/scalar/tier.hpp"'
expect pass include/plumb/headers_only.hpp '#include "kernels/scalar/tier.hpp"'
expect pass include/plumb/plumb.hpp '#include "plumb/headers_only.hpp"'
expect fail include/plumb/cpu/a.hpp '#include "plumb/headers_only.hpp"'
expect fail include/plumb/cpu/a.hpp '#include "src/cpu/b.hpp"'
expect pass src/quantize/a.cpp '#include "src/quantize/b.hpp"' '#include "plumb/cpu/kernel_table.hpp"'
expect fail src/quant/a.cpp '#include "plumb/cpu/kernel_table.hpp"'
expect fail src/io/a.cpp '#include "src/model/b.hpp"'
expect fail kernels/prelude.hpp '#include "src/cpu/b.hpp"'
expect pass include/plumb/engine.hpp '#include "plumb/headers_only.hpp"'
expect pass include/plumb/blocks/a.hpp '#include "plumb/ops/b.hpp"' '#include "plumb/quant/b.hpp"'
expect pass include/plumb/blocks/a.hpp '#include "plumb/text/b.hpp"'
expect fail include/plumb/blocks/a.hpp '#include "plumb/model/b.hpp"'
expect pass include/plumb/model/a.hpp '#include "plumb/blocks/b.hpp"'
expect fail include/plumb/ops/a.hpp '#include "plumb/blocks/b.hpp"'
expect pass src/families/a.cpp '#include "plumb/model/b.hpp"' '#include "../io/b.hpp"' '#include "keys.hpp"'
expect fail src/families/a.cpp '#include "plumb/perf/b.hpp"'
expect pass src/model/a.cpp '#include "../families/b.hpp"' '#include "src/families/b.hpp"'
expect fail src/io/a.cpp '#include "../families/b.hpp"'
expect fail src/io/a.cpp '#include "src/families/b.hpp"'
expect fail include/plumb/model/a.hpp '#include "src/families/b.hpp"'
expect fail include/plumb/model/a.hpp '#include "../../src/families/b.hpp"'
expect fail src/model/a.cpp 'std::cout << 1;'
expect fail src/model/a.cpp 'std::fprintf(stderr, "x");'
expect pass src/model/a.cpp 'std::snprintf(buffer, 8, "x");' '// std::cout is for programs'
expect pass src/cli/a.cpp 'std::printf("x");' '#include "plumb/perf/ledger.hpp"'
expect pass kernels/generic/a.hpp 'int x = table[f(3)] + u[2] (1);' '// no lambdas [](int) {} here'
expect fail kernels/generic/a.hpp '#include <cmath>'
expect fail kernels/generic/a.hpp '  auto f = [&](int i) { return i; };'
expect fail kernels/generic/a.hpp '  call([](int i) { return i; });'
expect fail kernels/generic/a.hpp '#if defined(__AVX2__)'
expect fail kernels/avx2/a.hpp 'Eigen::VectorXf v;'
expect fail kernels/prelude.hpp '#include "plumb/ops/matmul.hpp"'

[ "$failures" -eq 0 ] || exit 1
echo "every violation was found"
