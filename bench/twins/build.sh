#!/usr/bin/env bash
# Builds the twins: one object for each hook and each version of the instruction
# set. The objects are committed; go generate runs this, so that make check sees
# an object that its source does not give. Nothing in them depends on the folder
# or the machine: no debug information, and the compiler is this one version.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/c"

clang=clang-22
command -v $clang >/dev/null || { echo "$clang is missing: run scripts/setup.sh" >&2; exit 1; }

build() { # TWIN HOOK VERSION
	$clang --target=bpf -O2 -mcpu="$3" -g0 -fno-ident -Wall -Werror \
		-Wno-compare-distinct-pointer-types -DHOOK_"${2^^}" -c "$1.c" -o "../objects/$1.$2.$3.o"
}

mkdir -p ../objects
rm -f ../objects/*.o
for source in *.c; do
	for hook in xdp tc; do
		for version in v3 v4; do
			build "${source%.c}" $hook $version
		done
	done
done
