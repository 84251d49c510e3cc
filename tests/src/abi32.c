/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A 32-bit program that uses the device: it has the same layout, through the
 * kernel's compat entry. It has no C library, because few machines have one for
 * 32 bits.
 */
#include "unshare.h"

#define NULL		((void *)0)
#define EINVAL		22
#define EFAULT		14

/* These have the same numbers on i386 and on arm. */
#define SYS_exit	1
#define SYS_write	4
#define SYS_open	5
#define SYS_getpid	20
#define SYS_kill	37
#define SYS_ioctl	54
#define SYS_readlink	85
#define SYS_wait4	114
#define SYS_rt_sigaction 174
#define SYS_vfork	190
#define O_RDWR		2
#define SIGUSR1		10

/* A vfork child must not return from a frame to which its parent still returns. */
#define INLINE static inline __attribute__((always_inline))

#ifdef __arm__
INLINE long syscall4(long number, long a, long b, long c, long d)
{
	register long r0 __asm__("r0") = a;
	register long r1 __asm__("r1") = b;
	register long r2 __asm__("r2") = c;
	register long r3 __asm__("r3") = d;
	register long r7 __asm__("r7") = number;

	__asm__ volatile("svc #0" : "+r"(r0) : "r"(r1), "r"(r2), "r"(r3), "r"(r7) : "memory");
	return r0;
}

#define START
#else
INLINE long syscall4(long number, long a, long b, long c, long d)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d)
			 : "memory");
	return result;
}

/* No function calls it, so the stack is not aligned as after a call. */
#define START	__attribute__((force_align_arg_pointer))
#endif

static long syscall(long number, long a, long b, long c)
{
	return syscall4(number, a, b, c, 0);
}

/* Compilers insert calls of it. */
void *memset(void *to, int byte, __SIZE_TYPE__ size)
{
	volatile char *at = to;

	while (size--)
		*at++ = byte;
	return to;
}

static unsigned int length(const char *text)
{
	unsigned int n = 0;

	while (text[n])
		n++;
	return n;
}

static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static void fail(const char *what)
{
	syscall(SYS_write, 1, (long)what, length(what));
	syscall(SYS_exit, 1, 0, 0);
}

#define TEXT(line)	#line
#define AT(line)	"abi32.c:" TEXT(line) ": "
#define CHECK(what)	do { if (!(what)) fail(AT(__LINE__) #what); } while (0)

_Static_assert(sizeof(void *) == 4, "a 32-bit program");
_Static_assert(sizeof(struct unshare_args) == UNSHARE_ARGS_SIZE_VER0, "args");
_Static_assert(sizeof(struct unshare_query) == UNSHARE_QUERY_SIZE_VER0, "query");
_Static_assert(__builtin_offsetof(struct unshare_args, attach) == 8, "attach");
_Static_assert(__builtin_offsetof(struct unshare_args, pidfd) == 16, "pidfd");
_Static_assert(__builtin_offsetof(struct unshare_args, options) == 20, "options");
_Static_assert(__builtin_offsetof(struct unshare_args, close_first) == 24, "close_first");
_Static_assert(__builtin_offsetof(struct unshare_args, close_last) == 28, "close_last");
_Static_assert(__builtin_offsetof(struct unshare_args, replaced) == 32, "replaced");
_Static_assert(__builtin_offsetof(struct unshare_args, failed) == 40, "failed");

/* Memory that is not writable. */
static const struct unshare_args read_only = { .unshare = CLONE_NEWUTS };

static long ioctl(long device, unsigned long number, const void *arg)
{
	return syscall(SYS_ioctl, device, (long)number, (long)arg);
}

static void read_uts(char name[64])
{
	long n = syscall(SYS_readlink, (long)"/proc/self/ns/uts", (long)name, 63);

	CHECK(n > 0);
	name[n] = 0;
}

static void test(void)
{
	struct unshare_query query = { 0 };
	struct unshare_args args = { .unshare = CLONE_NEWUTS, .replaced = ~0ULL, .failed = ~0ULL };
	char before[64], after[64];
	long device = syscall(SYS_open, (long)UNSHARE_DEVICE, O_RDWR, 0);

	CHECK(device >= 0);
	CHECK(ioctl(device, UNSHARE_IOC_QUERY, &query) == 0);
	CHECK(query.contexts & CLONE_NEWUTS);
	CHECK(query.contexts & CLONE_EMPTY_MNTNS);
	CHECK(query.options == (UNSHARE_DRY_RUN | UNSHARE_CLOSE_RANGE | UNSHARE_HOLD));
	CHECK(query.shared & CLONE_NEWUTS);

	read_uts(before);
	CHECK(ioctl(device, UNSHARE_IOC_COMMIT, NULL) == -EFAULT);
	CHECK(ioctl(device, UNSHARE_IOC_COMMIT, &read_only) == -EFAULT);
	CHECK(ioctl(device, UNSHARE_IOC_COMMIT, (void *)0xfffff000) == -EFAULT);
	read_uts(after);
	CHECK(same(before, after));

	CHECK(ioctl(device, UNSHARE_IOC_COMMIT, &args) == 0);
	CHECK(args.replaced == CLONE_NEWUTS && args.failed == 0);
	read_uts(after);
	CHECK(!same(before, after));
	CHECK(ioctl(device, UNSHARE_IOC_QUERY, &query) == 0);
	CHECK(!(query.shared & CLONE_NEWUTS));

	args.unshare = CLONE_NEWPID;
	CHECK(ioctl(device, UNSHARE_IOC_COMMIT, &args) == 0);
	args.failed = args.replaced = ~0ULL;
	CHECK(ioctl(device, UNSHARE_IOC_COMMIT, &args) == -EINVAL);
	CHECK(args.replaced == 0 && args.failed == CLONE_NEWPID);

	/* A bit of the upper half that has no meaning. */
	args.unshare = 1ULL << 63;
	CHECK(ioctl(device, UNSHARE_IOC_COMMIT, &args) == -EINVAL);
	CHECK(args.replaced == 0 && args.failed == 0);

	/* And one that has. */
	args.unshare = CLONE_EMPTY_MNTNS;
	CHECK(ioctl(device, UNSHARE_IOC_COMMIT, &args) == 0);
	CHECK(args.replaced == (CLONE_NEWNS | CLONE_FS));
}

/* There and back: neither command has an argument, so there is none to widen. */
static void test_held(void)
{
	struct unshare_args args = { .unshare = CLONE_NEWUTS, .options = UNSHARE_HOLD };
	char before[64], after[64];
	long device = syscall(SYS_open, (long)UNSHARE_DEVICE, O_RDWR, 0);
	long held;

	CHECK(device >= 0);
	held = ioctl(device, UNSHARE_IOC_COMMIT, &args);
	CHECK(held > 0);
	CHECK(args.replaced == CLONE_NEWUTS && args.failed == 0);
	read_uts(before);
	CHECK(ioctl(held, UNSHARE_IOC_ENTER, (void *)1) == -EINVAL);
	CHECK(ioctl(held, UNSHARE_IOC_LEAVE, NULL) == -EINVAL);
	CHECK(ioctl(held, UNSHARE_IOC_ENTER, NULL) == 0);
	read_uts(after);
	CHECK(!same(before, after));
	CHECK(ioctl(held, UNSHARE_IOC_ENTER, NULL) == 0);
	CHECK(ioctl(device, UNSHARE_IOC_LEAVE, NULL) == 0);
	CHECK(ioctl(held, UNSHARE_IOC_LEAVE, NULL) == 0);
	read_uts(after);
	CHECK(same(before, after));
}

static volatile int caught;

static void catch(int signal)
{
	caught = signal;
}

/*
 * A task that has left its address space returns from a signal through code
 * that it had in the old one: the vDSO of i386, or arm's page of signal
 * returns. This program has no C library that would provide such code.
 */
static void test_signal(void)
{
	const struct {
		void (*handler)(int);
		unsigned long flags;
		void *restorer;
		unsigned long mask[2];
	} action = { .handler = catch };
	struct unshare_args args = { .unshare = CLONE_VM };
	long device = syscall(SYS_open, (long)UNSHARE_DEVICE, O_RDWR, 0);
	volatile long child, status = -1;

	CHECK(device >= 0);
	CHECK(syscall4(SYS_rt_sigaction, SIGUSR1, (long)&action, 0, sizeof(action.mask)) == 0);
	child = syscall4(SYS_vfork, 0, 0, 0, 0);
	CHECK(child >= 0);
	if (child == 0) {
		CHECK(ioctl(device, UNSHARE_IOC_COMMIT, &args) == 0);
		CHECK(args.replaced & CLONE_VM);
		CHECK(syscall(SYS_kill, syscall(SYS_getpid, 0, 0, 0), SIGUSR1, 0) == 0);
		CHECK(caught == SIGUSR1);
		syscall(SYS_exit, 0, 0, 0);
	}
	CHECK(syscall4(SYS_wait4, child, (long)&status, 0, 0) == child);
	CHECK(status == 0);
	CHECK(caught == 0);
}

START void _start(void)
{
	test_signal();
	test_held();
	test();
	syscall(SYS_exit, 0, 0, 0);
}
