#!/usr/bin/env bash
# Builds the objects of the tests. They are committed; go generate runs this, so
# that make check sees an object that its source does not give.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

clang=clang-22
command -v $clang >/dev/null || { echo "$clang is missing: run scripts/setup.sh" >&2; exit 1; }

build() { # SOURCE OBJECT FLAG…
	$clang --target=bpf -O2 -mcpu=v3 -fno-ident -fdebug-compilation-dir=. -Wall -Werror "${@:3}" -c "$1" -o "$2"
}

rm -f ./*.o
for source in sample refused closed old part; do
	build $source.c $source.o -g
done
build refused.c plain.o -g0
build refused.c big.o -g --target=bpfeb
