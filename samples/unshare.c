/* SPDX-License-Identifier: GPL-2.0-only */
/* Starts a shell with mounts, a host name and a descriptor table of its own. The table has 0, 1 and 2 alone. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "unshare.h"

int main(void)
{
	static struct unshare_args args;	/* all zero: a request for nothing */
	int fd = open(UNSHARE_DEVICE, O_RDWR);
	__u64 bit;

	if (fd < 0) {
		fprintf(stderr, "%s: %s\n", UNSHARE_DEVICE, strerror(errno));
		return 1;
	}
	args.unshare = CLONE_NEWNS | CLONE_NEWUTS | CLONE_FILES;
	args.options = UNSHARE_CLOSE_RANGE;
	args.close_first = 3;
	args.close_last = ~0U;
	if (ioctl(fd, UNSHARE_IOC_COMMIT, &args) < 0) {
		fprintf(stderr, "%s: %s: %s\n", UNSHARE_DEVICE,
			unshare_context_name(args.failed), strerror(errno));
		return 1;
	}
	printf("replaced:");
	for (bit = 1; bit; bit <<= 1)
		if (args.replaced & bit)
			printf(" %s", unshare_context_name(bit));
	printf("\n");
	fflush(stdout);
	execl("/bin/sh", "sh", (char *)0);
	return 127;
}
