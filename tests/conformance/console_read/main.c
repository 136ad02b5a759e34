// SPDX-License-Identifier: MIT
/*
 * console_read takes over the console's input: what is typed comes here, byte by byte as asked for,
 * in order, not to the serial port any more; nothing waits is 0; a refused call takes nothing.
 */
#include "case.h"
#include "page.h"
#include "time.h"

CASE_NEEDS(0, FEATURE(CONSOLE));
CASE_INPUT("The quick brown fox jumps over the lazy dog.");

static const char typed[] = "The quick brown fox jumps over the lazy dog.";

static uint64_t pa;
static char *buffer;

/* Some bytes, as soon as there are any. */
static int64_t read_some(uint64_t to, uint32_t n)
{
	for (unsigned i = 0; i < 5000; i++) {
		int64_t got = CALL(CONSOLE_READ, to, n);

		if (got)
			return got;
		time_delay_us(1000);
	}
	return 0;
}

void test_main(void)
{
	unsigned at = 0;

	case_begin();
	pa = page_alloc();
	buffer = phys_to_virt(pa);
	CALLS(HYPERCALL_EFAULT, CONSOLE_READ, NOT_RAM, 8);
	CALLS(0, CONSOLE_READ, pa, 0);
	print("type now\n");
	expect_equal(read_some(pa, 1), 1);
	expect_equal(buffer[0], 'T');
	expect_equal(buffer[1], 0, "one byte only");
	CALLS(HYPERCALL_EFAULT, CONSOLE_READ, NOT_RAM, 8);
	CALLS(HYPERCALL_EINVAL, CONSOLE_READ, pa, 1ul << 32 | 8);
	for (at = 1; at < sizeof(typed) - 1;) {
		int64_t got = read_some(pa + 16 + at, 5);

		if (!expect(got >= 1 && got <= 5, "%ld bytes", got))
			return;
		at += (unsigned)got;
		expect_equal(buffer[16 + at], 0, "no byte more");
	}
	expect_equal(at, sizeof(typed) - 1, "all of it");
	for (unsigned i = 1; i < sizeof(typed) - 1; i++)
		expect_equal(buffer[16 + i], typed[i], "byte %u", i);
	CALLS(0, CONSOLE_READ, pa, 100);
	expect(!(in8(0x3fd) & 1), "the serial port has none of it");
}
