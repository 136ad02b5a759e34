// SPDX-License-Identifier: MIT
/*
 * What a loader tells a kernel: the command line, the memory map (as much RAM as the machine was
 * given, none of it overlapping, the kernel inside), by multiboot 1 or PVH, and modules.
 */
#include "page.h"
#include "runtime.h"
#include "test.h"

struct region { uint64_t base, size; uint32_t type; };

static struct region regions[64];
static unsigned count;

static void multiboot(const uint32_t *mb)
{
	expect(mb[0] & 1, "memory sizes");
	expect(mb[0] & (1u << 6), "memory map");
	expect(mb[1] >= 512 && mb[1] <= 640, "lower memory %u KiB", mb[1]);
	const uint8_t *p = phys_to_virt(mb[12]), *end = p + mb[11];

	while (p < end && count < 64) {
		uint32_t size = *(const uint32_t *)p;

		memcpy(&regions[count], p + 4, 20);
		count++;
		p += size + 4;
	}
	uint64_t upper = (uint64_t)mb[2] * 1024;

	expect(upper > 30ul << 20, "upper memory %lu", upper);
}

static void pvh(const uint32_t *info)
{
	expect(info[1] >= 1, "version");
	uint64_t table = info[10] | (uint64_t)info[11] << 32;
	unsigned entries = info[12];

	for (unsigned i = 0; i < entries && i < 64; i++)
		memcpy(&regions[count++], (uint8_t *)phys_to_virt(table) + i * 24, 20);
	expect(info[8] || info[9], "RSDP");
	const char *rsdp = phys_to_virt(info[8] | (uint64_t)info[9] << 32);

	expect(!memcmp(rsdp, "RSD PTR ", 8), "RSDP");
}

void test_main(void)
{
	uint64_t ram = 0, want = test_option("mib", 128) << 20;
	bool holds_kernel = false;

	expect_equal(test_option("answer", 0), 42, "command line: %s", runtime_command_line);
	if (runtime_magic == 0x2badb002)
		multiboot(phys_to_virt(runtime_info));
	else
		pvh(phys_to_virt(runtime_info));
	expect(count >= 2, "regions: %u", count);
	for (unsigned i = 0; i < count; i++) {
		struct region *r = &regions[i];

		print("%lx + %lx type %u\n", r->base, r->size, r->type);
		if (r->type != 1)
			continue;
		ram += r->size;
		holds_kernel |= r->base <= 0x100000 && r->base + r->size > virt_to_phys(image_end);
		for (unsigned j = 0; j < i; j++)
			expect(regions[j].base >= r->base + r->size ||
			       regions[j].base + regions[j].size <= r->base || regions[j].type != 1,
			       "regions %u and %u overlap", i, j);
		/* RAM it says, RAM it is: its first and last page hold what is written. */
		if (r->base >= 0x100000 && r->base + r->size <= 1ul << 30) {
			volatile uint64_t *last = phys_to_virt(r->base + r->size - 8);

			*last = 0x1234;
			expect_equal(*last, 0x1234, "last word of region %u", i);
		}
	}
	expect(holds_kernel, "the kernel's place is no RAM");
	expect(ram <= want && ram >= want - (2ul << 20),
	       "%lu KiB of RAM, the machine has %lu", ram >> 10, want >> 10);
}
