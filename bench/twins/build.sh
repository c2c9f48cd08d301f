#!/usr/bin/env bash
# Builds the twins: one object for each hook and each version of the instruction
# set. The objects are committed; go generate runs this, so that make check sees
# an object that its source does not give. Nothing in them depends on the folder
# or the machine: no debug information where it can be done without, and the
# compiler is this one version.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/c"

clang=clang-22
command -v $clang >/dev/null || { echo "$clang is missing: run scripts/setup.sh" >&2; exit 1; }

build() { # SOURCE HOOK VERSION FLAG...
	local name
	name=$(basename "$1" .c)
	$clang --target=bpf -O2 -mcpu="$3" "${@:4}" -fno-ident -Wall -Werror \
		-Wno-compare-distinct-pointer-types -DHOOK_"${2^^}" -c "$1" -o "../objects/$name.$2.$3.o"
}

mkdir -p ../objects
rm -f ../objects/*.o
for source in *.c; do
	for hook in xdp tc; do
		for version in v3 v4; do
			build "$source" $hook $version -g0
		done
	done
done
# One at every hook. Functions of the kernel are called by their types, which are
# debug information.
for hook in xdp tc socket cgroup; do
	build places/dns.c $hook v3 -g0
done
build places/dns.c netfilter v3 -g -fdebug-compilation-dir=.
build places/forward.c xdp v3 -g0
# Modules that chains load, by their types.
for hook in xdp tc; do
	build modules/null.c $hook v3 -g -fdebug-compilation-dir=.
done
