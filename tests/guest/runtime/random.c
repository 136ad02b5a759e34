// SPDX-License-Identifier: MIT
#include "random.h"

uint64_t random_seed = 88172645463325252ul;

uint64_t random(void)
{
	random_step(&random_seed);
	return random_seed;
}
