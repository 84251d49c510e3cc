/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A program that holds a network, and then gives up making requests: a seccomp filter lets it enter and
 * leave only.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "unshare.h"

#ifdef __x86_64__
#define ARCH AUDIT_ARCH_X86_64
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif
#define X32_SYSCALL_BIT 0x40000000
#define TYPE_MASK (_IOC_TYPEMASK << _IOC_TYPESHIFT)

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define MASK(mask) BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask)
#define IF(test, value, then, other) BPF_JUMP(BPF_JMP | (test) | BPF_K, value, then, other)
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)

static void allow_enter_and_leave_only(void)
{
	struct sock_filter instructions[] = {
		LOAD(arch),
		IF(BPF_JEQ, ARCH, 1, 0),
		RETURN(SECCOMP_RET_KILL_PROCESS),	/* other architectures number system calls differently */
		LOAD(nr),
		IF(BPF_JGE, X32_SYSCALL_BIT, 8, 0),
		IF(BPF_JEQ, SYS_ioctl, 0, 6),
		LOAD(args[1]),				/* the low 32 bits: the number of the ioctl */
		MASK(UNSHARE_IOC_MASK),			/* without the size of its struct */
		IF(BPF_JEQ, UNSHARE_IOC_ENTER & UNSHARE_IOC_MASK, 3, 0),
		IF(BPF_JEQ, UNSHARE_IOC_LEAVE & UNSHARE_IOC_MASK, 2, 0),
		MASK(TYPE_MASK),
		IF(BPF_JEQ, UNSHARE_IOC_MAGIC << _IOC_TYPESHIFT, 1, 0),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_ERRNO | EPERM),
	};
	struct sock_fprog filter = {
		.len = sizeof(instructions) / sizeof(instructions[0]),
		.filter = instructions,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		err(1, "no_new_privs");
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0)
		err(1, "seccomp");
}

static void report(const char *what, int result)
{
	printf("%s: %s\n", what, result < 0 ? strerror(errno) : "allowed");
}

int main(void)
{
	struct unshare_args args = { .unshare = CLONE_NEWNET, .options = UNSHARE_HOLD };
	struct {
		struct unshare_args args;
		__u64 zero;
	} longer = { .args = { .unshare = CLONE_FS } };
	int device = open(UNSHARE_DEVICE, O_RDWR | O_CLOEXEC);
	int held;

	if (device < 0)
		err(1, "%s", UNSHARE_DEVICE);
	held = ioctl(device, UNSHARE_IOC_COMMIT, &args);
	if (held < 0)
		err(1, "%s", unshare_context_name(args.failed));
	allow_enter_and_leave_only();
	report("enter", unshare_enter(held));
	report("leave", unshare_leave(held));
	report("request", ioctl(device, UNSHARE_IOC_COMMIT, &longer.args));
	report("longer request", ioctl(device, _IOWR(UNSHARE_IOC_MAGIC, 1, longer), &longer));
	return 0;
}
