#!/usr/bin/env bash
# Fetches kernels for test machines, and QEMU, which makes the machines:
#
#     scripts/kernels.sh [6.1|6.12|newest]…
#
# Kernels are Debian's for clouds, unpacked but not installed, each in a folder of
# its own below ${XDG_CACHE_HOME:-~/.cache}/weir/kernels; one that is there is not
# fetched again (remove its folder for a newer one). The mirror is the one that
# this machine takes its packages from; the lists of its other releases go to a
# folder of our own, so that the machine's are left alone.
set -euo pipefail

die() {
	echo "kernels: $*" >&2
	exit 1
}

cache=${XDG_CACHE_HOME:-$HOME/.cache}/weir/kernels
keys=/usr/share/keyrings/debian-archive-keyring.gpg

suite() { # KERNEL: the release of Debian that has it
	case $1 in
	6.1) echo bookworm ;;
	6.12) echo bookworm-backports ;;
	newest) echo sid ;;
	*) die "no kernel $1: there are 6.1, 6.12 and newest" ;;
	esac
}

need() { # COMMAND PACKAGE
	command -v "$1" >/dev/null && return
	command -v apt-get >/dev/null || die "$1 is missing. Install it."
	[ "$(id -u)" = 0 ] || die "$1 is missing. As root: apt-get install $2"
	echo "kernels: installing $2"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null
}

# The address of Debian's archive in this machine's own sources.
mirror() {
	apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian' 2>/dev/null | head -1
}

# private KERNEL COMMAND…: apt with lists of its own.
private() {
	local state=$cache/$1.apt
	local command=$2
	shift 2
	"$command" -q -o Dir::Etc::SourceList="$state/sources.list" -o Dir::Etc::SourceParts=- \
		-o Dir::State::Lists="$state/lists" -o Dir::Cache="$state" -o Acquire::Languages=none \
		-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
		-o APT::Sandbox::User=root "$@"
}

# parts KERNEL PACKAGE: the packages named like it on which it depends.
parts() {
	private "$1" apt-cache depends "$2" | sed -n 's/^ *Depends: \(linux-\(image\|binary\|modules\)-[^ ]*\).*/\1/p'
}

fetch() { # KERNEL
	local kernel=$1 state=$cache/$1.apt from image
	[ -d "$cache/$kernel" ] && return
	command -v apt-get >/dev/null ||
		die "no kernel $kernel: this machine has no apt. Unpack Debian's package linux-image-cloud-amd64 of $(suite "$kernel") to $cache/$kernel."
	[ -f "$keys" ] || die "no kernel $kernel: $keys is missing. Install debian-archive-keyring."
	from=$(mirror)
	[ -n "$from" ] || die "no kernel $kernel: Debian is not among this machine's package sources. Run apt-get update."
	echo "kernels: fetching $kernel"
	rm -rf "$state"
	mkdir -p "$state"/{lists/partial,archives/partial,tree}
	echo "deb [signed-by=$keys] $from $(suite "$kernel") main" >"$state/sources.list"
	private "$kernel" apt-get update >"$state/log" 2>&1 || die "no lists of $(suite "$kernel"): $(tail -1 "$state/log")"
	image=$(parts "$kernel" linux-image-cloud-amd64)
	[ -n "$image" ] || die "no kernel $kernel: the mirror's $(suite "$kernel") has no linux-image-cloud-amd64"
	(cd "$state" && private "$kernel" apt-get download $image $(parts "$kernel" "$image") >"$state/log" 2>&1) ||
		die "no kernel $kernel: $(tail -1 "$state/log")"
	for deb in "$state"/*.deb; do
		dpkg-deb -x "$deb" "$state/tree"
	done
	mv "$state/tree" "$cache/$kernel" # whole, or not at all
	rm -rf "$state"
}

need qemu-system-x86_64 qemu-system-x86
need xz xz-utils
[ $# -gt 0 ] || set -- 6.1 6.12 newest
for kernel in "$@"; do
	fetch "$kernel"
done
