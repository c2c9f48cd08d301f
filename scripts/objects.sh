#!/usr/bin/env bash
# objects.sh FOLDER builds every C source of the folder to an object for chains to
# load. Objects are committed; go generate runs this, so that make check sees an
# object that its source does not give.
set -euo pipefail
headers=$(realpath "$(dirname "$0")/../examples/modules/c") # bpf.h stands for all of them
cd "$1"
headers=$(realpath --relative-to=. "$headers")

clang=clang-22
command -v $clang >/dev/null || { echo "$clang is missing: run scripts/setup.sh" >&2; exit 1; }

build() { # SOURCE OBJECT FLAG…
	$clang --target=bpf -O2 -mcpu=v3 -fno-ident -fdebug-compilation-dir=. -Wall -Werror \
		-I "$headers" "${@:3}" -c "$1" -o "$2"
}

rm -f ./*.o
for source in *.c; do
	build "$source" "${source%.c}.o" -g
done
[ "$1" != testdata ] || { # of package object: what cannot be loaded
	build refused.c plain.o -g0
	build refused.c big.o -g --target=bpfeb
}
