# SPDX-License-Identifier: GPL-2.0
#
# What a person types. How it is done stands in qemu/, how the module is compiled in Kbuild.

# Taken as they are: a `$` in RUN= is the guest's.
override RUN := $(value RUN)
export ARCH MODEL KERNEL SERIES KDIR KERNEL_SRC TEST SEED TIME RUN FILES TIMEOUT COMPARE TOOLS HOST
# With `make -C` not the folder that make is in.
export CALLER := $(PWD)

help:
	@qemu/help

run test matrix soak fuzz bench vm modules modules_install deb deb_test check hosts:
	@qemu/timed $@

clean distclean:
	@qemu/$@

.PHONY: help run test matrix soak fuzz bench vm modules modules_install deb deb_test check hosts clean distclean
