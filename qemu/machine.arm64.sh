# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # What is set here is used by the caller.
#
# Sourced by qemu/boot: an arm64 machine with the processor MODEL=, or with one that has every extension.

emulator=qemu-system-aarch64
bus=virtio-serial-device
# Pointer authentication with a fast algorithm; the architected one is slow to emulate.
cpu=max,pauth-impdef=on
parameters+=(console=ttyAMA0)
if [[ ${CLOCK:-} == instructions ]]; then
	# Every boot is the same: addresses, random numbers and date.
	machine=(-M 'virt,gic-version=3' -cpu "$cpu,cntfrq=1000000000")
	machine+=(-accel 'tcg,thread=single' -icount 'shift=0,sleep=off' -seed 1 -rtc 'base=2026-01-01,clock=vm')
	parameters+=(nokaslr)
	name='TCG, which counts instructions'
elif [[ ${MODEL:-} ]]; then
	machine=(-M 'virt,gic-version=3' -cpu "$MODEL" -accel 'tcg,thread=multi')
	name="TCG, a $MODEL"
else
	machine=(-M 'virt,gic-version=3,mte=on' -cpu "$cpu" -accel 'tcg,thread=multi')
	name=TCG
fi
