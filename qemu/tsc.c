// SPDX-License-Identifier: GPL-2.0
/*
 * Prints the frequency of this machine's time stamp counter in kHz. QEMU's TCG shows a guest the same counter, and
 * a microvm has no other clock to measure it with.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

static uint64_t nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return now.tv_sec * UINT64_C(1000000000) + now.tv_nsec;
}

int main(void)
{
	uint64_t begun = nanoseconds(), counter = __rdtsc(), passed;

	do
		passed = nanoseconds() - begun;
	while (passed < 100000000);
	printf("%llu\n", (unsigned long long)((__rdtsc() - counter) * 1000000 / passed));
	return 0;
}
