// SPDX-License-Identifier: MIT
/*
 * All sites are made anew at the guest's first program, and then in growing
 * intervals: those that are what they seemed to be are adapted again by one fault
 * each (some hundred, a millisecond in all), the others run at full speed.
 */
#include "trap/adapt.h"

#include "base/clock.h"
#include "translate/translate.h"

#define FIRST_NS	1000000000ul
#define LAST_NS		64000000000ul

bool adapt_begun;
static uint64_t next = UINT64_MAX, interval = FIRST_NS;

void adapt_start(void)
{
	adapt_begun = true;
	translate_promote_all();
	next = clock_ns() + interval;
}

void adapt_again(uint64_t now)
{
	if (likely(now < next))
		return;
	translate_promote_all();
	if (interval < LAST_NS)
		interval *= 2;
	next = now + interval;
}
