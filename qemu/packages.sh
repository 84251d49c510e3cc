# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # Read by qemu/root and qemu/install.
#
# The Debian packages that the commands need, in sets. qemu/root unpacks a set into a folder (a "root") and installs
# nothing. The root of a set that includes another set starts as a copy of that set's root.

# The Debian release of the tools: its own compilers build its backported kernels.
release=trixie

# What each set includes. `fuzz` includes none, because its rustc has the same file name as the kernels' rustc.
declare -A includes=([run]='' [build]=run [check]=build [system]=check [arm64]=build [go]=run [fuzz]='')

# make run, vm, modules; the stock half of make test.
base=(
	apt base-files base-passwd bash binutils busybox-static ca-certificates coreutils dash debianutils diffutils
	findutils gawk gcc gcc-14 grep gzip hostname libc-bin libc6-dev make mount python3-minimal sed tar util-linux xz-utils
)
run=(
	"${base[@]}"
	bc bindgen bison cargo cpio flex kmod libclang1-19 libelf-dev libssl-dev openssl pahole perl-base
	qemu-system-x86 rust-src rustc zlib1g-dev
)

# The kernels of our own, which clang builds; the tests' programs.
build=(clang-19 g++ lld-19 llvm-19 python3)

# make check, deb.
check=(
	build-essential codespell debhelper dh-dkms dpkg-dev git lintian man-db mandoc pkgconf procps rsync rust-clippy rustfmt
	shellcheck
)

# make deb_test, hosts.
system=(e2fsprogs gpg gpg-agent mmdebstrap uidmap)

# ARCH=arm64.
arm64=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-system-arm qemu-user)

# bindings/go.
go=(golang-go)

# make fuzz, and the checks of tests/fuzz: LibAFL needs a newer rustc than Debian's kernels were built by.
fuzz=("${base[@]}" cargo-web g++ libclang1-19 qemu-system-x86 rust-web-clippy rustc-web rustfmt-web)

# Nothing here needs these, although packages above depend on them: bindgen loads libclang and includes no header of
# it, and no program is linked to a sanitizer.
unneeded=(adduser libclang-19-dev libclang-dev libasan8 libtsan2 liblsan0 libhwasan0 libubsan1 libgprofng0)

# Where Debian has kernels that are newer than its releases: the suites whose compilers built them, the most
# preferred first.
worlds=("$release $release-backports" forky sid)

# The day on which all of this was in the archive: what Debian's snapshot service is asked for when it is not any more.
recorded=20261120T000000Z
