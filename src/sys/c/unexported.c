// SPDX-License-Identifier: GPL-2.0
/*
 * Looks up the functions and variables of unexported.h when the module is loaded.
 */
#include <linux/array_size.h>
#include <linux/futex.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/mnt_namespace.h>
#include <linux/module.h>
#include <linux/nsfs.h>
#include <linux/mmu_context.h>
#include <linux/perf_event.h>
#include <linux/pid.h>
#include <linux/ptrace.h>
#include <linux/sched/exec_state.h>
#include <linux/sched/mm.h>
#include <linux/sched/numa_balancing.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/security.h>
#include <linux/sem.h>
#include <linux/shm.h>
#include <linux/static_call.h>
#include <linux/signal.h>
#include <linux/string.h>
#include <linux/uprobes.h>
#include <linux/user_namespace.h>

#include "unexported.h"

DEFINE_STATIC_CALL_NULL(unshare_kallsyms_lookup_name, kallsyms_lookup_name);

/*
 * unshare_NAME() does nothing and returns 0 until the function is found, and for
 * ever if the kernel lacks it. (A generic static call of NULL would jump to address
 * 0.) A context that needs a missing function is not offered, so only code that serves
 * other contexts, too, can call it. The declaration has the kernel's type, and the
 * definition the list's: the compiler compares them.
 */
#define UNSHARE_DEFINE(contexts, type, name, parameters, arguments)		\
	static typeof(name) unshare_lacking_##name;				\
	static type unshare_lacking_##name parameters				\
	{									\
		return (type)0;							\
	}									\
	DEFINE_STATIC_CALL(unshare_##name, unshare_lacking_##name);		\
	type unshare_##name parameters						\
	{									\
		return static_call(unshare_##name) arguments;			\
	}									\
	static void unshare_set_##name(void *address)				\
	{									\
		static_call_update(unshare_##name, address);			\
	}
UNSHARE_UNEXPORTED(UNSHARE_DEFINE)

#define UNSHARE_DEFINE_VARIABLE(contexts, type, name)				\
	type *unshare_##name;							\
	static void unshare_set_##name(void *address)				\
	{									\
		unshare_##name = address;					\
	}
UNSHARE_VARIABLES(UNSHARE_DEFINE_VARIABLE)

#define UNSHARE_ENTRY(needed_by, type, symbol, ...)				\
	{ .name = #symbol, .contexts = needed_by, .set = unshare_set_##symbol },
const struct unshare_unexported unshare_unexported[] = {
	UNSHARE_UNEXPORTED(UNSHARE_ENTRY)
	UNSHARE_VARIABLES(UNSHARE_ENTRY)
};
const size_t unshare_unexported_count = ARRAY_SIZE(unshare_unexported);

/* Where the kernel's own symbols begin and end. */
static unsigned long kernel_begin, kernel_end;

/* Debian's sysctl kernel.unprivileged_userns_clone. NULL if the kernel has none. */
static const int *userns_clone;

/* The tests of loading hide a function here, as if the kernel lacked it. */
static bool is_hidden(const char *name)
{
#ifdef UNSHARE_HIDE
	return !strcmp(name, UNSHARE_HIDE);
#else
	return false;
#endif
}

/*
 * Returns the address of a kernel symbol, or NULL. If the kernel lacks the symbol,
 * kallsyms_lookup_name() searches the modules. Another module may have a symbol of
 * that name, which must not be used and may be gone when this returns.
 */
static void *find(const char *name)
{
	unsigned long address = static_call(unshare_kallsyms_lookup_name)(name);

	if (address < kernel_begin || address >= kernel_end || is_hidden(name))
		return NULL;
	return (void *)address;
}

/**
 * unshare_find_kallsyms - find the functions that look up symbols
 *
 * kallsyms_lookup_name() is not exported, but register_kprobe() looks up the
 * symbol of its probe, and stores the address in the probe.
 *
 * Return: 0; -ENOENT if kallsyms does not say where the kernel is; or the error
 * of register_kprobe(), which is -EOPNOTSUPP without CONFIG_KPROBES.
 */
int unshare_find_kallsyms(void)
{
	struct kprobe probe = {
		.symbol_name = "kallsyms_lookup_name",
		/* Only the address is needed: the probe must not be hit. */
		.flags = KPROBE_FLAG_DISABLED,
	};
	int err = is_hidden(probe.symbol_name) ? -ENOENT : register_kprobe(&probe);

	if (err)
		return err;
	unregister_kprobe(&probe);
	static_call_update(unshare_kallsyms_lookup_name, unshare_probed_function(probe.addr));

	/* Without CONFIG_KALLSYMS_ALL, kallsyms has only symbols of the text. */
	kernel_begin = static_call(unshare_kallsyms_lookup_name)("_stext");
	kernel_end = static_call(unshare_kallsyms_lookup_name)(
		IS_ENABLED(CONFIG_KALLSYMS_ALL) ? "_end" : "_etext");
	if (!kernel_begin || !kernel_end)
		return -ENOENT;

	userns_clone = find("unprivileged_userns_clone");
	return 0;
}

/**
 * unshare_resolve - look up one function of the list
 * @function: an entry of unshare_unexported
 *
 * Return: whether the kernel has it.
 */
bool unshare_resolve(const struct unshare_unexported *function)
{
	void *address = find(function->name);

	if (address)
		function->set(address);
	return address;
}

/**
 * unshare_userns_clone_is_restricted - does a user namespace require CAP_SYS_ADMIN?
 *
 * Without CONFIG_KALLSYMS_ALL, variables cannot be looked up, and the kernel may
 * have the sysctl. Then assume the stricter setting.
 *
 * Return: the answer for the present value of the sysctl.
 */
bool unshare_userns_clone_is_restricted(void)
{
	if (!IS_ENABLED(CONFIG_KALLSYMS_ALL))
		return true;
	return userns_clone && !READ_ONCE(*userns_clone);
}
