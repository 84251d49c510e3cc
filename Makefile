# SPDX-License-Identifier: GPL-2.0
#
# The commands for people. The scripts in qemu/ carry them out; Kbuild says how the module is compiled.

# Not expanded by make: a `$` in RUN= is for the guest's shell.
override RUN := $(value RUN)
export ARCH MODEL KERNEL SERIES KDIR KERNEL_SRC TEST SEED TIME RUN FILES SUITE TIMEOUT COMPARE TOOLS HOST
# Relative paths start in the caller's folder. With -C, which only make's command line shows, that is not make's.
c := $(shell tr '\0' '\n' </proc/$$PPID/cmdline | grep -E '^(-[a-zA-Z]*C|--directory)')
export CALLER := $(or $(if $(c),$(PWD)),$(CURDIR))

help:
	@qemu/help

commands := run test list matrix soak fuzz foreign bench vm modules modules_install rustdoc deb deb_test check hosts
$(commands):
	@qemu/timed $@

clean distclean:
	@qemu/$@

.PHONY: help $(commands) clean distclean
