#!/usr/bin/env bash
# Runs Go tests as root and sums them up: scripts/test.sh [go test flags] PACKAGES
# Tests use the kernel: network namespaces, BPF programs. Cached results would
# say nothing about it, so there are none.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "$(id -u)" != 0 ]; then
	echo "test: the tests load programs into the kernel: run make test as root" >&2
	exit 1
fi
export PATH="$PATH:/usr/sbin:/sbin"
tally=$(mktemp -d)/tally
trap 'rm -rf "$(dirname "$tally")"' EXIT
go build -o "$tally" ./internal/tally || exit 1
go test -json -count=1 -p "$(nproc)" "$@" | "$tally"
