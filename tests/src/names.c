// SPDX-License-Identifier: GPL-2.0
/* Prints what unshare_context_name() returns for each bit, and then for no bit and for two bits. */
#include <stdio.h>
#include "unshare.h"

int main(void)
{
	__u64 bit;

	for (bit = 1; bit; bit <<= 1)
		puts(unshare_context_name(bit));
	puts(unshare_context_name(0));
	puts(unshare_context_name(CLONE_FS | CLONE_FILES));
	return 0;
}
