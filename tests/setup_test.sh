#!/bin/sh
# scripts/setup on machines that are played by stand-ins for dpkg-query, apt-get, id, sudo and cmake: what it installs,
# what it asks, what it says when it cannot.
set -eu
setup=$(cd "$(dirname "$0")/.." && pwd)/scripts/setup
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
failures=0
mkdir "$stage/bin"
for tool in sh env sed sort head cat; do ln -s "$(command -v "$tool")" "$stage/bin/$tool"; done

# stand_in NAME LINE...: a program of these lines.
stand_in() {
  name=$1
  shift
  { printf '#!/bin/sh\n' && printf '%s\n' "$@"; } >"$stage/bin/$name"
  chmod +x "$stage/bin/$name"
}

# machine USER_ID MISSING: a fresh one; apt-get writes down what it was asked for.
machine() {
  rm -f "$stage/bin/sudo" "$stage/log"
  : >"$stage/log"
  stand_in id "echo $1"
  stand_in dpkg-query "for last; do :; done" "case ' $2 ' in *\" \$last \"*) exit 1 ;; esac" "printf installed"
  stand_in apt-get "echo apt-get \"\$@\" >>'$stage/log'"
  stand_in cmake "echo cmake version 3.25.1"
}
with_sudo() { stand_in sudo "echo sudo \"\$@\" >>'$stage/log'" '[ "$1" != -n ] || shift' '"$@"'; }

run() { code=0 && env -i PATH="$stage/bin" "$@" "$setup" >"$stage/out" 2>&1 </dev/null || code=$?; }

# expect NAME CODE [TEXT...]: the exit code, and what the messages and the log of calls contain.
expect() {
  what=$1
  [ "$code" = "$2" ] || { printf '%s: exit code %s, expected %s\n' "$what" "$code" "$2" && failures=$((failures + 1)); }
  shift 2
  for text; do
    cat "$stage/out" "$stage/log" | grep -qF -- "$text" || {
      printf '%s: "%s" not found in:\n' "$what" "$text"
      cat "$stage/out" "$stage/log"
      failures=$((failures + 1))
    }
  done
}
expect_silence() { [ ! -s "$stage/out" ] && [ ! -s "$stage/log" ] || { echo "$1: not silent" && failures=$((failures + 1)); }; }

machine 0 ""
run
expect "all there" 0
expect_silence "all there"

machine 0 "libfmt-dev libgtest-dev"
run
expect "root" 0 "apt-get update" "apt-get install -y" "libgtest-dev libfmt-dev"

machine 1000 "libfmt-dev"
run
expect "neither root nor sudo" 1 "neither root nor have sudo: libfmt-dev" "ask someone who may: apt-get install libfmt-dev"

machine 1000 "libfmt-dev"
with_sudo
run CI=1
expect "sudo" 0 "sudo -n apt-get update" "apt-get install -y"

machine 0 "libfmt-dev"
stand_in apt-get "exit 100"
run
expect "no network" 1 "the installation failed; by hand: apt-get install libfmt-dev"

machine 0 ""
stand_in cmake "echo cmake version 3.22.1"
run
expect "old cmake" 1 "CMake 3.22.1 is too old: 3.25 is needed"

machine 0 ""
rm "$stage/bin/dpkg-query"
run
expect "another distribution" 0 "this is no Debian or Ubuntu"

# On a terminal it asks, once.
if command -v script >/dev/null; then
  for answer in n y; do
    machine 0 "libfmt-dev"
    code=0
    printf '%s\n' "$answer" | script -qec "env -i PATH='$stage/bin' '$setup'" /dev/null >"$stage/out" 2>&1 || code=$?
    case $answer in
      n) expect "no" 1 "install them with apt-get? [Y/n]" "nothing installed" ;;
      y) expect "yes" 0 "install them with apt-get? [Y/n]" "apt-get install -y" ;;
    esac
    [ "$(grep -c 'Y/n' "$stage/out")" = 1 ] || { echo "$answer: asked more than once" && failures=$((failures + 1)); }
  done
fi

[ "$failures" -eq 0 ] || exit 1
echo "setup does what it says"
