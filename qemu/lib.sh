# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # What is set here is used by the scripts that source it.
#
# Sourced by every script of this folder: sets where things are, and has what the scripts share. A script prints its
# result on standard output and messages for people on standard error.

if [ "$(uname -s)" != Linux ]; then
	echo "error: this is $(uname -s), and the commands are for Linux: run them in a container (podman run --platform linux/amd64 -it -v .:/src -w /src debian)" >&2
	exit 125
elif [ "${BASH_VERSINFO[0]}" -lt 5 ]; then
	echo "error: bash is $BASH_VERSION here: install bash 5" >&2
	exit 125
fi
set -euo pipefail
shopt -s inherit_errexit

unset CDPATH
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
qemu=$top/qemu
cache=${UNSHARE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/unshare.ko}
[[ $cache == /* ]] || cache=${CALLER:-$PWD}/$cache
cache=$(realpath -m "$cache")
[[ ! ${UNSHARE_CACHE:-} ]] || export UNSHARE_CACHE=$cache
build=$top/build
# A checkout that is not writable is built in the cache.
if [[ ! -w $top ]]; then build=$cache/build/$(cksum <<<"$top" | cut -d' ' -f1); fi

# make(1) exports its command line, and kbuild would read KERNEL=, TEST= and others from it.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL

# With `make -C`, relative paths of the variables start in the folder of the caller.
for variable in KDIR KERNEL_SRC COMPARE; do
	if [[ ${CALLER:-} && ${!variable:-} && ${!variable} != /* ]]; then
		export "$variable=$(realpath -ms "$CALLER/${!variable}")"
	fi
done

# The compilers of one LLVM, as Debian names them.
llvm=19
export LC_ALL=${LC_ALL:-C}
# The user's umask must not change the modes of packed files.
umask 022

say() {
	printf '%s\n' "$*" >&2
}

# die WORDS: exits with a status that no program run by these scripts uses.
die() {
	printf 'error: %s\n' "$*" >&2
	exit 125
}

# kbuild and cargo separate the paths of a list by spaces.
[[ $top$cache != *[[:space:]]* ]] || die "the path $top or $cache has a space, and kbuild allows none: move it"

# Names the line at which `set -e` ends a script. A script that called die has said why.
fell=0
trap 'fell=$?; ((fell == 125)) || say "error: ${0##*/}, line $LINENO: status $fell"' ERR

# The kernel series: SERIES=, or else the newest one in Kbuild. Builds for another series go to a separate folder,
# except for what all series share.
shared=$build
known=$(sed -n 's/^unshare-series := //p' "$top/Kbuild")
series=${SERIES:-${known##* }}
[[ " $known " == *" $series "* ]] || die "SERIES=$series: the module is for ${known// / and } only"
if [[ $series != "${known##* }" ]]; then build+=/$series; fi

# supported WHAT RELEASE: dies unless the module is for the series of that kernel release.
supported() {
	local name
	name=$(cut -d. -f1,2 <<<"$2")
	[[ " $known " == *" $name "* || ${UNSHARE_UNTESTED:-} == 1 ]] ||
		die "$1 is Linux $name, and the module is for ${known// / and } only: CONTRIBUTING.md says how a series is added, and" \
			"UNSHARE_UNTESTED=1 builds it anyway and may corrupt memory"
}

# acceptable: the series that Debian's kernel may have, the most preferred first: SERIES=, or all in Kbuild.
acceptable() {
	if [[ ${SERIES:-} ]]; then echo "$series"; else tr ' ' '\n' <<<"$known" | tac; fi
}

# The architecture: ARCH=, which kbuild reads, too, or else x86-64. Another architecture also gets a separate folder.
# `image` is the path of the kernel in its tree, `target` is rustc's name for the programs' machine, and `here` runs
# such a program on this machine.
arch=${ARCH:-x86_64}
case $arch in
x86_64)
	unset ARCH
	[[ ! ${MODEL:-} ]] || die "MODEL=$MODEL: only ARCH=arm64 has models: set that too"
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
*) die "ARCH=$arch: take x86_64 or arm64" ;;
esac

# step LOG TITLE COMMAND...: runs a long command with its output in LOG, shows its progress, and shows the end of LOG if
# it fails. With expect=N, the progress counts built files (kbuild's short lines) against N. With quiet=yes, it shows no
# progress. qemu/timed reports at the end how long the step took, and how much apt and cargo fetched.
step() {
	local log=$1 title=$2 status=0 counter=: begun=$EPOCHREALTIME
	shift 2
	mkdir -p "$(dirname "$log")"
	: >"$log"
	say "$title ($(lasts "$title" | sed 's/^/up to /')log: $log)"
	if [[ ${expect:-} ]]; then counter="built $log"; fi
	[[ ${quiet:-} ]] || progress "$title" "$counter"
	# Not `|| status=$?`, which would switch `set -e` off in a COMMAND that is a function.
	set +e
	(set -e && "$@") >"$log" 2>&1 </dev/null
	status=$?
	set -e
	[[ ${quiet:-} ]] || progress_ends
	took "$title" "$begun" "$log"
	if ((status)); then
		tail -n 30 "$log" >&2
		die "$title: failed with status $status: see $log"
	fi
	lasted "$title" "$begun"
}

# lasts TITLE: how long that is going to take, if it is more than ten seconds: "about 40 s; ".
lasts() {
	local seconds=${about:-0} file=$cache/took/${1//[^A-Za-z0-9.]/_}
	if [[ -e $file ]]; then seconds=$(cat "$file"); fi
	if ((seconds > 120)); then
		echo "about $(((seconds + 30) / 60)) min; "
	elif ((seconds > 10)); then
		echo "about $seconds s; "
	fi
}

# lasted TITLE BEGUN: keeps for the next time how long it took, unless there was nothing to do.
lasted() {
	local tenths=$(((${EPOCHREALTIME/[^0-9]/} - ${2/[^0-9]/}) / 100000)) file=$cache/took/${1//[^A-Za-z0-9.]/_}
	if ((tenths < 50)) && [[ -e $file ]]; then return; fi
	mkdir -p "${file%/*}"
	echo "$(((tenths + 9) / 10))" >"$file"
}

# took TITLE BEGUN [LOG]: writes a line for qemu/timed, about a step that began at that EPOCHREALTIME.
took() {
	[[ ${UNSHARE_TIMES:-} ]] || return 0
	printf '%s\t%s\t%s\n' "$(((${EPOCHREALTIME/[^0-9]/} - ${2/[^0-9]/}) / 100000))" "$(fetched "${3:-/dev/null}")" "$1" >>"$UNSHARE_TIMES"
}

# fetched LOG: prints how many bytes apt and cargo fetched, by their own account.
fetched() {
	LC_ALL=C sed -nE 's/^Fetched ([0-9.,]+) ([kMG]?)B.*/\1 \2/p' "$1" | tr -d , |
		awk 'BEGIN { of["k"] = 1e3; of["M"] = 1e6; of["G"] = 1e9 } { sum += $1 * ($2 ? of[$2] : 1) } END { printf "%d", sum }'
}

# room MEGABYTES THINGS: fails if the cache has less free space than these things need.
room() {
	local free
	mkdir -p "$cache" 2>/dev/null || die "$cache cannot be made: choose another folder by UNSHARE_CACHE="
	free=$(df -Pm "$cache" | awk 'END { print $4 }')
	((free >= $1)) || die "$2 need $1 MB in $cache, and $free MB are free there: make room, or choose another folder by UNSHARE_CACHE="
	say "Getting $2: $1 MB in $cache"
}

# takes SET ARGUMENT...: ensures that the calling script runs where the tools of that set of qemu/packages.sh are: by
# default in their root (TOOLS=root), in which it starts again with these arguments, or on this machine (TOOLS=host).
takes() {
	local set=$1 root
	shift
	# The set arm64 includes both.
	if [[ $arch == arm64 && $set == @(run|build) ]]; then set=arm64; fi
	[[ " ${UNSHARE_SETS:-} " != *" $set "* ]] || return 0
	if [[ ! ${UNSHARE_SETS:-} && ${TOOLS:-root} == root ]]; then "$qemu/enterable" "$set"; fi || {
		((EUID == 0)) || exit 125
		export TOOLS=host UNSHARE_INSTALL=yes
	}
	case ${TOOLS:-root} in
	host)
		"$qemu/installed" "$set"
		export TOOLS UNSHARE_SETS="$set ${UNSHARE_SETS:-}"
		;;
	root)
		root=$("$qemu/root" "$set")
		exec "$qemu/within" "$root" "$0" "$@"
		;;
	*) die "TOOLS=$TOOLS: choose root (tools in a folder of their own) or host (this machine's tools)" ;;
	esac
}

built() {
	printf '%d of about %d files, ' "$(grep -cE '^  [A-Z]' "$1")" "$expect"
}

# progress TITLE COUNTER: until progress_ends, shows the output of the command COUNTER and the time: on a terminal in
# one line that it rewrites, in a log in one line a minute.
progress() {
	report "$1" "$2" "$$" &
	reporter=$!
}

progress_ends() {
	[[ ${reporter:-} ]] || return 0
	kill "$reporter" 2>/dev/null || :
	wait "$reporter" 2>/dev/null || :
	reporter=
	if [[ -t 2 ]]; then printf '\r\033[K' >&2; fi
}

report() {
	local title=$1 counter=$2 parent=$3 begun=$SECONDS at
	# Waits by reading input that never arrives, because a sleep(1) would outlive this process.
	while read -rt 1 <> <(:) || kill -0 "$parent" 2>/dev/null; do
		at=$((SECONDS - begun))
		if [[ -t 2 ]]; then
			printf '\r\033[K  %s%d:%02d' "$($counter)" $((at / 60)) $((at % 60)) >&2
		elif ((at && at % 60 == 0)); then
			say "  $title: $($counter)$((at / 60)) min"
		fi
	done
}

# locked FILE: locks FILE until this script ends, so that two runs do not build the same thing at the same time.
locked() {
	local fd
	mkdir -p "$(dirname "$1")"
	exec {fd}>"$1"
	flock -n "$fd" && return
	say "Waiting until another run has built this ($1)"
	flock "$fd"
}

# The kernels: Debian's own, and each that has a configuration, qemu/NAME.config. Its head says in one line what the kernel
# is for, and which tests run on it: those are the paces of tests/src/harness.rs.
known_kernels() {
	echo debian
	find "$qemu" -name '*.config' ! -name 'kernel.*' -printf '%f\n' | sed 's/\.config$//' | sort
}

# head_of KERNEL KEY: what stands behind `KEY:` in the head of its configuration.
head_of() {
	sed -n "/^#/!q; s/^# $2: //p" "$qemu/$1.config"
}

# The default kernel: one that need not be built here.
stock=debian
if [[ $arch != x86_64 || ${KERNEL_SRC:-} ]]; then stock=release; fi

# kernels NAME...: prints the kernels to use: KERNEL=, or else these.
kernels() {
	local kernel
	for kernel in ${KERNEL:-$@}; do
		[[ $kernel == debian || -e $qemu/$kernel.config && $kernel != kernel ]] ||
			die "KERNEL=$kernel: no such kernel; take one of $(known_kernels | paste -sd ' ')"
		[[ $kernel != debian || ! ${KERNEL_SRC:-} ]] ||
			die "KERNEL_SRC=$KERNEL_SRC: Debian's kernel is not built from that: set another KERNEL="
		[[ $arch == x86_64 || $kernel == release ]] || die "KERNEL=$kernel: for ARCH=$arch, take release"
		echo "$kernel"
	done
}

# only_x86_64 COMMAND: fails for another ARCH=.
only_x86_64() {
	[[ $arch == x86_64 ]] || die "ARCH=$arch: $1 works for x86_64 only"
}

# config KDIR SYMBOL: whether the kernel of that build tree has SYMBOL=y.
config() {
	grep -qx "$2=y" "$1/include/config/auto.conf"
}

# built_by CONFIG TOOL: prints the --version of the CC, RUSTC or BINDGEN that a kernel's configuration names.
built_by() {
	sed -n "s/^CONFIG_$2_VERSION_TEXT=\"\{0,1\}\([^\"]*\).*/\1/p" "$1"
}

# signs KDIR: whether that build tree has the key with which its kernel's modules must be signed.
signs() {
	[[ -e $1/certs/signing_key.pem ]]
}

# flavours NAME...: prints the folders under build/ of these kernels, or of KERNEL=, or of KDIR=.
flavours() {
	if [[ ${KDIR:-} && ! ${KERNEL:-} ]]; then
		echo custom
	else
		kernels "$@"
	fi
}

# take_run NAME: sets `run` to a folder for this boot only: build/NAME, or NAME-2, ... while others boot.
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

# settings NAME VALUE...: writes the variables that qemu/init reads, quoted for its shell.
settings() {
	while (($#)); do
		printf "%s='%s'\n" "$1" "${2//\'/\'\\\'\'}"
		shift 2
	done >"$run/settings"
}

# cargo_settings: makes cargo keep downloads in the cache and build in build/. In a root, it keeps of the user's
# configuration only where registries are and how to reach them; with TOOLS=host, all of it.
cargo_settings() {
	local settings
	export CARGO_TARGET_DIR=$shared/cargo
	[[ ${UNSHARE_ROOT:-} ]] || return 0
	export CARGO_HOME=$cache/cargo
	mkdir -p "$CARGO_HOME"
	for settings in "/host$UNSHARE_CARGO/config.toml" "/host$UNSHARE_CARGO/config"; do
		[[ -r $settings ]] || continue
		awk '/^[[:space:]]*\[/ { keep = /^[[:space:]]*\[\[?"?(source|registries|registry|http|net)["].]/ } keep' "$settings"
		break
	done >"$CARGO_HOME/config.toml.$$"
	mv "$CARGO_HOME/config.toml.$$" "$CARGO_HOME/config.toml"
	if [[ -r /host$UNSHARE_CARGO/credentials.toml ]]; then cp "/host$UNSHARE_CARGO/credentials.toml" "$CARGO_HOME"; fi
}

# crates: prints how many bytes of crates the cache has.
crates() {
	{ find "${CARGO_HOME:-${HOME:-/root}/.cargo}/registry/cache" -name '*.crate' -printf '%s\n' 2>/dev/null || :; } |
		awk '{ sum += $1 } END { printf "%d", sum }'
}
