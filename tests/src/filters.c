// SPDX-License-Identifier: GPL-2.0-only
/*
 * filters NAME ARCHITECTURE: writes a seccomp filter that libseccomp has made, as the kernel takes it. It runs when the
 * tests are built, with the shared library that comes with QEMU. The header comes with another package, so the few
 * declarations of it that are used here are repeated.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "unshare.h"

typedef void *scmp_filter_ctx;

struct scmp_arg_cmp {
	unsigned int arg;
	enum { SCMP_CMP_EQ = 4, SCMP_CMP_MASKED_EQ = 7 } op;
	uint64_t datum_a;
	uint64_t datum_b;
};

#define SCMP_ACT_ALLOW		0x7fff0000U
#define SCMP_ACT_ERRNO(x)	(0x00050000U | (x))

scmp_filter_ctx seccomp_init(uint32_t action);
int seccomp_arch_add(scmp_filter_ctx ctx, uint32_t arch);
int seccomp_arch_remove(scmp_filter_ctx ctx, uint32_t arch);
uint32_t seccomp_arch_resolve_name(const char *name);
int seccomp_syscall_resolve_name(const char *name);
char *seccomp_syscall_resolve_num_arch(uint32_t arch, int number);
int seccomp_rule_add(scmp_filter_ctx ctx, uint32_t action, int number, unsigned int args, ...);
int seccomp_export_bpf(scmp_filter_ctx ctx, int fd);

#define EXACTLY(number)	((struct scmp_arg_cmp){ 1, SCMP_CMP_EQ, number, 0 })
#define MASKED(number)	((struct scmp_arg_cmp){ 1, SCMP_CMP_MASKED_EQ, UNSHARE_IOC_MASK, (number) & UNSHARE_IOC_MASK })

static void check(int result)
{
	if (result < 0)
		exit(1);
}

/* Adds a rule for ioctl(2) with one comparison of its command. */
static void rule(scmp_filter_ctx ctx, uint32_t action, struct scmp_arg_cmp compared)
{
	check(seccomp_rule_add(ctx, action, seccomp_syscall_resolve_name("ioctl"), 1, compared));
}

/* Allows each system call that libseccomp knows, except ioctl(2). */
static void allow_others(scmp_filter_ctx ctx, uint32_t arch)
{
	int number;

	for (number = 0; number < 1024; number++) {
		char *name = seccomp_syscall_resolve_num_arch(arch, number);

		if (name && strcmp(name, "ioctl"))
			check(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, seccomp_syscall_resolve_name(name), 0));
		free(name);
	}
}

int main(int argc, char **argv)
{
	const uint32_t deny = SCMP_ACT_ERRNO(ENOSYS);
	int lists_allowed = argc == 3 && !strcmp(argv[1], "only-enter-and-leave");
	scmp_filter_ctx ctx = seccomp_init(lists_allowed ? deny : SCMP_ACT_ALLOW);
	uint32_t arch = argc == 3 ? seccomp_arch_resolve_name(argv[2]) : 0;
	int added;

	if (!ctx || !arch)
		return 1;
	/* A filter is for this machine, unless one for another machine is asked for. */
	added = seccomp_arch_add(ctx, arch);
	if (added != -EEXIST) {
		check(added);
		check(seccomp_arch_remove(ctx, 0));
	}
	if (lists_allowed) {
		allow_others(ctx, arch);
		rule(ctx, SCMP_ACT_ALLOW, MASKED(UNSHARE_IOC_ENTER));
		rule(ctx, SCMP_ACT_ALLOW, MASKED(UNSHARE_IOC_LEAVE));
	} else if (!strcmp(argv[1], "not-commit-exactly")) {
		rule(ctx, deny, EXACTLY(UNSHARE_IOC_COMMIT));
	} else if (!strcmp(argv[1], "not-commit-masked")) {
		rule(ctx, deny, MASKED(UNSHARE_IOC_COMMIT));
	} else if (!strcmp(argv[1], "not-leave-masked")) {
		rule(ctx, deny, MASKED(UNSHARE_IOC_LEAVE));
	} else {
		return 1;
	}
	check(seccomp_export_bpf(ctx, STDOUT_FILENO));
	return 0;
}
