/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * attach PID: starts a shell in the network of a container, on a private copy of its mounts. The
 * container does not see what the shell mounts.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <unistd.h>
#include "unshare.h"

static void attach(int device, int pidfd)
{
	struct unshare_args args = {
		.pidfd = pidfd,
		.attach = CLONE_NEWNS | CLONE_NEWNET,	/* take the container's mounts and network */
		.unshare = CLONE_NEWNS,			/* and make a copy of these mounts */
	};

	if (ioctl(device, UNSHARE_IOC_COMMIT, &args) < 0)
		err(1, "%s: nothing has changed", unshare_context_name(args.failed));
}

int main(int argc, char **argv)
{
	int device = open(UNSHARE_DEVICE, O_RDWR | O_CLOEXEC);
	int pidfd = pidfd_open(argc == 2 ? atoi(argv[1]) : -1, 0);

	if (argc != 2)
		errx(2, "usage: attach PID");
	if (device < 0)
		err(1, "%s", UNSHARE_DEVICE);
	if (pidfd < 0)
		err(1, "process %s", argv[1]);
	attach(device, pidfd);
	/* The copied mounts may still propagate to the container's, as after unshare(2). */
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		err(1, "making the mounts private");
	execl("/bin/sh", "sh", (char *)NULL);
	err(127, "/bin/sh");
}
