// SPDX-License-Identifier: MIT
/*
 * Guest RAM on the heap, in place of memory/ram.c, so that the address
 * sanitizer sees every access beyond its ends (its own shadow lies where the
 * real RAM is mapped).  Only for code that uses no ram_page().
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "memory/ram.h"

struct ram_pieces ram_pieces;

static uint8_t *ram;

int ram_init(uint64_t size)
{
	free(ram);
	ram = calloc(1, size);
	ram_pieces.low = ram ? size : 0;
	return ram ? 0 : -ENOMEM;
}

uint64_t ram_low_size(void)
{
	return ram_pieces.low;
}

uint64_t ram_high_size(void)
{
	return 0;
}

bool ram_contains(gpa_t addr, uint64_t len)
{
	return addr.v < ram_pieces.low && len <= ram_pieces.low - addr.v;
}

const void *ram_pointer(gpa_t addr, uint64_t len)
{
	return ram_writable(addr, len);
}

void *ram_writable(gpa_t addr, uint64_t len)
{
	return ram_contains(addr, len) ? ram + addr.v : NULL;
}

bool ram_read(gpa_t addr, void *buf, uint64_t len)
{
	if (!ram_contains(addr, len))
		return false;
	memcpy(buf, ram + addr.v, len);
	return true;
}

bool ram_write(gpa_t addr, const void *buf, uint64_t len)
{
	if (!ram_contains(addr, len))
		return false;
	memcpy(ram + addr.v, buf, len);
	return true;
}
