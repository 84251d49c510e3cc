# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # What is set here and what is used go between it and its callers.
#
# Sourced after lib.sh by what takes packages from Debian: an apt of its own, in the folder `work`, so that
# neither the system's sources, preferences and packages nor its lists play a part or change. No root needed.
# With `architecture`, it is one for machines of that.

architecture=
# Where Debian has kernels newer than those of its releases.
suites=(trixie-backports forky sid)

apt() {
	local command=$1
	shift
	"$command" -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::Etc::Preferences="$work/preferences" -o Dir::Etc::PreferencesParts=/dev/null \
		-o Dir::State="$work/state" -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache" \
		-o APT::Sandbox::User= -o Acquire::Check-Valid-Until=false \
		${architecture:+-o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture"} "$@"
}

# repositories LABEL: "URI SUITE" of each that this machine has of Debian's.
repositories() {
	# shellcheck disable=SC2016 # apt's own variables.
	apt-get indextargets --format '$(LABEL) $(REPO_URI) $(RELEASE)' 'Identifier: Packages' 'Origin: Debian' |
		sed -n "s/^$1 //p"
}

# apt_reads SUITE...: begins with the lists of these.
apt_reads() {
	local suite uri
	read -r uri _ < <(repositories Debian) || :
	for suite; do echo "${uri:-http://deb.debian.org/debian} $suite"; done | apt_lists
}

# apt_lists: begins with the lists of the repositories that its input names.
apt_lists() {
	mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial"
	: >"$work/status"
	: >"$work/preferences"
	sed 's,.*,deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] & main,' >"$work/sources.list"
	# A mirror may lack a suite; what counts is that one has the package.
	apt apt-get update || :
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
	local folder=$1 package
	shift
	mkdir -p "$folder" "$work/packages"
	for package in "$@"; do
		(cd "$work/packages" && apt apt-get download "$package")
		dpkg-deb --fsys-tarfile "$work/packages/${package%%=*}"_*.deb | tar -C "$folder" -x --keep-directory-symlink
		rm "$work/packages/${package%%=*}"_*.deb
	done
}
