# SPDX-License-Identifier: GPL-2.0
#
# The commands for people. The scripts in qemu/ carry them out; Kbuild says how the module is compiled.

# Not expanded by make: a `$` in RUN= is for the guest's shell.
override RUN := $(value RUN)
export ARCH MODEL KERNEL SERIES KDIR KERNEL_SRC TEST SEED TIME RUN FILES TIMEOUT COMPARE TOOLS HOST
# The caller's folder, which differs from make's with `make -C`.
export CALLER := $(PWD)

help:
	@qemu/help

run test matrix soak fuzz bench vm modules modules_install deb deb_test check hosts:
	@qemu/timed $@

clean distclean:
	@qemu/$@

.PHONY: help run test matrix soak fuzz bench vm modules modules_install deb deb_test check hosts clean distclean
