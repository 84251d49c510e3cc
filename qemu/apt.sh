# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # What is set here and what is used go between it and its callers.
#
# Sourced after lib.sh by scripts that fetch Debian packages: a separate apt in the folder `work`, which needs no root
# user. It uses the proxies, certificates and mirror of the host's apt, and neither reads nor changes its sources,
# preferences, packages and lists. `architecture` selects the packages of another architecture.

architecture=

# shellcheck source=packages.sh
. "$qemu/packages.sh"

apt() {
	APT_CONFIG=$work/apt.conf "$@"
}

# apt_settings: saves how the host's apt reaches Debian, for the apt of a root, which has no settings.
apt_settings() {
	local settings=$cache/apt
	mkdir -p "$settings"
	[[ ! ${UNSHARE_SETS:-} ]] || return 0
	apt-config dump | grep '^Acquire::' | grep -vE '^Acquire::(IndexTargets|Languages|CompressionTypes|GzipIndexes)' \
		>"$settings/conf.$$" || :
	# The first repository of a Debian release, not one for updates or security. The empty cache settings keep apt from
	# writing its caches.
	apt-get indextargets -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= --format "\$(REPO_URI) \$(RELEASE)" 'Created-By: Packages' 2>/dev/null |
		sed -nE 's/ (bullseye|bookworm|trixie|forky|sid|oldstable|stable|testing|unstable)$//p' | sed -n 1p >"$settings/mirror.$$"
	mv "$settings/conf.$$" "$settings/conf"
	mv "$settings/mirror.$$" "$settings/mirror"
}

# apt_reads SUITE...: starts with the package lists of these suites, from the host's mirror.
apt_reads() {
	local mirror
	apt_settings
	mirror=$(cat "$cache/apt/mirror")
	apt_lists "${mirror:-http://deb.debian.org/debian}" "$@"
}

# apt_lists URI SUITE...: starts with the package lists of these suites at URI.
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
	# A mirror may lack some of the suites; one list is enough.
	apt apt-get update || :
	[[ $(find "$work/state/lists" -maxdepth 1 -name '*_Packages*' -print -quit) ]] || {
		echo "no list of packages came from $uri ($*): is there a network?"
		return 1
	}
}

# versions PACKAGE [SUITE...]: prints the versions in these suites, or in all, the newest first.
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

# apt_unpack FOLDER PACKAGE[=VERSION]...: downloads these packages and unpacks them in FOLDER.
apt_unpack() {
	local folder=$1 package packages=("${@:2}")
	mkdir -p "$folder" "$work/packages"
	(cd "$work/packages" && apt apt-get download "${packages[@]}")
	for package in "${packages[@]%%=*}"; do
		dpkg-deb --fsys-tarfile "$work/packages/${package}"_*.deb | tar -C "$folder" -x --keep-directory-symlink
		rm "$work/packages/${package}"_*.deb
	done
}
