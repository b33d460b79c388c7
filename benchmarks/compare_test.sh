#!/bin/sh
# compare against two made-up engines whose speeds are known: medians, the best of several flags, and the difference of
# two prompts where an engine cannot start at a depth.   usage: compare_test.sh COMPARE PLUMB
set -eu
compare=$1 plumb=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$plumb" synth stories-260k "$dir/m.gguf" --type q8_0 >/dev/null

# Knows -d; 1000 tokens/s, twice that with -fa 1.
cat > "$dir/deep" <<'END'
#!/bin/sh
[ "$1" = --help ] && { echo "  -d, --n-depth <n>"; exit; }
rate=1000
case "$*" in *"-fa 1"*) rate=2000 ;; esac
echo "noise before the results" >&2
echo "[{\"avg_ts\": $rate, \"n_prompt\": 64, \"n_gen\": 0, \"avg_ns\": 1}]"
END
# Has no -d. Reading n tokens takes n + n * n / 100 milliseconds; generating after a prompt: 77 tokens/s.
cat > "$dir/flat" <<'END'
#!/bin/sh
[ "$1" = --help ] && { echo "  -gp <pp,tg>"; exit; }
case "$*" in
  *"-gp 100,8"*) echo '[{"avg_ts": 77.0, "n_prompt": 100, "n_gen": 8, "avg_ns": 1}]' ;;
  *"-p 32,100,150"*) echo '[{"avg_ts": 1, "n_prompt": 32, "n_gen": 0, "avg_ns": 42240000},
                            {"avg_ts": 1, "n_prompt": 100, "n_gen": 0, "avg_ns": 200000000},
                            {"avg_ts": 1, "n_prompt": 150, "n_gen": 0, "avg_ns": 375000000}]' ;;
  *) exit 3 ;;
esac
END
chmod +x "$dir/deep" "$dir/flat"

"$compare" --plumb "$plumb" -m "$dir/m.gguf" -r 3 -t 1 -p 50 -n 8 -d 100 --samples --start \
  --peer "deep=$dir/deep:-fa 0" --peer "deep=$dir/deep:-fa 1" --peer "flat=$dir/flat" >"$dir/out" 2>"$dir/err" || { cat "$dir/err"; exit 1; }
expect() {
  grep -q -- "$1" "$dir/out" || { echo "expected '$1' in:"; cat "$dir/out" "$dir/err"; exit 1; }
}
expect '^| test | plumb | deep | flat | plumb / best peer |$'
expect '^| pp50 @ d100 | [0-9.e+]* | 2000 | 285.7 | [0-9.]* |$'  # 50 tokens in 375 - 200 ms
expect '^| tg8 @ d100 | [0-9.e+]* | 2000 | 77 | [0-9.]* |$'
expect '^tg8 @ d100, deep -fa 0: 1000 1000 1000$'
expect '^| resident, MiB | [0-9.]* | [0-9.]* | – | [0-9.]* |$'  # flat fails at this one, and is left out
echo "compare: as expected"
