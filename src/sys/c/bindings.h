/* SPDX-License-Identifier: GPL-2.0 */
/* The input of bindgen for src/sys/bindings.rs. */
#include <linux/types.h>

#include "helpers.h"
#include "../held/held.h"
#include "../mm/mm.h"
#include "../target/target.h"
#include "unexported.h"
/* After unexported.h: bindgen would record another path for it. */
#include "../mm/mm.h"
#include "unshare.h"

/* bindgen evaluates constants, but no macros with a sizeof. */
const u32 UNSHARE_COMMIT = UNSHARE_IOC_COMMIT;
const u32 UNSHARE_QUERY = UNSHARE_IOC_QUERY;
const u32 UNSHARE_LOCAL = UNSHARE_IOC_LOCAL;
const u32 UNSHARE_ENTER = UNSHARE_IOC_ENTER;
const u32 UNSHARE_LEAVE = UNSHARE_IOC_LEAVE;
