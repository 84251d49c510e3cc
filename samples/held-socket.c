/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * held-socket PID: makes a socket in the network of a container. The thread that makes it is in that
 * network for a moment only.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "unshare.h"

/* Returns a descriptor that holds the network of the process. */
static int hold_network(int device, int pidfd)
{
	struct unshare_args args = {
		.pidfd = pidfd,
		.attach = CLONE_NEWNET,
		.options = UNSHARE_HOLD,
	};
	int held = ioctl(device, UNSHARE_IOC_COMMIT, &args);

	if (held < 0)
		err(1, "%s", unshare_context_name(args.failed));
	return held;
}

static int socket_inside(int held)
{
	int sock;

	if (unshare_enter(held) < 0)
		err(1, "entering the network");
	sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (unshare_leave(held) < 0)
		abort();	/* a thread that is still inside must not do other work */
	return sock;
}

static void print_namespace(const char *whose, int fd)
{
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		err(1, "the network of the %s", whose);
	printf("%s: net:[%ju]\n", whose, (uintmax_t)status.st_ino);
}

int main(int argc, char **argv)
{
	int device = open(UNSHARE_DEVICE, O_RDWR | O_CLOEXEC);
	int pidfd = pidfd_open(argc == 2 ? atoi(argv[1]) : -1, 0);
	int sock;

	if (argc != 2)
		errx(2, "usage: held-socket PID");
	if (device < 0)
		err(1, "%s", UNSHARE_DEVICE);
	if (pidfd < 0)
		err(1, "process %s", argv[1]);
	sock = socket_inside(hold_network(device, pidfd));
	if (sock < 0)
		err(1, "socket");
	print_namespace("socket", ioctl(sock, SIOCGSKNS));
	print_namespace("thread", open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
	return 0;
}
