// SPDX-License-Identifier: MIT
/*
 * console_write shows the text, in order with the serial port's, before and after negotiation; takes
 * at most CONSOLE_MAX bytes and says how many.
 */
#include "case.h"
#include "page.h"

CASE_NEEDS(0, 0);
CASE_CONSOLE("port 1, hypercall 1, port 2, hypercall 2.");
CASE_CONSOLE("across two pages");

static void say(const char *text)
{
	uint64_t n = 0;

	while (text[n])
		n++;
	CALLS(n, CONSOLE_WRITE, virt_to_phys(text), n);
}

void test_main(void)
{
	uint64_t pa = page_alloc_aligned(3 * PAGE_SIZE, PAGE_SIZE);
	char *text = phys_to_virt(pa);

	case_find();
	print("port 1, ");
	say("hypercall 1, ");
	case_begin();
	print("port 2, ");
	say("hypercall 2.\n");
	memcpy(text + PAGE_SIZE - 7, "across two pages\n", 17);
	CALLS(17, CONSOLE_WRITE, pa + PAGE_SIZE - 7, 17);
	CALLS(0, CONSOLE_WRITE, pa, 0);
	for (unsigned i = 0; i < 3 * PAGE_SIZE; i++)
		text[i] = i % 64 == 63 ? '\n' : '.';
	CALLS(RING3_CONSOLE_MAX, CONSOLE_WRITE, pa, RING3_CONSOLE_MAX);
	CALLS(RING3_CONSOLE_MAX, CONSOLE_WRITE, pa, RING3_CONSOLE_MAX + 1);
	CALLS(RING3_CONSOLE_MAX, CONSOLE_WRITE, pa + 1, 3 * PAGE_SIZE - 1);
	CALLS(HYPERCALL_EINVAL, CONSOLE_WRITE, pa, 1ul << 32);
	CALLS(HYPERCALL_EFAULT, CONSOLE_WRITE, NOT_RAM, 1);
}
