/* SPDX-License-Identifier: GPL-2.0 */
/* What bindgen reads for src/sys/bindings.rs. */
#include <linux/types.h>

#include "helpers.h"
#include "../held/held.h"
#include "../mm/mm.h"
#include "../target/target.h"
#include "unexported.h"
/* After unexported.h, which bindgen would know by another path. */
#include "../mm/mm.h"
#include "unshare.h"

/* bindgen evaluates constants, not macros with a sizeof in them. */
const u32 UNSHARE_COMMIT = UNSHARE_IOC_COMMIT;
const u32 UNSHARE_QUERY = UNSHARE_IOC_QUERY;
const u32 UNSHARE_LOCAL = UNSHARE_IOC_LOCAL;
const u32 UNSHARE_ENTER = UNSHARE_IOC_ENTER;
const u32 UNSHARE_LEAVE = UNSHARE_IOC_LEAVE;
