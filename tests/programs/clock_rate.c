// SPDX-License-Identifier: MIT
/*
 * Prints this machine's clock again and again over five seconds.  Not compared with a
 * host run: the driver notes the host's time of each line and compares rates.
 */
#include <stdio.h>
#include <time.h>

int main(void)
{
	struct timespec ts;

	for (int i = 0; i < 13; i++) {
		clock_gettime(CLOCK_MONOTONIC, &ts);
		printf("@@clock %lld\n", (long long)ts.tv_sec * 1000000000LL + ts.tv_nsec);
		fflush(stdout);
		nanosleep(&(struct timespec){ 0, 400000000 }, NULL);
	}
	return 0;
}
