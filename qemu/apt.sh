# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # What is set here and what is used go between it and its callers.
#
# Sourced after lib.sh by what fetches packages of Debian: an apt of its own, in the folder `work`. Of this machine's
# apt it takes the proxies, certificates and the mirror; the machine's sources, preferences, packages and lists
# have no effect and do not change. It needs no root user. With `architecture`, it is one for machines of that.

architecture=

# shellcheck source=packages.sh
. "$qemu/packages.sh"

apt() {
	APT_CONFIG=$work/apt.conf "$@"
}

# apt_settings: remembers how this machine's apt gets at Debian, for a root, which has an apt without settings.
apt_settings() {
	local settings=$cache/apt
	mkdir -p "$settings"
	[[ ! ${UNSHARE_SETS:-} ]] || return 0
	apt-config dump | grep '^Acquire::' | grep -vE '^Acquire::(IndexTargets|Languages|CompressionTypes|GzipIndexes)' \
		>"$settings/conf.$$" || :
	# The first repository that is of Debian's own releases, and not of its updates or for security.
	# Without the caches that it would write for root.
	apt-get indextargets -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= --format "\$(REPO_URI) \$(RELEASE)" 'Created-By: Packages' 2>/dev/null |
		sed -nE 's/ (bullseye|bookworm|trixie|forky|sid|oldstable|stable|testing|unstable)$//p' | sed -n 1p >"$settings/mirror.$$"
	mv "$settings/conf.$$" "$settings/conf"
	mv "$settings/mirror.$$" "$settings/mirror"
}

# apt_reads SUITE...: begins with the lists of these.
apt_reads() {
	local mirror
	apt_settings
	mirror=$(cat "$cache/apt/mirror")
	apt_lists "${mirror:-http://deb.debian.org/debian}" "$@"
}

# apt_lists URI SUITE...: begins with the lists of these suites at URI.
apt_lists() {
	local uri=$1 keys
	shift
	keys=$(printf '%s\n' "$qemu"/keys/*.asc | paste -sd ,)
	rm -rf "$work/state" "$work/cache"
	mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial"
	[[ -e $work/status ]] || : >"$work/status"
	printf "deb [signed-by=$keys] $uri %s main\n" "$@" >"$work/sources.list"
	cat - "$cache/apt/conf" >"$work/apt.conf" <<-END
		Dir::Etc::Main "/dev/null";
		Dir::Etc::Parts "/dev/null";
		Dir::Etc::SourceList "$work/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		Dir::Etc::Preferences "/dev/null";
		Dir::Etc::PreferencesParts "/dev/null";
		Dir::State "$work/state";
		Dir::State::status "$work/status";
		Dir::Cache "$work/cache";
		APT::Sandbox::User "";
		APT::Install-Recommends "false";
		Acquire::Check-Valid-Until "false";
		Acquire::Languages "none";
		${architecture:+APT::Architecture "$architecture"; APT::Architectures { "$architecture"; \};}
	END
	# A mirror may lack a suite; what counts is that one has the package.
	apt apt-get update || :
	[[ $(find "$work/state/lists" -maxdepth 1 -name '*_Packages*' -print -quit) ]] || {
		echo "no list of packages came from $uri ($*): is there a network?"
		return 1
	}
}

# versions PACKAGE [SUITE...]: those that there are, or that these suites have, the newest first.
versions() {
	local package=$1
	shift
	apt apt-cache madison "$package" | awk -F ' *[|] *' -v suites=" $* " '{
		suite = $3
		sub(/^[^ ]* /, "", suite)
		sub(/\/.*/, "", suite)
		if (suites == "  " || index(suites, " " suite " "))
			print $2
	}' | sort -ruV
}

# apt_unpack FOLDER PACKAGE[=VERSION]...: downloads these, and what they hold goes to FOLDER.
apt_unpack() {
	local folder=$1 package packages=("${@:2}")
	mkdir -p "$folder" "$work/packages"
	(cd "$work/packages" && apt apt-get download "${packages[@]}")
	for package in "${packages[@]%%=*}"; do
		dpkg-deb --fsys-tarfile "$work/packages/${package}"_*.deb | tar -C "$folder" -x --keep-directory-symlink
		rm "$work/packages/${package}"_*.deb
	done
}
