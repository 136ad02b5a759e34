/* SPDX-License-Identifier: MIT */
/*
 * memcpy and its kin on general registers only: the SIMD registers are the
 * guest's while the engine runs.  The static link takes these instead of
 * libc's, for libc's own callers too.
 *
 * Loops that the compiler would turn back into calls of these very functions
 * are kept from it by the pragma (gcc) and the attribute (clang).
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__clang__)
#define PLAIN_LOOPS	__attribute__((no_builtin))
#else
#define PLAIN_LOOPS	__attribute__((optimize("no-tree-loop-distribute-patterns")))
#endif

/* From here on `rep movsb/stosb` beats a loop, its start-up cost included. */
#define REP_MIN		256

typedef uint64_t __attribute__((aligned(1), may_alias)) any64;
typedef uint32_t __attribute__((aligned(1), may_alias)) any32;
typedef uint16_t __attribute__((aligned(1), may_alias)) any16;

/* Up to 16 bytes: all loads before all stores, hence good for overlaps too. */
static inline __attribute__((always_inline)) void copy_small(char *d, const char *s, size_t n)
{
	if (n >= 8) {
		uint64_t a = *(const any64 *)s, b = *(const any64 *)(s + n - 8);

		*(any64 *)d = a;
		*(any64 *)(d + n - 8) = b;
	} else if (n >= 4) {
		uint32_t a = *(const any32 *)s, b = *(const any32 *)(s + n - 4);

		*(any32 *)d = a;
		*(any32 *)(d + n - 4) = b;
	} else if (n >= 2) {
		uint16_t a = *(const any16 *)s, b = *(const any16 *)(s + n - 2);

		*(any16 *)d = a;
		*(any16 *)(d + n - 2) = b;
	} else if (n) {
		*d = *s;
	}
}

PLAIN_LOOPS void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	const char *s = src;
	char *d = dst;

	if (n <= 16) {
		copy_small(d, s, n);
	} else if (n < REP_MIN) {
		size_t i = 0;

		for (; i + 16 <= n; i += 16) {
			uint64_t a = *(const any64 *)(s + i), b = *(const any64 *)(s + i + 8);

			*(any64 *)(d + i) = a;
			*(any64 *)(d + i + 8) = b;
		}
		/* The rest overlaps what is copied already: the same bytes once more. */
		*(any64 *)(d + n - 16) = *(const any64 *)(s + n - 16);
		*(any64 *)(d + n - 8) = *(const any64 *)(s + n - 8);
	} else {
		__asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
	}
	return dst;
}

PLAIN_LOOPS void *memmove(void *dst, const void *src, size_t n)
{
	const char *s = src;
	char *d = dst;

	if (n <= 16) {
		copy_small(d, s, n);
	} else if ((uintptr_t)d - (uintptr_t)s >= n) {	/* destination before, or apart */
		if (n >= REP_MIN) {
			__asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
			return dst;
		}
		for (; n >= 8; n -= 8, d += 8, s += 8)
			*(any64 *)d = *(const any64 *)s;
		while (n--)
			*d++ = *s++;
	} else {
		for (; n >= 8; n -= 8)
			*(any64 *)(d + n - 8) = *(const any64 *)(s + n - 8);
		while (n--)
			d[n] = s[n];
	}
	return dst;
}

PLAIN_LOOPS void *memset(void *dst, int byte, size_t n)
{
	uint64_t value = 0x0101010101010101ull * (uint8_t)byte;
	char *d = dst;

	if (n >= REP_MIN) {
		__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(byte) : "memory");
		return dst;
	}
	if (n >= 8) {
		for (size_t i = 0; i + 8 <= n; i += 8)
			*(any64 *)(d + i) = value;
		*(any64 *)(d + n - 8) = value;
	} else {
		for (size_t i = 0; i < n; i++)
			d[i] = (char)byte;
	}
	return dst;
}

PLAIN_LOOPS int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	while (n >= 8 && *(const any64 *)x == *(const any64 *)y) {
		x += 8;
		y += 8;
		n -= 8;
	}
	for (; n; n--, x++, y++) {
		if (*x != *y)
			return *x - *y;
	}
	return 0;
}

/* What clang makes of memcmp() == 0; libc's own would bring its memcmp() along. */
int bcmp(const void *a, const void *b, size_t n) __attribute__((alias("memcmp")));

PLAIN_LOOPS size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

PLAIN_LOOPS size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

PLAIN_LOOPS int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (unsigned char)*a - (unsigned char)*b;
}

PLAIN_LOOPS int strncmp(const char *a, const char *b, size_t n)
{
	while (n && *a && *a == *b) {
		a++;
		b++;
		n--;
	}
	return n ? (unsigned char)*a - (unsigned char)*b : 0;
}

PLAIN_LOOPS char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)(uintptr_t)s;
		if (!*s)
			return NULL;
	}
}

PLAIN_LOOPS void *memchr(const void *s, int c, size_t n)
{
	const unsigned char *p = s;

	for (; n; n--, p++) {
		if (*p == (unsigned char)c)
			return (void *)(uintptr_t)p;
	}
	return NULL;
}
