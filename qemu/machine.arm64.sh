# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # What is set here is used by the caller.
#
# Sourced by qemu/boot: an arm64 machine.

emulator=qemu-system-aarch64
bus=virtio-serial-device
# Signatures of pointers by what is quick to compute, and not by what the architecture says.
machine=(-M 'virt,gic-version=3,mte=on' -accel 'tcg,thread=multi' -cpu 'max,pauth-impdef=on')
name='TCG, an emulator'
parameters+=(console=ttyAMA0)
