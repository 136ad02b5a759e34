/* SPDX-License-Identifier: MIT */
/*
 * printf formatting into a caller's buffer: the subset that log.h names, and
 * nothing of stdio.  Reentrant, no allocation, no thread-local storage; used
 * by log.c, and by whoever prints tables inside the jail.
 *
 * Unknown conversions are copied through verbatim, so that a mistake shows.
 */
#include "base/log.h"

struct output {
	char *buf;
	size_t size;
	size_t used;		/* would-be length */
};

struct spec {
	unsigned width;
	int precision;		/* -1: none */
	bool zero, left, plus, alternate;
};

static void put(struct output *out, char c)
{
	if (out->used + 1 < out->size)
		out->buf[out->used] = c;
	out->used++;
}

static void pad(struct output *out, char c, size_t count)
{
	while (count--)
		put(out, c);
}

static void put_text(struct output *out, const struct spec *spec, const char *text, size_t len)
{
	size_t fill = spec->width > len ? spec->width - len : 0;

	if (!spec->left)
		pad(out, ' ', fill);
	for (size_t i = 0; i < len; i++)
		put(out, text[i]);
	if (spec->left)
		pad(out, ' ', fill);
}

static void put_number(struct output *out, const struct spec *spec, uint64_t value, unsigned base,
		       bool upper, const char *sign)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	size_t len = 0, total, fill, sign_len = 0;
	char reversed[64];

	while (sign[sign_len])
		sign_len++;
	while (value) {
		reversed[len++] = digits[value % base];
		value /= base;
	}
	if (!len && spec->precision != 0)
		reversed[len++] = '0';
	while (spec->precision > 0 && len < (size_t)spec->precision && len < sizeof(reversed))
		reversed[len++] = '0';
	total = len + sign_len;
	fill = spec->width > total ? spec->width - total : 0;
	if (!spec->left && (!spec->zero || spec->precision >= 0)) {
		pad(out, ' ', fill);
		fill = 0;
	}
	for (size_t i = 0; i < sign_len; i++)
		put(out, sign[i]);
	if (!spec->left)
		pad(out, '0', fill);
	while (len)
		put(out, reversed[--len]);
	if (spec->left)
		pad(out, ' ', fill);
}

static unsigned parse_number(const char **fmt)
{
	unsigned n = 0;

	while (**fmt >= '0' && **fmt <= '9' && n < 100000)
		n = n * 10 + (unsigned)(*(*fmt)++ - '0');
	return n;
}

static const char *parse_spec(const char *p, struct spec *spec, va_list *ap)
{
	*spec = (struct spec){ .precision = -1 };
	for (;; p++) {
		if (*p == '0')
			spec->zero = true;
		else if (*p == '-')
			spec->left = true;
		else if (*p == '+')
			spec->plus = true;
		else if (*p == '#')
			spec->alternate = true;
		else
			break;
	}
	if (*p == '*') {
		int width = va_arg(*ap, int);

		spec->left |= width < 0;
		spec->width = width < 0 ? 0u - (unsigned)width : (unsigned)width;
		p++;
	} else {
		spec->width = parse_number(&p);
	}
	if (*p == '.') {
		p++;
		if (*p == '*') {
			spec->precision = va_arg(*ap, int);
			p++;
		} else {
			spec->precision = (int)parse_number(&p);
		}
	}
	return p;
}

static void put_signed(struct output *out, const struct spec *spec, int64_t value)
{
	uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	put_number(out, spec, magnitude, 10, false, value < 0 ? "-" : spec->plus ? "+" : "");
}

int format_va(char *buf, size_t size, const char *fmt, va_list args)
{
	struct output out = { .buf = buf, .size = size };
	va_list ap;

	va_copy(ap, args);
	while (*fmt) {
		const char *start = fmt;
		struct spec spec;
		bool is_long = false;

		if (*fmt != '%') {
			put(&out, *fmt++);
			continue;
		}
		fmt = parse_spec(fmt + 1, &spec, &ap);
		/* int, and what is smaller, is promoted; long, long long and size_t are one size. */
		while (*fmt == 'h')
			fmt++;
		while (*fmt == 'l' || *fmt == 'z' || *fmt == 'j' || *fmt == 't') {
			is_long = true;
			fmt++;
		}
		switch (*fmt) {
		case 'd':
		case 'i':
			put_signed(&out, &spec, is_long ? va_arg(ap, long) : va_arg(ap, int));
			break;
		case 'u':
			put_number(&out, &spec, is_long ? va_arg(ap, unsigned long) :
				   va_arg(ap, unsigned int), 10, false, "");
			break;
		case 'x':
		case 'X': {
			uint64_t value = is_long ? va_arg(ap, unsigned long) :
					 va_arg(ap, unsigned int);

			put_number(&out, &spec, value, 16, *fmt == 'X',
				   spec.alternate && value ? "0x" : "");
			break;
		}
		case 'p':
			put_number(&out, &spec, (uintptr_t)va_arg(ap, void *), 16, false, "0x");
			break;
		case 'c': {
			char c = (char)va_arg(ap, int);

			put_text(&out, &spec, &c, 1);
			break;
		}
		case 's': {
			const char *text = va_arg(ap, const char *);
			size_t len = 0;

			if (!text)
				text = "(null)";
			while ((spec.precision < 0 || len < (size_t)spec.precision) && text[len])
				len++;
			put_text(&out, &spec, text, len);
			break;
		}
		case '%':
			put(&out, '%');
			break;
		default:
			while (start <= fmt && *start)
				put(&out, *start++);
			if (!*fmt)
				fmt--;
			break;
		}
		fmt++;
	}
	va_end(ap);
	if (size)
		buf[out.used < size ? out.used : size - 1] = '\0';
	return (int)out.used;
}

int format_string(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = format_va(buf, size, fmt, ap);
	va_end(ap);
	return len;
}
