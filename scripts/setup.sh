#!/usr/bin/env bash
# Installs what building and testing weir needs, on Debian and its relatives.
# It may be run again at any time, and is quick when everything is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

die() {
	echo "setup: $*" >&2
	exit 1
}

# Go cannot come from Debian's stable release: it is too old.
want=$(sed -n 's/^go //p' go.mod)
command -v go >/dev/null ||
	die "Go is missing. Install Go $want or newer from https://go.dev/dl/ and put its bin folder into PATH."
go version >/dev/null 2>&1 ||
	die "this Go ($(command -v go)) is too old for go.mod, which asks for Go $want. Install it from https://go.dev/dl/."

# command:package. bpftool shows loaded programs with their source lines, tc, ip
# and xdp-loader's dispatcher put foreign programs and queues in weir's way, nft
# and iptables filter beside it; all only in tests and measurements.
# tcpdump is asked, in the long tests, for which packets its filters are true.
# clang-22 builds the twins of bench/twins: objects are compared byte for byte,
# so that it has to be this one.
missing=()
for pair in bpftool:bpftool tc:iproute2 git:git xdp-loader:xdp-tools nft:nftables iptables-legacy:iptables tcpdump:tcpdump clang-22:clang-22; do
	PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
	command -v apt-get >/dev/null || die "please install: ${missing[*]}"
	[ "$(id -u)" = 0 ] || die "as root: apt-get install ${missing[*]}"
	echo "setup: installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# What others wrote, which tests point at chains on real traffic. Where one of them is
# not to be had its tests say so and are skipped.
others=()
for pair in dig:bind9-dnsutils curl:curl ping:iputils-ping arping:iputils-arping ndisc6:ndisc6 scapy3:python3-scapy; do
	PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null || others+=("${pair##*:}")
done
if [ ${#others[@]} -gt 0 ] && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
	echo "setup: installing ${others[*]}"
	export DEBIAN_FRONTEND=noninteractive
	[ ${#missing[@]} -gt 0 ] || apt-get update -qq || true
	for package in "${others[@]}"; do
		apt-get install -y -qq --no-install-recommends "$package" >/dev/null ||
			echo "setup: $package is not to be had: its tests are skipped" >&2
	done
fi

go mod download
go mod download -modfile=scripts/tools.mod
