// SPDX-License-Identifier: MIT
/*
 * The byte scan.  Everything sensitive has a two-byte opcode 0f xx, so it looks
 * for 0x0f and judges the one or two bytes behind it.
 *
 *   0f 00 /0 /1 /4 /5      sldt str verr verw
 *   0f 01 /0 /1 (memory)   sgdt sidt
 *   0f 01 /4               smsw
 *   0f 01 c1 d9            vmcall vmmcall: would reach the host's own hypervisor
 *   0f 01 ee ef            rdpkru wrpkru: the guest's CPUID hides them
 *   0f 01 f9               rdtscp
 *   0f 02, 0f 03           lar lsl
 *   0f 34                  sysenter: the host's entry forgets where from
 *   0f a2                  cpuid
 *   0f c7 /7 (register)    rdpid (and rdseed, which decoding tells apart)
 *   0f 05                  syscall, in 32-bit code only: as sysenter
 */
#include "patch/scan.h"

#include <string.h>

#define NEEDS_MORE	(-1)

/* 1, 0, or NEEDS_MORE when the byte that decides was not given (b2 < 0). */
static int judge(int b1, int b2, bool wide)
{
	unsigned reg = (unsigned)b2 >> 3 & 7;
	bool memory = (unsigned)b2 < 0xc0;

	switch (b1) {
	case 0x02: case 0x03: case 0x34: case 0xa2:
		return 1;
	case 0x05:
		return !wide;
	case 0x00:
		return b2 < 0 ? NEEDS_MORE : reg == 0 || reg == 1 || reg == 4 || reg == 5;
	case 0x01:
		if (b2 < 0)
			return NEEDS_MORE;
		return reg == 4 || (memory && reg <= 1) || b2 == 0xc1 || b2 == 0xd9 || b2 == 0xee ||
		       b2 == 0xef || b2 == 0xf9;
	case 0xc7:
		return b2 < 0 ? NEEDS_MORE : !memory && reg == 7;
	}
	return 0;
}

int scan_next(const uint8_t *page, const uint8_t *tail, unsigned from, bool wide)
{
	for (unsigned i = from; i < PAGE_SIZE - 2; i++) {
		/* Eight bytes at a time while none is 0x0f. */
		while (i + 8 <= PAGE_SIZE - 2) {
			uint64_t v, zero;

			memcpy(&v, page + i, sizeof(v));
			v ^= 0x0f0f0f0f0f0f0f0ful;
			zero = (v - 0x0101010101010101ul) & ~v & 0x8080808080808080ul;
			if (zero) {
				i += (unsigned)__builtin_ctzl(zero) / 8;
				break;
			}
			i += 8;
		}
		if (i >= PAGE_SIZE - 2)
			break;
		if (page[i] == 0x0f && judge(page[i + 1], page[i + 2], wide) > 0)
			return (int)i;
	}
	for (unsigned i = (unsigned)max_u64(from, PAGE_SIZE - 2); i < PAGE_SIZE; i++) {
		int b1, b2;

		if (page[i] != 0x0f)
			continue;
		b1 = i + 1 < PAGE_SIZE ? page[i + 1] : tail ? tail[0] : -1;
		b2 = tail ? tail[i + 2 - PAGE_SIZE] : -1;
		if (b1 < 0 || judge(b1, b2, wide) != 0)
			return (int)i;
	}
	return -1;
}

bool scan_sensitive(const struct insn *insn, bool wide)
{
	switch (insn->zy.mnemonic) {
	case ZYDIS_MNEMONIC_CPUID:
	case ZYDIS_MNEMONIC_SLDT:
	case ZYDIS_MNEMONIC_STR:
	case ZYDIS_MNEMONIC_VERR:
	case ZYDIS_MNEMONIC_VERW:
	case ZYDIS_MNEMONIC_SGDT:
	case ZYDIS_MNEMONIC_SIDT:
	case ZYDIS_MNEMONIC_SMSW:
	case ZYDIS_MNEMONIC_VMCALL:
	case ZYDIS_MNEMONIC_VMMCALL:
	case ZYDIS_MNEMONIC_RDPKRU:
	case ZYDIS_MNEMONIC_WRPKRU:
	case ZYDIS_MNEMONIC_RDTSCP:
	case ZYDIS_MNEMONIC_RDPID:
	case ZYDIS_MNEMONIC_LAR:
	case ZYDIS_MNEMONIC_LSL:
	case ZYDIS_MNEMONIC_SYSENTER:
		return true;
	case ZYDIS_MNEMONIC_SYSCALL:
		return !wide;
	default:
		return false;
	}
}
