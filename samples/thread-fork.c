/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A thread that goes on outside of its thread group: it forks, the child unshares what it needs, and
 * the thread ends. If the request is refused, the thread goes on and nothing has changed.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "unshare.h"

static int device;
static pid_t child;

/* Returns 0 in the child, which is a process of its own, and an errno in the thread if that failed. */
static int leave_thread_group(__u64 contexts)
{
	struct unshare_args args = { .unshare = contexts };
	int report[2], error = 0;

	if (pipe2(report, O_CLOEXEC) < 0)
		return errno;
	child = fork();
	if (child == 0) {
		if (ioctl(device, UNSHARE_IOC_COMMIT, &args) < 0)
			error = errno;
		if (write(report[1], &error, sizeof(error)) != sizeof(error) || error)
			_exit(1);
		close(report[0]);
		close(report[1]);
		return 0;
	}
	if (child < 0)
		error = errno;
	close(report[1]);
	if (child > 0 && read(report[0], &error, sizeof(error)) != sizeof(error))
		error = ECHILD;		/* the child died before it reported */
	close(report[0]);
	if (!error)
		pthread_exit(NULL);	/* libc frees the thread; the child goes on */
	if (child > 0)
		waitpid(child, NULL, 0);
	return error;
}

static void *thread(void *unused)
{
	char uts[64] = "";
	int error = leave_thread_group(1);	/* no context has this bit */

	printf("the thread goes on: %s\n", strerror(error));
	fflush(stdout);				/* or the child would print it again */
	error = leave_thread_group(CLONE_NEWUTS);
	if (error)
		errx(1, "CLONE_NEWUTS: %s", strerror(error));
	if (readlink("/proc/self/ns/uts", uts, sizeof(uts) - 1) < 0)
		err(1, "/proc/self/ns/uts");
	printf("the child is alone in its thread group: %s, in %s\n", getpid() == gettid() ? "yes" : "no", uts);
	fflush(stdout);
	_exit(0);
	return unused;
}

int main(void)
{
	pthread_t id;
	int status;

	device = open(UNSHARE_DEVICE, O_RDWR | O_CLOEXEC);
	if (device < 0)
		err(1, "%s", UNSHARE_DEVICE);
	errno = pthread_create(&id, NULL, thread, NULL);
	if (errno)
		err(1, "pthread_create");
	errno = pthread_join(id, NULL);
	if (errno)
		err(1, "pthread_join");
	printf("the thread has ended\n");
	if (waitpid(child, &status, 0) != child || status)
		errx(1, "the child ended with status %d", status);
	return 0;
}
