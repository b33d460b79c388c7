#!/bin/sh
# Shows what the compiler made of the tile kernels: for every innermost loop with dot products or multiply-adds, how
# many instructions and dots it has and how many of its vector instructions touch the stack. A tile whose accumulators
# are spilled loses a tenth of its speed and more, so any such access fails the check.
#
#   benchmarks/check_spills.sh PROGRAM_OR_OBJECT [NAMES [TIERS]]
#
# NAMES: regular expression of functions (default: the register tiles). TIERS: default all but scalar.
# -v as first argument lists every loop, not only the sums. Exit code 0: no vector stack access; 1: some, or no loop
# found, in all or in one tier; 2: usage.
set -u
verbose=0
if [ "${1:-}" = -v ]; then verbose=1; shift; fi
if [ $# -lt 1 ] || [ ! -r "$1" ]; then echo "usage: $0 [-v] PROGRAM_OR_OBJECT [NAMES [TIERS]]" >&2; exit 2; fi
file=$1
names=${2:-tile_panels|multiply_panels}
tiers=${3:-avx512_bf16 avx512_vnni avx512 avx_vnni avx2}
command -v objdump >/dev/null || { echo "$0: objdump (binutils) is needed" >&2; exit 2; }

objdump -d -C --no-show-raw-insn "$file" | awk -v names="$names" -v tiers="$tiers" -v verbose="$verbose" '
  BEGIN { n_tiers = split(tiers, tier_list, " ") }

  # "0000000000001234 <plumb::kernels::avx512::tile_float<16>(...)>:" begins a function.
  /^[0-9a-f]+ <.*>:$/ {
    finish()
    name = $0; sub(/^[0-9a-f]+ </, "", name); sub(/>:$/, "", name)
    tier = ""
    for (i = 1; i <= n_tiers; i++) if (index(name, "::" tier_list[i] "::")) tier = tier_list[i]
    wanted = tier != "" && name ~ names
    next
  }
  wanted && /^ *[0-9a-f]+:\t/ {
    split($0, part, "\t")
    address = part[1]; gsub(/[ :]/, "", address)
    n++; text[n] = part[2]; at[address] = n
    if (part[2] ~ /^mov +%rsp,%rbp/) frame = 1                        # else %rbp is a register like any other
    if (part[2] ~ /^j[a-z]+ +[0-9a-f]+/) { split(part[2], word, /[ ]+/); target[n] = word[2] }
  }
  END {
    finish()
    for (i = 1; i <= n_tiers; i++) {
      t = tier_list[i]
      printf "%-12s %4d functions, %4d hot loops, %5d instructions, %4d dots, %d vector stack accesses\n", \
             t, functions[t], loops[t], instructions[t], dots[t], bad[t]
      if (bad[t] > 0)
        printf "%-12s %4d loops touch the stack, most of all (%d times) %s\n", "", bad_loops[t], worst[t], worst_name[t]
      all += loops[t]; all_bad += bad[t]
      if (functions[t] > 0 && loops[t] == 0) blind = 1
    }
    if (all == 0) { print "no hot loop found: is this the right file?"; exit 1 }
    if (blind) { print "a tier has register tiles but no innermost loop with dots: what does the loop contain?"; exit 1 }
    if (all_bad > 0) exit 1
  }

  # A loop is a jump back; it is innermost when no other loop lies inside it.
  function finish(   i, j, k, first, inner, length_, d, b) {
    if (wanted && n > 0) {
      functions[tier]++
      count = 0
      for (i = 1; i <= n; i++) if (i in target && target[i] in at && at[target[i]] <= i) {
        count++; from[count] = at[target[i]]; to[count] = i
      }
      for (j = 1; j <= count; j++) {
        inner = 1
        for (k = 1; k <= count; k++)
          if (k != j && from[k] >= from[j] && to[k] <= to[j] && (from[k] > from[j] || to[k] < to[j])) inner = 0
        if (!inner) continue
        d = 0; b = 0
        for (i = from[j]; i <= to[j]; i++) {
          if (text[i] ~ /^(vpdpbusd|vdpbf16ps|vpmaddubsw|vpmaddwd|vfn?m(add|sub)[0-9]*ps)/) d++
          if (text[i] ~ /^v/ && (text[i] ~ /\(%rsp/ || (frame && text[i] ~ /\(%rbp/))) b++
        }
        if (d < 2) continue
        length_ = to[j] - from[j] + 1
        loops[tier]++; instructions[tier] += length_; dots[tier] += d; bad[tier] += b
        if (verbose) printf "%4d instructions %4d dots %3d stack  %s\n", length_, d, b, name
        if (b > 0) bad_loops[tier]++
        if (b > worst[tier]) { worst[tier] = b; worst_name[tier] = name }
      }
    }
    n = 0; frame = 0
    split("", text); split("", at); split("", target); split("", from); split("", to)
  }
'
