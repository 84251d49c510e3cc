# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # What is set here is used by the scripts that source it.
#
# Sourced by every script of this folder: where things are, how a long step talks, how one fails.
# A script's standard output is its result; what it says to a person goes to standard error.

set -euo pipefail
shopt -s inherit_errexit

unset CDPATH
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
qemu=$top/qemu
build=$top/build
cache=$(realpath -m "${UNSHARE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/unshare.ko}")

# make(1) hands its command line down, and kbuild would take KERNEL=, TEST= and the like for its own.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL

# kbuild and cargo take their tools from PATH. The distribution's come before a rustup toolchain,
# which has no source of `core`; a bindgen of ours is there only where the distribution's is too old.
llvm=19
export PATH=$cache/bindgen/bin:/usr/bin:/bin:/usr/sbin:/sbin:$PATH
# Where Debian has it; elsewhere bindgen finds it.
if [[ -d /usr/lib/llvm-$llvm/lib ]]; then export LIBCLANG_PATH=/usr/lib/llvm-$llvm/lib; fi
export LC_ALL=C

say() {
	printf '%s\n' "$*" >&2
}

# die WORDS: not a program's own failure, so not a status that one would have.
die() {
	printf 'error: %s\n' "$*" >&2
	exit 125
}

# kbuild and cargo put paths in lists that spaces part.
[[ $top$cache != *[[:space:]]* ]] || die "a space is in $top or $cache, and kbuild wants none"

# What `set -e` ends without a word; a script of ours that died has said why.
fell=0
trap 'fell=$?; ((fell == 125)) || say "error: ${0##*/}, line $LINENO: status $fell"' ERR

# The kernel series to take: SERIES=, or else the first of those that Kbuild knows. What is built for
# another than the first goes to a folder of its own, beside what every series shares.
known=$(sed -n 's/^unshare-series := //p' "$top/Kbuild")
series=${SERIES:-${known%% *}}
[[ " $known " == *" $series "* ]] || die "SERIES=$series: the module is for ${known// / and }"
if [[ $series != "${known%% *}" ]]; then build+=/$series; fi

# The architecture: ARCH=, which kbuild reads too, or else x86-64. Likewise. `image` is where a kernel tree has
# its kernel, `target` what rustc calls the programs' machine, and `here` how this one runs such a program.
arch=${ARCH:-x86_64}
case $arch in
x86_64)
	unset ARCH
	[[ ! ${MODEL:-} ]] || die "MODEL=$MODEL: that is for ARCH=arm64"
	prefix=
	image=arch/x86/boot/bzImage
	target=x86_64-unknown-linux-gnu
	here=()
	;;
arm64)
	export ARCH
	prefix=arm64-
	image=arch/arm64/boot/Image
	target=aarch64-unknown-linux-gnu
	here=(qemu-aarch64)
	build+=/arm64
	;;
*) die "ARCH=$arch: there are 'x86_64' and 'arm64'" ;;
esac

# step LOG TITLE COMMAND...: runs a long command with its output in LOG, says how far it is, and shows
# the end of LOG if it fails. With expect=N, files built (kbuild's short lines) are counted against N.
step() {
	local log=$1 title=$2 status=0 counter=:
	shift 2
	mkdir -p "$(dirname "$log")"
	: >"$log"
	say "$title (log: $log)"
	if [[ ${expect:-} ]]; then counter="built $log"; fi
	progress "$title" "$counter"
	# Not `|| status=$?`, which would switch `set -e` off in a COMMAND that is a function.
	set +e
	(set -e && "$@") >"$log" 2>&1 </dev/null
	status=$?
	set -e
	progress_ends
	if ((status)); then
		tail -n 30 "$log" >&2
		die "$title: failed. The whole log: $log"
	fi
}

built() {
	printf '%d of about %d files, ' "$(grep -cE '^  [A-Z]' "$1")" "$expect"
}

# progress TITLE COUNTER: says from time to time what the command COUNTER prints and how long it took:
# a line that is rewritten on a terminal, a line a minute in a log. Until progress_ends.
progress() {
	report "$1" "$2" "$$" &
	reporter=$!
}

progress_ends() {
	kill "$reporter" 2>/dev/null || :
	wait "$reporter" 2>/dev/null || :
	if [[ -t 2 ]]; then printf '\r\033[K' >&2; fi
}

report() {
	local title=$1 counter=$2 parent=$3 begun=$SECONDS at
	# The wait is one for input that never comes: a sleep would outlive this process.
	while read -rt 1 <> <(:) || kill -0 "$parent" 2>/dev/null; do
		at=$((SECONDS - begun))
		if [[ -t 2 ]]; then
			printf '\r\033[K  %s%d:%02d' "$($counter)" $((at / 60)) $((at % 60)) >&2
		elif ((at && at % 60 == 0)); then
			say "  $title: $($counter)$((at / 60)) min"
		fi
	done
}

# locked FILE: held until this script ends; two runs at the same time build nothing twice.
locked() {
	local fd
	mkdir -p "$(dirname "$1")"
	exec {fd}>"$1"
	flock -n "$fd" && return
	say "Waiting for another run ($1)"
	flock "$fd"
}

known_kernels() {
	echo release debian
	find "$qemu" -name '*.config' ! -name 'kernel.*' -printf '%f\n' | sed 's/\.config$//' | sort
}

# The kernels to take: KERNEL=, or else the ones that the caller names.
kernels() {
	local kernel
	for kernel in ${KERNEL:-$@}; do
		[[ $kernel == release || $kernel == debian || -e $qemu/$kernel.config && $kernel != kernel ]] ||
			die "KERNEL=$kernel: there are $(known_kernels | paste -sd ' ')"
		[[ $arch == x86_64 || $kernel == release ]] || die "KERNEL=$kernel: for $arch there is 'release' alone"
		echo "$kernel"
	done
}

# only_x86_64 WHAT: refuses another ARCH=.
only_x86_64() {
	[[ $arch == x86_64 ]] || die "ARCH=$arch: $1 is for x86_64 alone"
}

# config KDIR SYMBOL: whether the kernel of that build tree has it built in.
config() {
	grep -qx "$2=y" "$1/include/config/auto.conf"
}

# built_by CONFIG TOOL: what TOOL's --version (CC's, RUSTC's, BINDGEN's) said for a kernel's configuration.
built_by() {
	sed -n "s/^CONFIG_$2_VERSION_TEXT=\"\{0,1\}\([^\"]*\).*/\1/p" "$1"
}

# signs KDIR: whether that build tree has the key that its kernel asks modules to be signed by.
signs() {
	[[ -e $1/certs/signing_key.pem ]]
}

# flavours NAME...: what a build for KDIR= is called under build/, when KERNEL= does not say.
flavours() {
	if [[ ${KDIR:-} && ! ${KERNEL:-} ]]; then
		echo custom
	else
		kernels "$@"
	fi
}

# take_run NAME: sets `run`, a folder of this boot's own: build/NAME, or NAME-2, ... while others boot.
take_run() {
	local n=1 fd
	run=$build/$1
	while
		mkdir -p "$run"
		exec {fd}>"$run/lock"
		! flock -n "$fd"
	do
		exec {fd}>&-
		n=$((n + 1))
		run=$build/$1-$n
	done
	find "$run" -mindepth 1 -maxdepth 1 ! -name lock -exec rm -rf --one-file-system {} +
	mkdir -p "$run/lib"
}

# settings NAME VALUE...: what the guest's init reads, quoted for its shell.
settings() {
	while (($#)); do
		printf "%s='%s'\n" "$1" "${2//\'/\'\\\'\'}"
		shift 2
	done >"$run/settings"
}
