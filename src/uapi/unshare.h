/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/unshare: gives the calling task its own copy of any part of its
 * execution context, as one transaction: all named parts or none.
 *
 * This header is the whole interface. 32-bit and 64-bit programs have the same
 * layout. The structs may grow at their end; their size is part of the ioctl's
 * number. So an old program runs on a new module, and a new program on an old
 * module if the fields that the old module does not know are zero.
 */
#ifndef _UAPI_UNSHARE_H
#define _UAPI_UNSHARE_H

#include <linux/ioctl.h>
#include <linux/sched.h>
#include <linux/types.h>

#define UNSHARE_DEVICE "/dev/unshare"

/* For struct unshare_args.options. */
#define UNSHARE_DRY_RUN		0x1	/* prepare and report, but change nothing */
#define UNSHARE_CLOSE_RANGE	0x2	/* with CLONE_FILES: leave a range out */
#define UNSHARE_HOLD		0x4	/* COMMIT: install nothing, return a descriptor to enter */

/* Headers of older kernels lack these two. */
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME		0x00000080
#endif
#ifndef CLONE_EMPTY_MNTNS
#define CLONE_EMPTY_MNTNS	(1ULL << 37)	/* the root mount only */
#endif

/**
 * struct unshare_args - a request and its result
 * @unshare:     in: contexts to stop sharing (CLONE_*)
 * @attach:      in: contexts to take from the task behind @pidfd (CLONE_NEW*, CLONE_FS)
 * @pidfd:       in: a pidfd of that task; 0 if @attach is 0
 * @options:     in: UNSHARE_DRY_RUN | UNSHARE_CLOSE_RANGE | UNSHARE_HOLD
 * @close_first: in: with UNSHARE_CLOSE_RANGE, the first descriptor that the
 *               caller does not keep; else 0
 * @close_last:  in: with UNSHARE_CLOSE_RANGE, the last such descriptor; else 0
 * @replaced:    out: contexts that were replaced (dry run: that would be;
 *               UNSHARE_HOLD: that ENTER would replace for the caller)
 * @failed:      out: on error, the context that stopped the request; 0 for the
 *               errors under "Errors of the arguments and the target" in
 *               unshare-device(4), and some of UNSHARE_HOLD
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
 * struct unshare_query - what this kernel supports, and what the caller shares
 * @contexts:   out: bits that struct unshare_args.unshare accepts
 * @attachable: out: bits that struct unshare_args.attach accepts
 * @options:    out: bits that struct unshare_args.options accepts
 * @shared:     out: contexts that the caller shares with another task now
 */
struct unshare_query {
	__aligned_u64 contexts;
	__aligned_u64 attachable;
	__aligned_u64 options;
	__aligned_u64 shared;
};

/* The published sizes, oldest first. A struct shorter than these is EINVAL. */
#define UNSHARE_ARGS_SIZE_VER0	48
#define UNSHARE_QUERY_SIZE_VER0	32

#define UNSHARE_IOC_MAGIC	0xBE
#define UNSHARE_IOC_COMMIT	_IOWR(UNSHARE_IOC_MAGIC, 1, struct unshare_args)
#define UNSHARE_IOC_QUERY	_IOR(UNSHARE_IOC_MAGIC, 2, struct unshare_query)
/* COMMIT for contexts that need no privilege: a namespace or attach is EPERM. */
#define UNSHARE_IOC_LOCAL	_IOWR(UNSHARE_IOC_MAGIC, 3, struct unshare_args)

/*
 * Commands of a descriptor that COMMIT with UNSHARE_HOLD returned. The argument
 * is 0. ENTER gives the calling thread the contexts that the descriptor holds.
 * LEAVE gives the thread back the contexts that it had. LEAVE on the device
 * leaves the contexts that the thread entered last.
 */
#define UNSHARE_IOC_ENTER	_IO(UNSHARE_IOC_MAGIC, 4)
#define UNSHARE_IOC_LEAVE	_IO(UNSHARE_IOC_MAGIC, 5)

/*
 * The size of a struct is part of an ioctl's number, so COMMIT, LOCAL and QUERY
 * have a number for each size. A seccomp filter must compare (number &
 * UNSHARE_IOC_MASK) with (UNSHARE_IOC_COMMIT & UNSHARE_IOC_MASK). A struct of
 * another size passes a filter that compares exact numbers.
 */
#define UNSHARE_IOC_MASK	0xffff

#ifndef __KERNEL__
/**
 * unshare_context_name - the name of a context
 * @context: one bit of struct unshare_args.replaced, or all of .failed
 *
 * Returns: the name of the constant, such as "CLONE_NEWNS"; "arguments or
 * target" for 0, because .failed is 0 for their errors; "unknown context" for
 * a bit that is not in this header, and for several bits.
 */
static __inline__ const char *unshare_context_name(__u64 context)
{
	switch (context) {
	case 0:			return "arguments or target";
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

/*
 * Puts the calling thread into the contexts that @held holds. Returns 0, or -1
 * with errno.
 */
static __inline__ int unshare_enter(int held)
{
	return ioctl(held, UNSHARE_IOC_ENTER, 0);
}

/*
 * Gives the calling thread back the contexts that it had before
 * unshare_enter(@held). If @held is a descriptor of the device, the thread
 * leaves the contexts that it entered last. Returns 0, or -1 with errno.
 */
static __inline__ int unshare_leave(int held)
{
	return ioctl(held, UNSHARE_IOC_LEAVE, 0);
}
#endif /* !__KERNEL__ && __STDC_HOSTED__ */

#endif /* _UAPI_UNSHARE_H */
