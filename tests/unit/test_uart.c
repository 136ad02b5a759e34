/* SPDX-License-Identifier: MIT */
/*
 * The serial port as drivers probe and use it: identification as 16550A, loop-back,
 * interrupts and their priorities, FIFO levels, buffered output.
 */
#include "device_fakes.h"

#include "device/uart16550.h"

#define PORT	0x3f8

static char output[16384];
static size_t output_length;
static unsigned writes, drains, edges;
static bool line;

void irq_set(unsigned gsi, bool asserted)
{
	ck_assert_uint_eq(gsi, 4);
	edges += asserted && !line;
	line = asserted;
}

static void take(void *context, const uint8_t *bytes, size_t n)
{
	ck_assert_ptr_eq(context, output);
	memcpy(output + output_length, bytes, n);
	output_length += n;
	writes++;
}

static void drained(void *context)
{
	ck_assert_ptr_eq(context, output);
	drains++;
}

static struct uart_backend backend = { .write = take, .drained = drained, .context = output };

static void setup(void)
{
	ck_assert_int_eq(uart_init(0, PORT, 4, &backend), 0);
}

static unsigned get(unsigned reg) { return in8((uint16_t)(PORT + reg)); }
static void set(unsigned reg, unsigned v) { out8((uint16_t)(PORT + reg), v); }

static size_t receive(const char *s)
{
	return uart_receive(0, (const uint8_t *)s, strlen(s));
}

/* The steps of Linux's autoconfig() that tell an 8250 from a 16550A. */
START_TEST(test_probed_as_16550a)
{
	set(1, 0);
	ck_assert_uint_eq(get(1), 0);
	set(1, 0x0f);
	ck_assert_uint_eq(get(1) & 0x0f, 0x0f);
	set(1, 0);
	set(4, 0x1a);				/* loop, OUT2, RTS */
	ck_assert_uint_eq(get(6) & 0xf0, 0x90);
	set(4, 0);
	set(2, 0x01);
	ck_assert_uint_eq(get(2) >> 6, 3);
	/* Not an XR16, 16650, 16750: */
	set(3, 0x80 | 0x03);
	set(2, 0x21);
	ck_assert_uint_eq(get(2) & 0x20, 0);
	set(3, 0x03);
	set(1, 0x40);
	ck_assert_uint_eq(get(1) & 0x40, 0);
	set(7, 0x5a);
	ck_assert_uint_eq(get(7), 0x5a);
	set(3, 0x83);
	set(0, 0x0c);
	set(1, 0x01);
	ck_assert_uint_eq(get(0) | get(1) << 8, 0x10c);
	set(3, 0x03);
}
END_TEST

START_TEST(test_output_is_buffered)
{
	for (const char *s = "hello"; *s; s++) {
		ck_assert_uint_eq(get(5) & 0x60, 0x60);
		set(0, (unsigned char)*s);
	}
	ck_assert_uint_eq(writes, 0);
	uart_flush();
	ck_assert_uint_eq(writes, 1);
	ck_assert_int_eq(memcmp(output, "hello", 5), 0);
	ck_assert_uint_eq(timers_next(), TIMER_NEVER);
	uart_flush();
	ck_assert_uint_eq(writes, 1);
	set(0, '!');
	fake_sleep(10000000);			/* a busy guest never waits: time does it */
	ck_assert_uint_eq(output_length, 6);
	for (unsigned i = 0; i < 4096; i++)
		set(0, 'x');
	ck_assert_uint_eq(output_length, 6 + 4096);
}
END_TEST

START_TEST(test_receive)
{
	set(2, 0x01);
	ck_assert_uint_eq(get(5) & 1, 0);
	ck_assert_uint_eq(receive("ab"), 2);
	ck_assert_uint_eq(get(5) & 1, 1);
	ck_assert_uint_eq(get(0), 'a');
	ck_assert_uint_eq(drains, 0);
	ck_assert_uint_eq(get(0), 'b');
	ck_assert_uint_eq(drains, 1);
	ck_assert_uint_eq(get(5) & 1, 0);
	ck_assert_uint_eq(get(0), 0);
	ck_assert_uint_eq(drains, 1);
}
END_TEST

START_TEST(test_receive_takes_what_fits)
{
	ck_assert_uint_eq(uart_room(0), 1);	/* FIFOs off */
	ck_assert_uint_eq(receive("ab"), 1);
	ck_assert_uint_eq(receive("b"), 0);
	ck_assert_uint_eq(get(0), 'a');
	set(2, 0x01);
	ck_assert_uint_eq(receive("0123456789abcdefgh"), 16);
	ck_assert_uint_eq(uart_room(0), 0);
	for (unsigned i = 0; i < 16; i++)
		ck_assert_uint_eq(get(0), (unsigned)"0123456789abcdef"[i]);
	ck_assert_uint_eq(get(5) & 0x02, 0);	/* nothing was overrun */
	receive("x");
	set(2, 0x03);				/* clear */
	ck_assert_uint_eq(get(5) & 1, 0);
	ck_assert_uint_eq(uart_receive(1, (const uint8_t *)"x", 1), 0);
	ck_assert_uint_eq(uart_receive(99, (const uint8_t *)"x", 1), 0);
}
END_TEST

START_TEST(test_receive_interrupt)
{
	set(2, 0x81);				/* trigger at 8 */
	set(1, 0x01);
	ck_assert_uint_eq(get(2), 0xc1);
	receive("1");
	ck_assert(line);
	ck_assert_uint_eq(get(2), 0xcc);	/* below the trigger: time-out */
	receive("2345678");
	ck_assert_uint_eq(get(2), 0xc4);
	for (unsigned i = 0; i < 8; i++) {
		ck_assert(line);
		get(0);
	}
	ck_assert(!line);
	ck_assert_uint_eq(get(2), 0xc1);
}
END_TEST

START_TEST(test_transmit_interrupt)
{
	set(1, 0x02);				/* empty already: at once */
	ck_assert(line);
	ck_assert_uint_eq(get(2), 0x02);
	ck_assert(!line);			/* reading IIR ended it */
	ck_assert_uint_eq(get(2), 0x01);
	set(0, 'x');
	ck_assert(line);
	edges = 0;
	set(0, 'y');				/* filled and emptied: another edge */
	ck_assert_uint_eq(edges, 1);
	set(1, 0x00);
	ck_assert(!line);
	ck_assert_uint_eq(get(2), 0x01);
	set(1, 0x02);
	ck_assert_uint_eq(get(2), 0x02);
}
END_TEST

START_TEST(test_interrupt_priority)
{
	set(2, 0x01);
	set(1, 0x0f);
	receive("a");
	uart_break(0);
	set(4, 0x10);				/* loop: CTS, DSR, DCD fall */
	set(4, 0x00);
	ck_assert_uint_eq(get(2), 0xc6);	/* line status first */
	ck_assert_uint_eq(get(5) & 0x11, 0x11);
	ck_assert_uint_eq(get(2), 0xc4);
	get(0);
	get(0);
	ck_assert_uint_eq(get(2), 0xc2);
	ck_assert_uint_eq(get(2), 0xc0);	/* modem status last */
	ck_assert_uint_eq(get(6) & 0x0f, 0x0b);
	ck_assert_uint_eq(get(2), 0xc1);
	ck_assert(!line);
}
END_TEST

START_TEST(test_loopback)
{
	set(2, 0x01);
	set(4, 0x10);
	set(0, 'Q');
	ck_assert_uint_eq(get(5) & 1, 1);
	ck_assert_uint_eq(get(0), 'Q');
	ck_assert_uint_eq(uart_room(0), 0);	/* the line is cut off */
	uart_flush();
	ck_assert_uint_eq(output_length, 0);
	/* MCR bits come back as MSR bits. */
	for (unsigned mcr = 0; mcr < 16; mcr++) {
		unsigned expected = (mcr & 2 ? 0x10 : 0) | (mcr & 1 ? 0x20 : 0) |
				    (mcr & 4 ? 0x40 : 0) | (mcr & 8 ? 0x80 : 0);

		set(4, 0x10 | mcr);
		ck_assert_uint_eq(get(6) & 0xf0, expected);
	}
	/* Linux measures the FIFO: what does not fit is an overrun. */
	for (unsigned i = 0; i < 20; i++)
		set(0, i);
	ck_assert_uint_eq(get(5) & 0x03, 0x03);
	for (unsigned i = 0; i < 16; i++)
		ck_assert_uint_eq(get(0), i);
	ck_assert_uint_eq(get(5) & 1, 0);
}
END_TEST

START_TEST(test_wide_access)
{
	bus_pio_write(PORT, 2, 0x0141);		/* data, then IER */
	uart_flush();
	ck_assert_uint_eq(output[0], 'A');
	ck_assert_uint_eq(get(1), 1);
}
END_TEST

/* What is typed before the driver is ready is not offered to the probing kernel. */
START_TEST(test_listens)
{
	drains = 0;
	ck_assert(!uart_listens(UART_COUNT));
	set(1, 0x0f);				/* autoconfig() */
	fake_sleep(10000000);
	ck_assert(!uart_listens(0));
	set(1, 0);
	set(4, 0x0b);
	set(1, 0x05);
	ck_assert(!uart_listens(0));		/* FIFOs are cleared once more */
	set(2, 0x01);
	fake_sleep(900000);
	ck_assert(!uart_listens(0));
	fake_sleep(100000);
	ck_assert(uart_listens(0));
	ck_assert_uint_eq(drains, 1);
	set(1, 0x07);
	ck_assert(uart_listens(0));
	set(1, 0);				/* closed */
	ck_assert(!uart_listens(0));
	set(1, 0x01);
	set(1, 0);
	fake_sleep(10000000);
	ck_assert(!uart_listens(0));
	set(4, 0);
	set(1, 0x01);
	set(4, 0x08);				/* the other way round */
	fake_sleep(1000000);
	ck_assert(uart_listens(0));
	ck_assert_uint_eq(drains, 2);
}
END_TEST

START_TEST(test_listens_polling)
{
	drains = 0;
	/* A printing loop looks at LSR, too. */
	for (unsigned i = 0; i < 100; i++) {
		get(5);
		get(5);
		set(0, 'x');
		fake_sleep(1000000);
	}
	ck_assert(!uart_listens(0));
	for (unsigned i = 0; i < 100 && !uart_listens(0); i++) {
		get(5);
		fake_sleep(100000);
	}
	ck_assert(uart_listens(0));
	ck_assert_uint_eq(drains, 1);
	ck_assert_uint_eq(receive("a"), 1);
	ck_assert_uint_eq(get(5) & 1, 1);
	ck_assert_uint_eq(get(0), 'a');
	ck_assert(uart_listens(0));
	ck_assert_uint_eq(drains, 2);
	set(0, 'a');				/* its echo */
	ck_assert(!uart_listens(0));
	fake_sleep(10000000);
	ck_assert(!uart_listens(0));
}
END_TEST

START_TEST(test_bad_index)
{
	ck_assert_int_lt(uart_init(4, 0x2f8, 3, &backend), 0);
	ck_assert_int_lt(uart_init(1, 0x2f8, 3, NULL), 0);
	ck_assert_int_lt(uart_init(1, PORT + 7, 3, &backend), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("uart");
	TCase *t = tcase_create("uart");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_probed_as_16550a);
	tcase_add_test(t, test_output_is_buffered);
	tcase_add_test(t, test_receive);
	tcase_add_test(t, test_receive_takes_what_fits);
	tcase_add_test(t, test_receive_interrupt);
	tcase_add_test(t, test_transmit_interrupt);
	tcase_add_test(t, test_interrupt_priority);
	tcase_add_test(t, test_loopback);
	tcase_add_test(t, test_wide_access);
	tcase_add_test(t, test_listens);
	tcase_add_test(t, test_listens_polling);
	tcase_add_test(t, test_bad_index);
	suite_add_tcase(s, t);
	return suite_run(s);
}
