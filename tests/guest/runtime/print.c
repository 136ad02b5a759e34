// SPDX-License-Identifier: MIT
/*
 * Text on COM1, polled.  Knows nothing but the port; used by everything.
 */
#include "print.h"

#include <stdarg.h>

#include "cpu.h"

#define COM1		0x3f8
#define COM1_LSR	(COM1 + 5)
#define LSR_EMPTY	0x20

static void print_char(char c)
{
	if (c == '\n')
		print_char('\r');
	for (int i = 0; i < 100000 && !(in8(COM1_LSR) & LSR_EMPTY); i++)
		cpu_pause();
	out8(COM1, (uint8_t)c);
}

static void print_number(uint64_t v, unsigned base, bool negative, int width, char pad)
{
	char digits[24];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	if (negative)
		digits[n++] = '-';
	for (; width > n; width--)
		print_char(pad);
	while (n)
		print_char(digits[--n]);
}

void print(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		int width = 0, longs = 0;
		char pad = ' ';

		if (*fmt != '%') {
			print_char(*fmt);
			continue;
		}
		fmt++;
		if (*fmt == '0')
			pad = *fmt++;
		while (*fmt >= '0' && *fmt <= '9')
			width = width * 10 + *fmt++ - '0';
		while (*fmt == 'l' || *fmt == 'z') {
			longs++;
			fmt++;
		}
		switch (*fmt) {
		case 'c':
			print_char((char)va_arg(ap, int));
			break;
		case 's':
			for (const char *s = va_arg(ap, const char *); *s; s++)
				print_char(*s);
			break;
		case 'd': {
			int64_t v = longs ? va_arg(ap, int64_t) : va_arg(ap, int);

			print_number(v < 0 ? -(uint64_t)v : (uint64_t)v, 10, v < 0, width, pad);
			break;
		}
		case 'u':
			print_number(longs ? va_arg(ap, uint64_t) : va_arg(ap, unsigned), 10, false,
				     width, pad);
			break;
		case 'x':
			print_number(longs ? va_arg(ap, uint64_t) : va_arg(ap, unsigned), 16, false,
				     width, pad);
			break;
		case 'p':
			print_number((uint64_t)va_arg(ap, void *), 16, false, 16, '0');
			break;
		default:
			print_char(*fmt);
		}
	}
	va_end(ap);
}
