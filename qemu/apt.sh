# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # What is set here and what is used go between it and its callers.
#
# Sourced after lib.sh by what takes packages from Debian: an apt of its own, in the folder `work`, so that
# neither the system's sources, preferences and packages nor its lists play a part or change. No root needed.

# Where Debian has kernels newer than those of its releases.
suites=(trixie-backports forky sid)

apt() {
	local command=$1
	shift
	"$command" -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::Etc::Preferences="$work/preferences" -o Dir::Etc::PreferencesParts=/dev/null \
		-o Dir::State="$work/state" -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache" \
		-o APT::Sandbox::User= -o Acquire::Check-Valid-Until=false "$@"
}

mirror() {
	# shellcheck disable=SC2016 # apt's own variables.
	apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Identifier: Packages' 'Origin: Debian' |
		sed -n 's/^Debian //p' | head -n 1
}

# apt_reads SUITE...: begins with the lists of these.
apt_reads() {
	local suite uri
	uri=$(mirror)
	mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial"
	: >"$work/status"
	: >"$work/preferences"
	for suite; do
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
			"${uri:-http://deb.debian.org/debian} $suite main"
	done >"$work/sources.list"
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
		dpkg-deb --fsys-tarfile "$work/packages/${package%%=*}"_*.deb | tar -C "$folder" -x ./usr
		rm "$work/packages/${package%%=*}"_*.deb
	done
}
