// SPDX-License-Identifier: MIT
/*
 * The list of what back-ends will ask of the host.  Filled at start-up.
 */
#include "hostio/calls.h"

#include "base/log.h"

static struct call allowed[128];
static unsigned allowed_number;

void calls_allow(int nr, int fd)
{
	bug_on(allowed_number == array_size(allowed));
	allowed[allowed_number++] = (struct call){ nr, fd };
}

const struct call *calls_allowed(unsigned *number)
{
	*number = allowed_number;
	return allowed;
}
