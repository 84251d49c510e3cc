/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The header alone. This file must compile as C99 and C++, for 32 and 64
 * bits; it is not run.
 */
#include "unshare.h"

#include <stddef.h>

#define HOLDS(name, what) typedef char name[(what) ? 1 : -1]

HOLDS(args_size, sizeof(struct unshare_args) == UNSHARE_ARGS_SIZE_VER0);
HOLDS(query_size, sizeof(struct unshare_query) == UNSHARE_QUERY_SIZE_VER0);
HOLDS(pidfd_offset, offsetof(struct unshare_args, pidfd) == 16);
HOLDS(close_last_offset, offsetof(struct unshare_args, close_last) == 28);
HOLDS(failed_offset, offsetof(struct unshare_args, failed) == 40);
HOLDS(numbers_differ, UNSHARE_IOC_COMMIT != UNSHARE_IOC_LOCAL);
HOLDS(held_numbers, UNSHARE_IOC_ENTER == 0xBE04 && UNSHARE_IOC_LEAVE == 0xBE05);
HOLDS(masked, (UNSHARE_IOC_ENTER & UNSHARE_IOC_MASK) == UNSHARE_IOC_ENTER);

/* Uses each macro. */
unsigned long long bits(const char **path, int *options);

unsigned long long bits(const char **path, int *options)
{
	*path = UNSHARE_DEVICE;
	*options = UNSHARE_DRY_RUN | UNSHARE_CLOSE_RANGE | UNSHARE_HOLD;
	return CLONE_NEWTIME | CLONE_EMPTY_MNTNS | UNSHARE_IOC_QUERY;
}
