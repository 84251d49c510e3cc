/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A worker that shares everything with its parent as a thread does, but is a process, so that it can
 * stop sharing memory when it needs its own.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include "unshare.h"

static int device, counter;

static int work(void *unused)
{
	struct unshare_args args = { .unshare = CLONE_VM };

	(void)unused;
	counter = 1;			/* in the memory of both */
	if (ioctl(device, UNSHARE_IOC_LOCAL, &args) < 0)
		return errno;
	counter = 2;			/* in the worker's own memory */
	return args.replaced & CLONE_VM ? 0 : EINVAL;
}

int main(void)
{
	static char stack[64 << 10] __attribute__((aligned(16)));
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | SIGCHLD;
	int status;
	pid_t pid;

	device = open(UNSHARE_DEVICE, O_RDWR | O_CLOEXEC);
	if (device < 0)
		err(1, "%s", UNSHARE_DEVICE);
	pid = clone(work, stack + sizeof(stack), flags, NULL);
	if (pid < 0)
		err(1, "clone");
	/* The worker has this thread's errno and malloc cache until it leaves: use neither before. */
	if (waitpid(pid, &status, 0) != pid || status)
		errx(1, "the worker ended with status %#x", status);
	printf("the parent reads %d\n", counter);
	return 0;
}
