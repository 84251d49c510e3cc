/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/unshare: give the calling task its own copy of any part of its
 * execution context, as one transaction: all of what is asked for or nothing.
 *
 * This header is the whole of the interface. The layout is the same in 32-bit
 * and 64-bit programs, and the structs may grow at their end: the size is part
 * of the ioctl's number, so that an old program runs on a new module and a new
 * program, with what it does not use left zero, on an old one.
 */
#ifndef _UAPI_UNSHARE_H
#define _UAPI_UNSHARE_H

#include <linux/ioctl.h>
#include <linux/sched.h>
#include <linux/types.h>

#define UNSHARE_DEVICE "/dev/unshare"

/* For struct unshare_args.options. */
#define UNSHARE_DRY_RUN		0x1	/* prepare and report, change nothing */
#define UNSHARE_CLOSE_RANGE	0x2	/* with CLONE_FILES: leave descriptors out */
#define UNSHARE_HOLD		0x4	/* COMMIT: install nothing, return a descriptor to enter */

/* Headers of older kernels lack these two. */
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME		0x00000080
#endif
#ifndef CLONE_EMPTY_MNTNS
#define CLONE_EMPTY_MNTNS	(1ULL << 37)	/* with CLONE_NEWNS: without its mounts */
#endif

/**
 * struct unshare_args - a request, and what became of it
 * @unshare:     in: contexts to stop sharing (CLONE_*)
 * @attach:      in: contexts to take from the task behind @pidfd (CLONE_NEW*, CLONE_FS)
 * @pidfd:       in: that task; 0 when @attach is 0
 * @options:     in: UNSHARE_DRY_RUN | UNSHARE_CLOSE_RANGE | UNSHARE_HOLD
 * @close_first: in: with UNSHARE_CLOSE_RANGE, the first descriptor that the
 *               caller does not keep; else 0
 * @close_last:  in: and the last one; else 0
 * @replaced:    out: contexts that were replaced (dry run: that would be;
 *               UNSHARE_HOLD: that ENTER would replace for the caller)
 * @failed:      out: on error, the context that stopped it, 0 when it was the arguments
 */
struct unshare_args {
	__aligned_u64 unshare;
	__aligned_u64 attach;
	__s32         pidfd;
	__u32         options;
	__u32         close_first;
	__u32         close_last;
	__aligned_u64 replaced;
	__aligned_u64 failed;
};

/**
 * struct unshare_query - what this kernel can do, and what the caller shares
 * @contexts:   out: bits that @unshare accepts on this kernel
 * @attachable: out: bits that @attach accepts on this kernel
 * @options:    out: option bits
 * @shared:     out: contexts that the caller shares with another task at this moment
 */
struct unshare_query {
	__aligned_u64 contexts;
	__aligned_u64 attachable;
	__aligned_u64 options;
	__aligned_u64 shared;
};

/* The sizes that were published, oldest first; a shorter struct is EINVAL. */
#define UNSHARE_ARGS_SIZE_VER0	48
#define UNSHARE_QUERY_SIZE_VER0	32

#define UNSHARE_IOC_MAGIC	0xBE
#define UNSHARE_IOC_COMMIT	_IOWR(UNSHARE_IOC_MAGIC, 1, struct unshare_args)
#define UNSHARE_IOC_QUERY	_IOR(UNSHARE_IOC_MAGIC, 2, struct unshare_query)
/* COMMIT for what needs no privilege; a namespace or attach bit is EPERM. */
#define UNSHARE_IOC_LOCAL	_IOWR(UNSHARE_IOC_MAGIC, 3, struct unshare_args)

/*
 * Of a descriptor that COMMIT with UNSHARE_HOLD returned; the argument is 0.
 * ENTER gives the calling thread what the descriptor holds. LEAVE gives the
 * thread back what it had. LEAVE of the device leaves what the thread entered
 * last.
 */
#define UNSHARE_IOC_ENTER	_IO(UNSHARE_IOC_MAGIC, 4)
#define UNSHARE_IOC_LEAVE	_IO(UNSHARE_IOC_MAGIC, 5)

/*
 * The size of a struct is part of an ioctl's number, so COMMIT, LOCAL and QUERY
 * have a number for each size. A seccomp filter must compare (number &
 * UNSHARE_IOC_MASK) with (UNSHARE_IOC_COMMIT & UNSHARE_IOC_MASK): a filter for
 * exact numbers is passed by a struct of another size.
 */
#define UNSHARE_IOC_MASK	0xffff

#ifndef __KERNEL__
/**
 * unshare_context_name - the name of a context
 * @context: one bit of struct unshare_args.replaced, or all of .failed
 *
 * Returns: the name of the constant, as in "CLONE_NEWNS"; "arguments" for 0,
 * which .failed is when no context stopped the request; "unknown context" for
 * a bit that this header does not have, and for several bits.
 */
static __inline__ const char *unshare_context_name(__u64 context)
{
	switch (context) {
	case 0:			return "arguments";
	case CLONE_FS:		return "CLONE_FS";
	case CLONE_FILES:	return "CLONE_FILES";
	case CLONE_SYSVSEM:	return "CLONE_SYSVSEM";
	case CLONE_VM:		return "CLONE_VM";
	case CLONE_SIGHAND:	return "CLONE_SIGHAND";
	case CLONE_THREAD:	return "CLONE_THREAD";
	case CLONE_NEWNS:	return "CLONE_NEWNS";
	case CLONE_EMPTY_MNTNS:	return "CLONE_EMPTY_MNTNS";
	case CLONE_NEWUTS:	return "CLONE_NEWUTS";
	case CLONE_NEWIPC:	return "CLONE_NEWIPC";
	case CLONE_NEWUSER:	return "CLONE_NEWUSER";
	case CLONE_NEWPID:	return "CLONE_NEWPID";
	case CLONE_NEWNET:	return "CLONE_NEWNET";
	case CLONE_NEWCGROUP:	return "CLONE_NEWCGROUP";
	case CLONE_NEWTIME:	return "CLONE_NEWTIME";
	default:		return "unknown context";
	}
}
#endif

#if !defined(__KERNEL__) && __STDC_HOSTED__
#include <sys/ioctl.h>

/* Puts the calling thread into what @held holds. Returns 0, or -1 with errno. */
static __inline__ int unshare_enter(int held)
{
	return ioctl(held, UNSHARE_IOC_ENTER, 0);
}

/*
 * Gives the calling thread back what it had before unshare_enter(@held). @held
 * may be a descriptor of the device: that leaves what was entered last. Returns
 * 0, or -1 with errno.
 */
static __inline__ int unshare_leave(int held)
{
	return ioctl(held, UNSHARE_IOC_LEAVE, 0);
}
#endif /* !__KERNEL__ && __STDC_HOSTED__ */

#endif /* _UAPI_UNSHARE_H */
