#!/bin/sh
# exported_symbols.sh LIBRARY: are the symbols that a shared library of plumb shows those of exported_symbols.txt?
# exported_symbols.sh --update LIBRARY writes the list, which is then a change to look at.
set -eu
list=$(dirname "$0")/exported_symbols.txt
update=
[ "$1" != --update ] || { update=1 && shift; }
library=$1
found=$(mktemp)
trap 'rm -f "$found"' EXIT

# Names without the versions of the inline namespace and of the C++ library, which are not the interface. Templates of the
# C++ library are left out: which of them a library shows is up to the compiler.
nm -D --defined-only --demangle "$library" |
  sed -n 's/^[0-9a-f]* [A-Za-z] \(\(vtable\|typeinfo\|typeinfo name\|guard variable\) for \)\{0,1\}plumb::/\1plumb::/p' |
  sed 's/plumb::v[0-9_]*::/plumb::/g; s/std::__cxx11::/std::/g; s/::__cxx11::/::/g' | LC_ALL=C sort -u >"$found"
if [ -n "$update" ]; then
  cp "$found" "$list"
  exit
fi
if ! diff -u "$list" "$found"; then
  echo "$library shows other symbols than $list names. If that is meant: $0 --update $library"
  exit 1
fi
echo "$(wc -l <"$found") symbols, as listed"
