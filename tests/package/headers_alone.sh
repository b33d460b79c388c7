#!/bin/sh
# tests/package/headers_alone.sh COMPILER [OPTION...]: every public header compiles with nothing in front of it, and
# twice.
#
# Headers share files: what stands in front of a header in its file are only headers that it includes anyway. So each is
# as good as alone, and 176 headers are read in 56 files.
set -eu
cd "$(dirname "$0")/../.."
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
ln -s "$PWD/kernels" "$directory/kernels"

(cd include && grep -r --include='*.hpp' -o '^#include "plumb/[^"]*"' plumb && find plumb -name '*.hpp') |
  awk -v directory="$directory" '
    !/#/ { headers[++count] = $0; next }
    { split($0, part, ":#include \""); sub(/"/, "", part[2]); direct[part[1]] = direct[part[1]] " " part[2] }

    function reach(from, at,   i, n, next_ones) {  # what `at` includes, and so on
      n = split(direct[at], next_ones, " ")
      for (i = 1; i <= n; ++i)
        if (!((from, next_ones[i]) in included)) {
          included[from, next_ones[i]] = 1
          ++size[from]
          reach(from, next_ones[i])
        }
    }
    function largest(within,   i, best) {  # that has no file yet
      for (i = 1; i <= count; ++i)
        if (!(headers[i] in placed) && (within == "" || (within, headers[i]) in included))
          if (best == "" || size[headers[i]] > size[best]) best = headers[i]
      return best
    }
    END {
      for (i = 1; i <= count; ++i) reach(headers[i], headers[i])
      while ((header = largest("")) != "") {
        text = ""
        for (; header != ""; header = largest(header)) {
          placed[header] = 1
          text = "#include \"" header "\"\n#include \"" header "\"\n" text
        }
        file = directory "/" ++files ".cpp"
        printf "%s", text >file
        close(file)
      }
      printf "%d headers in %d files\n", count, files
    }'
find "$directory" -name '*.cpp' -print0 |
  xargs -0 -P "$(scripts/jobs)" -n 1 "$@" -fsyntax-only -std=gnu++20 -fopenmp -Wall -Wextra -Wpedantic -Wconversion \
    -Werror -Wno-pragma-once-outside-header -Iinclude "-I$directory"
