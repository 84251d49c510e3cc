/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Lists of one-line functions. A list is a macro of X(type, name, parameters, returned
 * value), or of X(name, parameters, statement). The list's header declares a function
 * unshare_NAME() for each line, and a .c file defines it.
 */
#ifndef _UNSHARE_ONE_LINE_H
#define _UNSHARE_ONE_LINE_H

#include <linux/kconfig.h>

#define UNSHARE_DECLARE_VALUE(type, name, parameters, ...) type unshare_##name parameters;
#define UNSHARE_DECLARE_ACTION(name, parameters, ...) void unshare_##name parameters;

#define UNSHARE_DEFINE_VALUE(type, name, parameters, ...)					\
	type unshare_##name parameters								\
	{											\
		return __VA_ARGS__;								\
	}
#define UNSHARE_DEFINE_ACTION(name, parameters, ...)						\
	void unshare_##name parameters								\
	{											\
		__VA_ARGS__;									\
	}

/* UNSHARE_IF(option, line): the line exists only if the kernel has the option. */
#define UNSHARE_IF(option, ...) __UNSHARE_IF(IS_ENABLED(option), __VA_ARGS__)
#define __UNSHARE_IF(enabled, ...) ___UNSHARE_IF(enabled, __VA_ARGS__)
#define ___UNSHARE_IF(enabled, ...) __UNSHARE_IF_##enabled(__VA_ARGS__)
#define __UNSHARE_IF_0(...)
#define __UNSHARE_IF_1(...) __VA_ARGS__

#endif /* _UNSHARE_ONE_LINE_H */
