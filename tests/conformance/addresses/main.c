// SPDX-License-Identifier: MIT
/*
 * Addresses are those of RAM, as a whole: beyond its end, across its end, around the end of 64 bits,
 * registers of devices and holes are -EFAULT in every call that takes one; the last bytes of RAM
 * are good.
 */
#include "case.h"
#include "page.h"

CASE_NEEDS(0, 0);
CASE_MACHINE("--disk null=64M,device=pv");

/* 8-byte aligned, and whole pages; nothing of them is RAM. */
static uint64_t nowhere[] = {
	0 /* the end of RAM */, 0xc0000000, 0xd0000000, 0xfec00000, 0xfee00000, 0xfffff000, NOT_RAM,
	1ul << 51, 1ul << 52, 1ul << 62, 1ul << 63, -4096ul,
	0x7fff80100000, 0xffffffff80100000, 0xffff888000100000,
};

/* Arguments that get as far as the address. */
static void one(uint64_t number, uint64_t address)
{
	uint64_t args[6] = { 0 };
	const struct case_call *c = &case_calls[number];

	switch (number) {
	case RING3_CALL_CONSOLE_WRITE: case RING3_CALL_CONSOLE_READ:
		args[1] = 16;
		break;
	case RING3_CALL_SHUTDOWN:
		args[2] = 16;
		break;
	case RING3_CALL_DEVICE_CONFIG:
		args[3] = 8;
		break;
	case RING3_CALL_MMU_UPDATE:
		args[1] = 1;
		args[2] = cr3_read();
		break;
	case RING3_CALL_MULTICALL:
		args[1] = 1;
		break;
	}
	for (unsigned i = 0; i < c->args; i++)
		if (c->mask_gpa >> i & 1)
			args[i] = address;
	expect_equal(case_call(number, args, c->args), HYPERCALL_EFAULT, "%s at %lx", c->name, address);
	if (number == RING3_CALL_DEVICE_CONFIG) {
		args[1] |= RING3_CONFIG_WRITE;
		expect_equal(case_call(number, args, c->args), HYPERCALL_EFAULT, "write of config at %lx", address);
	}
}

static void across_the_end(void)
{
	uint64_t end = case_ram_end();
	uint8_t *last = phys_to_virt(end - 16);

	for (unsigned i = 0; i < 16; i++)
		last[i] = "the end of RAM.\n"[i];
	CALLS(16, CONSOLE_WRITE, end - 16, 16);
	CALLS(HYPERCALL_EFAULT, CONSOLE_WRITE, end - 16, 17);
	CALLS(HYPERCALL_EFAULT, CONSOLE_WRITE, end - 1, 2);
	CALLS(HYPERCALL_EFAULT, CONSOLE_WRITE, -1ul, 2);
	CALLS(HYPERCALL_EFAULT, CONSOLE_WRITE, -4096ul, 4096);
	CALLS(HYPERCALL_EFAULT, CONSOLE_WRITE, end - 16, ~0u);
	CALLS(HYPERCALL_EFAULT, SHUTDOWN, RING3_SHUTDOWN_PANIC, end - 16, 17);
	if (case_call_exists(RING3_CALL_CONSOLE_READ)) {
		CALLS(0, CONSOLE_READ, end - 16, 16);
		CALLS(HYPERCALL_EFAULT, CONSOLE_READ, end - 16, 17);
	}
	if (case_call_exists(RING3_CALL_DEVICE_CONFIG)) {
		CALLS(0, DEVICE_CONFIG, 0, 0, end - 8, 8);
		CALLS(HYPERCALL_EFAULT, DEVICE_CONFIG, 0, 0, end - 7, 8);
	}
	if (case_call_exists(RING3_CALL_MULTICALL)) {
		CALLS(HYPERCALL_EFAULT, MULTICALL, end - 64, 2, 0);
		CALLS(HYPERCALL_EFAULT, MULTICALL, end - 56, 1, 0);
		memset(phys_to_virt(end - 64), 0xff, 64);
		CALLS(1, MULTICALL, end - 64, 1, 0);
	}
	if (case_call_exists(RING3_CALL_MMU_UPDATE)) {
		CALLS(HYPERCALL_EFAULT, MMU_UPDATE, end - 24, 2, cr3_read());
		CALLS(HYPERCALL_EFAULT, MMU_UPDATE, end - 16, 1, cr3_read());
	}
}

void test_main(void)
{
	case_begin();
	nowhere[0] = case_ram_end();
	for (uint64_t n = 0; n < CASE_CALLS; n++)
		for (unsigned i = 0; case_call_exists(n) && i < sizeof(nowhere) / 8; i++)
			if (case_calls[n].mask_gpa)
				one(n, nowhere[i]);
	across_the_end();
}
