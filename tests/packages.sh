#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# packages.sh RELEASE BEFORE: uses the installed packages as a person does, on a throw-away Debian system. systemd
# starts it at the end of a boot of the kernel RELEASE; BEFORE lists the files from before the packages were installed.
# Writes KTAP and the verdict to the ports that qemu/deb_test reads.

set -uo pipefail
export LC_ALL=C PATH=/usr/sbin:/usr/bin HOME=/root MANPAGER=cat MANWIDTH=100 DEBIAN_FRONTEND=noninteractive

release=$1 before=$2
ports=/dev/virtio-ports
packages=(unshare-dkms unshare-dev unshare-tools)

# The output of a test is shown if the test fails.
passed=0 failed=0
log=$(mktemp)
result() {
	local status=$1 number=$((passed + failed + 1))
	if ((status == 0)); then
		passed=$((passed + 1))
		echo "    ok $number $2"
	else
		failed=$((failed + 1))
		sed 's/^/    # /' "$log"
		echo "    not ok $number $2"
	fi
}

# check NAME: runs the preceding function, `try`, in a subshell that ends with the first error.
check() {
	(
		set -e
		try
	) </dev/null >"$log" 2>&1
	result $? "$1"
}

# fails COMMAND...: succeeds if the command fails, which `set -e` does not see behind a `!`.
fails() {
	if "$@"; then
		echo "that should have failed: $*"
		return 1
	fi
}

same() {
	[[ $1 == "$2" ]] || {
		echo "'$1' is not '$2'"
		return 1
	}
}

differ() {
	[[ $1 && $2 && $1 != "$2" ]] || {
		echo "'$1' and '$2' should differ"
		return 1
	}
}

as() {
	runuser -u "$1" -- "${@:2}"
}

# complete_in_bash PROGRAM: prints how bash completes `PROGRAM --vers`.
complete_in_bash() {
	# shellcheck disable=SC2016 # For the other shell.
	bash -c '
		source "/usr/share/bash-completion/completions/$1"
		[[ $(complete -p "$1") =~ -F\ ([^ ]+) ]]
		COMP_WORDS=("$1" --vers) COMP_CWORD=1
		"${BASH_REMATCH[1]}" "$1" --vers "$1"
		printf "%s\n" "${COMPREPLY[@]}"' - "$1"
}

# complete_in_zsh PROGRAM: likewise, and in a terminal, since zsh completes only there.
complete_in_zsh() {
	# shellcheck disable=SC2016 # For the other shell.
	timeout 120 zsh -f -c '
		zmodload zsh/zpty
		zpty shell "TERM=dumb zsh -f -i"
		zpty -w shell "autoload -Uz compinit; compinit -u -D; print rea\"\"dy"
		zpty -r -m shell line "*ready*"
		zpty -n -w shell "$1 --vers"$'"'\t'"'
		zpty -r -m shell line "*$1 --version*"
		print -r -- ${(V)line}' - "$1"
}

tests() {
	try() {
		same "$(uname -r)" "$release"
		# Only loading the module and dkms's depmod may have changed files.
		same "$(dpkg --verify "linux-image-$release" "linux-modules-$release" "linux-binary-$release")" ''
	}
	check "the kernel is Debian's, as it is"

	try() {
		dkms status unshare
		[[ $(dkms status unshare) == unshare/*", $release, x86_64: installed" ]]
		[[ $(modinfo -n unshare) == "/lib/modules/$release/updates/dkms/unshare.ko"* ]]
	}
	check "dkms has built and installed the module for it"

	try() {
		local module
		module=$(dkms status unshare | sed 's/,.*//')
		dkms unbuild "$module"
		fails modinfo unshare
		# No kernel is named: dkms takes the running one.
		dkms install "$module"
		[[ $(modinfo -n unshare) == "/lib/modules/$release/updates/dkms/unshare.ko"* ]]
	}
	check "dkms builds it again, in the system that runs"

	try() {
		fails test -e /dev/unshare
		modprobe unshare
		grep '^unshare ' /proc/modules
	}
	check "it loads by its name"

	try() {
		udevadm settle
		same "$(stat -c '%F %U:%G %a' /dev/unshare)" 'character special file root:root 600'
		fails as alice unshare-run --query
		fails as alice unshare-run --user true
	}
	check "the device is root's alone"

	try() {
		unshare-run --query
		differ "$(unshare-run --net --mount --close-from 3 -- readlink /proc/self/ns/net)" "$(readlink /proc/self/ns/net)"
		unshare-run --mount -- mount -t tmpfs none /mnt
		fails mountpoint /mnt
		same "$(unshare-run --pid --fork --mount-proc -- sh -c 'echo $$')" 1
	}
	check "unshare-run runs commands for root"

	try() {
		# To scratch-copy, this process looks like one of a container.
		rm -f /tmp/ready
		unshare-run --mount -- sh -c 'touch /tmp/ready; exec sleep 1000' &
		timeout 60 sh -c 'until test -e /tmp/ready; do sleep 0.1; done'
		scratch-copy "$!" -- sh -c 'echo changed >/etc/debian_version && grep changed /etc/debian_version'
		kill "$!"
		fails grep changed /etc/debian_version
	}
	check "scratch-copy leaves nothing behind"

	try() {
		# Runs the lines of the manual as they are.
		man unshare-device | sed -n '/ runs:$/,/trigger/p' | sed 1d >/tmp/lines
		cat /tmp/lines
		same "$(wc -l </tmp/lines)" 7
		sh -e /tmp/lines
		udevadm settle
		same "$(stat -c '%U:%G %a' /dev/unshare)" 'root:unshare 660'
		usermod --append --groups unshare alice
	}
	check "the manual's lines open it to a group"

	try() {
		as alice unshare-run --query
		same "$(as alice unshare-run --map-root-user --net id -u)" 0
		differ "$(as alice unshare-run --user --net -- readlink /proc/self/ns/net)" "$(readlink /proc/self/ns/net)"
		fails as alice unshare-run --net true
		fails as bob unshare-run --query
	}
	check "who is in the group may, and may no more than the system calls allow"

	try() {
		modprobe --remove unshare
		modprobe unshare
		udevadm settle
		same "$(stat -c '%U:%G %a' /dev/unshare)" 'root:unshare 660'
	}
	check "it is the group's when the module comes again"

	try() {
		local page text
		for page in unshare-device:4 unshare-run:1 scratch-copy:1; do
			text=$(man "${page#*:}" "${page%:*}")
			[[ $text == *NAME*"${page%:*}"*DESCRIPTION* ]]
			same "$(man --warnings "${page#*:}" "${page%:*}" 2>&1 >/dev/null)" ''
		done
		man --whatis unshare-device
	}
	check "the manuals are found by name"

	try() {
		local program
		for program in unshare-run scratch-copy; do
			same "$(complete_in_bash "$program")" --version
			[[ $(complete_in_zsh "$program") == *"$program --version"* ]]
			[[ $(fish -c "complete -C '$program --vers'") == --version* ]]
		done
	}
	check "bash, zsh and fish complete the commands"

	try() {
		cd "$(mktemp -d)"
		same "$(pkg-config --modversion unshare)" "$(dpkg-query -W -f '${Version}' unshare-dev)"
		# shellcheck disable=SC2046 # Several, or none.
		cc $(pkg-config --cflags unshare) -Wall -Wextra -Werror -o program /usr/share/doc/unshare-dev/examples/unshare.c
		[[ $(echo 'echo elsewhere >/proc/sys/kernel/hostname && uname -n' | ./program) == 'replaced: CLONE_'*$'\nelsewhere' ]]
		differ "$(uname -n)" elsewhere
	}
	check "a C program compiles, and runs"

	try() {
		# The administrator copied these, so no package removes them.
		rm /etc/udev/rules.d/60-unshare.rules /etc/sysusers.d/unshare-group.conf
		apt-get purge -y "${packages[@]}"
		fails test -e /sys/module/unshare
		fails test -e /dev/unshare
		fails modprobe unshare
		same "$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' 'unshare-*' 2>/dev/null | grep -v not-installed)" ''
	}
	check "apt removes the packages, and the module"

	try() {
		# Excludes what a running system writes, and what dkms makes for itself.
		find / -xdev ! -type d -printf '%p\n' | sort | comm -13 "$before" - | grep -vE \
			'^/(tmp|root|home|etc|var/(\.updated|log|tmp|mail|lib/(systemd|dpkg|private|dbus|dkms/mok\..*)|cache/(man|ldconfig|apt|debconf)))(/|$)' >/tmp/left || :
		same "$(cat /tmp/left; find / -xdev -name '*unshare*' ! -path '/var/log/*' | sort | comm -13 "$before" -)" ''
	}
	check "nothing of them is left"
}

until [[ -e $ports/verdict && -e $ports/ktap && -e $ports/err ]]; do sleep 0.1; done
{
	echo 'KTAP version 1'
	echo '1..1'
	echo '    KTAP version 1'
	echo '    # Subtest: packages'
	echo "    1..$(grep -c '^	check "' "$0")"
	tests
	if ((failed)); then echo 'not ok 1 packages'; else echo 'ok 1 packages'; fi
} >"$ports/ktap" 2>"$ports/err"

verdict=fail
if ((failed == 0 && passed > 0)); then verdict=pass; fi
printf 'verdict: %s tests=%d leaks=unsought reports=%d\nend of verdict\n' "$verdict" "$failed" \
	"$(dmesg | grep -cE -f /root/splats)" >"$ports/verdict"
sync
reboot --force --force
