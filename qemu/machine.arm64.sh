# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # What is set here is used by the caller.
#
# Sourced by qemu/boot: an arm64 machine, with the processor CPU= or else with one that has all there is.

emulator=qemu-system-aarch64
bus=virtio-serial-device
if [[ ${CPU:-} ]]; then
	machine=(-M 'virt,gic-version=3' -cpu "$CPU")
else
	# Signatures of pointers by what is quick to compute, and not by what the architecture says.
	machine=(-M 'virt,gic-version=3,mte=on' -cpu 'max,pauth-impdef=on')
fi
machine+=(-accel 'tcg,thread=multi')
parameters+=(console=ttyAMA0)
name="TCG, which emulates ${CPU:-all that an arm64 processor can have}"
