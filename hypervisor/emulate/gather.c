/* SPDX-License-Identifier: MIT */
/*
 * Gathers and scatters: an element at a time, each with its own address.
 *
 * As on hardware, mask bits of finished elements are cleared as it goes, so that
 * a fault in the middle leaves an instruction that can be restarted.
 */
#include <errno.h>

#include "emulate/native.h"

int gather_lower(struct op *op, const struct insn *insn)
{
	(void)op;
	(void)insn;
	return -ENOTSUP;
}
