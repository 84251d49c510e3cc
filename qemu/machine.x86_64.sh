# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # What is set here and what is used go between it and its caller.
#
# Sourced by qemu/boot: an x86-64 machine for the kernel `image` of the tree `kdir`.

emulator=qemu-system-x86_64
# The smallest machine for which the kernel has drivers.
machine=(-M 'microvm,acpi=off,rtc=on')
bus=virtio-serial-device
if ! config "$kdir" CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES; then
	machine=(-M q35)
	bus=virtio-serial-pci
fi

# A power-off would need ACPI, so the guest reboots.
parameters+=(console=ttyS0 reboot=t no_timer_check tsc=reliable)

read -r accelerator khz < <("$qemu/accelerator" "$image")
case ${CLOCK:-$accelerator} in
instructions)
	# Every boot is the same: addresses, random numbers and date.
	machine+=(-accel 'tcg,thread=single' -icount 'shift=0,sleep=off' -cpu 'max,la57=off')
	machine+=(-seed 1 -rtc 'base=2026-01-01,clock=vm')
	parameters+=(tsc_early_khz=1000000 nokaslr)
	name='TCG, which counts instructions'
	;;
kvm)
	machine+=(-accel kvm -cpu host)
	name=KVM
	;;
*)
	# No five-level page tables: an emulator walks them in software.
	machine+=(-accel 'tcg,thread=multi' -cpu 'max,la57=off')
	parameters+=(tsc_early_khz="$khz")
	name='TCG, since KVM runs no guest here'
	;;
esac
