// SPDX-License-Identifier: GPL-2.0
/*
 * Mistakes, one of each kind that the debug kernel finds, made in the path of a
 * request when the parameter `mistake` names one. A part of the module that is
 * built with UNSHARE_SENSITIVITY=1, which the linker puts before the function
 * that copies a request in (Kbuild); the module that ships has none of it.
 * qemu/sensitivity loads that module, and looks whether each report is noticed.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "unshare.h"

static void use_after_free(void)
{
	u64 *object = kmalloc(sizeof(*object), GFP_KERNEL);

	if (!object)
		return;
	WRITE_ONCE(*object, 1);
	kfree(object);
	OPTIMIZER_HIDE_VAR(object);
	READ_ONCE(*object);
}

/*
 * Few objects: with sheaves of slab caches, which qemu/boot turns off, kmemleak
 * would report none of them.
 */
static void leak(void)
{
	static void *object;
	int i;

	for (i = 0; i < 4; i++)
		WRITE_ONCE(object, kmalloc(256, GFP_KERNEL));
	WRITE_ONCE(object, NULL);
}

static void sleep_in_atomic(void)
{
	static DEFINE_MUTEX(mutex);

	preempt_disable();
	mutex_lock(&mutex);
	mutex_unlock(&mutex);
	preempt_enable();
}

static void rcu_misuse(void)
{
	static u64 __rcu *object;

	(void)rcu_dereference(object);
}

static void refcount_underflow(void)
{
	refcount_t count = REFCOUNT_INIT(1);

	refcount_dec(&count);
	(void)refcount_dec_and_test(&count);
}

static void lock_inversion(void)
{
	static DEFINE_MUTEX(first);
	static DEFINE_MUTEX(second);

	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static const struct {
	const char *name;
	void (*make)(void);
} mistakes[] = {
	{ "use-after-free", use_after_free },
	{ "leak", leak },
	{ "sleep-in-atomic", sleep_in_atomic },
	{ "rcu-misuse", rcu_misuse },
	{ "refcount-underflow", refcount_underflow },
	{ "lock-inversion", lock_inversion },
};

static void (*mistake)(void);

static int set(const char *name, const struct kernel_param *param)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(mistakes); i++) {
		if (!sysfs_streq(name, mistakes[i].name))
			continue;
		WRITE_ONCE(mistake, mistakes[i].make);
		return 0;
	}
	return -EINVAL;
}

static const struct kernel_param_ops ops = { .set = set };
module_param_cb(mistake, &ops, NULL, 0200);

/* The linker's names: what the Rust part calls, and the function that it would call otherwise. */
int __wrap_unshare_copy_args_from_user(struct unshare_args *args, const void __user *src);
int __real_unshare_copy_args_from_user(struct unshare_args *args, const void __user *src);

int __wrap_unshare_copy_args_from_user(struct unshare_args *args, const void __user *src)
{
	void (*make)(void) = xchg(&mistake, NULL);

	if (make)
		make();
	return __real_unshare_copy_args_from_user(args, src);
}
