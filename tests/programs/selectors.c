// SPDX-License-Identifier: MIT
/*
 * Selectors that a program loads are what it reads back, also after the kernel
 * has run others: GDT data segments and one of the local descriptor table.
 */
#include <asm/ldt.h>
#include <sched.h>
#include <sys/syscall.h>

#include "check.h"

#define READ(segment) \
	({ \
		unsigned short s_; \
		__asm__ volatile("mov %%" #segment ", %0" : "=r"(s_)); \
		s_; \
	})

int main(void)
{
	static const unsigned short values[] = { 0, 0x2b, 1, 2, 3, 2 << 3 | 7 };
	struct user_desc d = { .entry_number = 2, .limit = 15, .seg_32bit = 1, .useable = 1 };
	bool table = !syscall(SYS_modify_ldt, 1, &d, sizeof(d));

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]) - !table; i++) {
		int wrong = 0;

		for (int round = 0; round < 50; round++) {
			__asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%gs" : : "r"(values[i]));
			if (round % 5 == 0)
				sched_yield();
			wrong += READ(ds) != values[i] || READ(es) != values[i] || READ(gs) != values[i];
		}
		expect(!wrong, "selector %#x", values[i]);
	}
	__asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%gs" : : "r"(0));
	return check_result();
}
