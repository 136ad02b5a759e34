/* SPDX-License-Identifier: MIT */
/*
 * Guest RAM: the memfd, its flat mapping and the bitmap of code pages.
 *
 * Everything that arrives here as a gpa_t may come from the guest and is
 * checked; pointers go out only for ranges that lie wholly in one piece.
 */
#include "memory/ram.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"

#define RAM_MIN		MIB

struct ram_pieces ram_pieces;
uint64_t *ram_code_bits;
void (*ram_code_written)(gpa_t page);

static int fd = -1;

static int piece_map(uint64_t at, uint64_t size, uint64_t offset)
{
	void *want = (void *)at;
	void *p;

	if (!size)
		return 0;
	p = mmap(want, size, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, fd, (off_t)offset);
	if (p == MAP_FAILED)
		return -errno;
	if (p != want) {
		munmap(p, size);
		return -EEXIST;
	}
	return 0;
}

static int view_map(uint64_t base, uint64_t low, uint64_t high)
{
	int ret = piece_map(base, low, 0);

	if (ret)
		return ret;
	ret = piece_map(base + RAM_HIGH_BASE, high, low);
	if (ret)
		munmap((void *)base, low);
	return ret;
}

static void view_unmap(uint64_t base, uint64_t low, uint64_t high)
{
	munmap((void *)base, low);
	if (high)
		munmap((void *)(base + RAM_HIGH_BASE), high);
}

/* A memfd is swappable, so what the host has is RAM and swap. */
static bool host_has(uint64_t size)
{
	struct sysinfo info;

	if (sysinfo(&info) < 0)
		return true;
	return size <= ((uint64_t)info.totalram + info.totalswap) * info.mem_unit;
}

int ram_init(uint64_t size)
{
	uint64_t low = min_u64(size, RAM_LOW_MAX), high = size - low;
	int ret;

	if (size < RAM_MIN || size % PAGE_SIZE)
		return -EINVAL;
	if (high > LAYOUT_RAM_SIZE - RAM_HIGH_BASE || !host_has(size))
		return -ENOMEM;
	ret = arena_init();
	if (ret)
		return ret;
	fd = memfd_create("guest-ram", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0) {
		ret = errno == EFBIG ? -ENOMEM : -errno;
		goto fail;
	}
	ret = view_map(LAYOUT_RAM, low, high);
	if (ret)
		goto fail;
	ret = view_map(LAYOUT_DMA, low, high);
	if (ret) {
		view_unmap(LAYOUT_RAM, low, high);
		goto fail;
	}
	ram_pieces.low = low;
	ram_pieces.high = high;
	ram_code_bits = arena_alloc(align_up(size / PAGE_SIZE, 64) / 8, 64);
	return 0;
fail:
	close(fd);
	fd = -1;
	return ret;
}

int ram_fd(void)
{
	return fd;
}

uint64_t ram_size(void)
{
	return ram_pieces.low + ram_pieces.high;
}

uint64_t ram_low_size(void)
{
	return ram_pieces.low;
}

uint64_t ram_high_size(void)
{
	return ram_pieces.high;
}

bool ram_contains(gpa_t addr, uint64_t len)
{
	uint64_t high = addr.v - RAM_HIGH_BASE;

	if (addr.v < ram_pieces.low)
		return len <= ram_pieces.low - addr.v;
	return high < ram_pieces.high && len <= ram_pieces.high - high;
}

uint64_t ram_offset(gpa_t addr)
{
	return addr.v < RAM_HIGH_BASE ? addr.v : addr.v - RAM_HIGH_BASE + ram_pieces.low;
}

gpa_t ram_gpa(uint64_t offset)
{
	return GPA(offset < ram_pieces.low ? offset : offset - ram_pieces.low + RAM_HIGH_BASE);
}

const void *ram_pointer(gpa_t addr, uint64_t len)
{
	return ram_contains(addr, len) ? (const void *)(LAYOUT_RAM + addr.v) : NULL;
}

static void code_drop(gpa_t addr, uint64_t len)
{
	for (uint64_t page = addr.v & PAGE_MASK; page < addr.v + len; page += PAGE_SIZE) {
		if (likely(!ram_is_code(GPA(page))))
			continue;
		if (ram_code_written)
			ram_code_written(GPA(page));
		else
			ram_mark_code(GPA(page), false);
	}
}

void *ram_writable(gpa_t addr, uint64_t len)
{
	if (!ram_contains(addr, len))
		return NULL;
	code_drop(addr, len);
	return (void *)(LAYOUT_RAM + addr.v);
}

void ram_dma_written(gpa_t addr, uint64_t len)
{
	bug_on(!ram_contains(addr, len));
	code_drop(addr, len);
}

void ram_dma_pointer_written(const void *p, uint64_t len)
{
	ram_dma_written(GPA((uint64_t)p - LAYOUT_DMA), len);
}

bool ram_read(gpa_t addr, void *buf, uint64_t len)
{
	const void *p = ram_pointer(addr, len);

	if (!p)
		return false;
	memcpy(buf, p, len);
	return true;
}

bool ram_write(gpa_t addr, const void *buf, uint64_t len)
{
	void *p = ram_writable(addr, len);

	if (!p)
		return false;
	memcpy(p, buf, len);
	return true;
}

void ram_mark_code(gpa_t page, bool code)
{
	uint64_t index = ram_offset(page) >> PAGE_SHIFT;

	bug_on(!ram_contains(page, 1));
	if (code)
		ram_code_bits[index / 64] |= 1ull << (index % 64);
	else
		ram_code_bits[index / 64] &= ~(1ull << (index % 64));
}
