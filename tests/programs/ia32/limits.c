// SPDX-License-Identifier: MIT
/*
 * Segment limits: accesses beyond the flat code segment's end and beyond the
 * end of a small segment of the local descriptor table.
 */
#include <asm/ldt.h>
#include <sys/syscall.h>

#include "fault32.h"

int main(void)
{
	static uint32_t data[4] = { 1, 2, 3, 4 };
	struct user_desc d = { .entry_number = 1,
			       .base_addr = (unsigned)(uintptr_t)data,
			       .limit = 7,
			       .seg_32bit = 1,
			       .useable = 1 };

	fault_catch();
	FAULT("beyond the code segment", __asm__ volatile("mov %%cs:0xfffffffe, %%eax" : : : "eax"));
	if (!syscall(SYS_modify_ldt, 1, &d, sizeof(d))) {
		__asm__ volatile("mov %0, %%fs" : : "r"(1 << 3 | 7));
		FAULT("beyond a segment's limit", __asm__ volatile("mov %%fs:8, %%eax" : : : "eax"));
	}
	return check_result();
}
