// SPDX-License-Identifier: MIT
/*
 * Random programs; see soup.h.  Left out is what is undefined (flags of MUL, DIV, wide shifts; AF
 * after logic must not get anywhere) or differs between machines by right (CPUID, TSC, ports).
 */
#include "soup.h"

#include "random.h"

#include "runtime.h"

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

static struct soup *soup;
static uint8_t *out;
static unsigned length, patches[8], patch_count;

uint64_t soup_random(struct soup *s)
{
	random_step(&s->seed);
	return s->seed * 0x2545f4914f6cdd1dul;
}

static unsigned pick(unsigned n)
{
	return (unsigned)((soup_random(soup) >> 33) % n);
}

static void byte(unsigned b)
{
	out[length++] = (uint8_t)b;
}

static void word32(uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		byte(v >> (i * 8));
}

static void text(const char *bytes, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		byte((uint8_t)bytes[i]);
}
#define TEXT(bytes) text(bytes, sizeof(bytes) - 1)

/* ModRM and what follows for a memory operand; `reg` as given.  trailing: immediate bytes. */
static void memory(unsigned reg, unsigned trailing)
{
	static const uint8_t bases[] = { RBX, RSI, RDI, RBP };
	unsigned base = bases[pick(4)];

	switch (pick(32)) {
	case 0: case 10: case 11: case 12: case 13:	/* RIP-relative */
		byte(reg << 3 | 5);
		word32((uint32_t)(soup->data + pick(4000) - (soup->code + length + 4 + trailing)));
		break;
	case 1:				/* base + index * scale + disp8: seldom good for anything */
		byte(0x44 | reg << 3);
		byte(pick(4) << 6 | RAX << 3 | base);
		byte(pick(256));
		break;
	case 2: case 14: case 15: case 16:		/* RSP */
		byte(0x44 | reg << 3);
		byte(0x20 | RSP);
		byte(pick(64));
		break;
	case 3: case 17: case 18:
		byte(0x80 | reg << 3 | base);
		word32(pick(512));
		break;
	default:
		byte(0x40 | reg << 3 | base);
		byte(pick(128));
		break;
	}
}

/* Not the stack pointer, seldom a pointer. */
static unsigned target(void)
{
	static const uint8_t regs[] = { RAX, RCX, RDX };

	return pick(100) ? regs[pick(3)] : pick(8) == RSP ? RAX : RBX;
}

static void rex(void)
{
	if (pick(4))
		byte(0x48);
}

static void arithmetic(void)
{
	static const uint8_t ops[] = { 0x01, 0x09, 0x11, 0x19, 0x21, 0x29, 0x31, 0x39 };
	unsigned op = ops[pick(8)], kind = pick(5);

	if (kind == 3 && op != 0x39)
		byte(0xf0);
	rex();
	switch (kind) {
	case 0:
		byte(op);
		byte(0xc0 | pick(8) << 3 | target());
		break;
	case 1:
		byte(op + 2);
		memory(target(), 0);
		break;
	case 2: case 3:
		byte(op);
		memory(pick(8), 0);
		break;
	default:
		byte(0x83);
		memory(op >> 3, 1);
		byte(pick(256));
		break;
	}
}

static void move(void)
{
	switch (pick(8)) {
	case 0:
		rex();
		byte(0x89);
		byte(0xc0 | pick(8) << 3 | target());
		break;
	case 1:
		rex();
		byte(0x8b);
		memory(target(), 0);
		break;
	case 2:
		rex();
		byte(0x89);
		memory(pick(8), 0);
		break;
	case 3:
		byte(0x48);
		byte(0x0f);
		byte(pick(2) ? 0xb6 : 0xbf);
		memory(target(), 0);
		break;
	case 4:
		byte(0xc6);
		memory(0, 1);
		byte(pick(256));
		break;
	case 5:
		byte(0x48);
		byte(0x8d);
		memory(target(), 0);
		break;
	case 6:
		byte(0x48);
		byte(0xc7);
		memory(0, 4);
		word32(pick(0x10000));
		break;
	default:				/* AH .. BH too */
		byte(0x88 | pick(2) << 1);
		memory(pick(4) | (out[length - 1] == 0x88 ? pick(2) << 2 : 0), 0);
		break;
	}
}

static void one_operand(void)
{
	static const uint8_t shifts[] = { 0, 1, 4, 5, 7 };

	rex();
	switch (pick(4)) {
	case 0:
		byte(0xff);
		memory(pick(2), 0);
		break;
	case 1:
		byte(0xf7);
		byte(0xd0 | pick(2) << 3 | target());
		break;
	case 2:
		byte(0xd1);
		byte(0xc0 | shifts[pick(5)] << 3 | target());
		break;
	default:
		byte(0x0f);
		byte(0x40 | pick(16));
		byte(0xc0 | target() << 3 | pick(8));
		break;
	}
}

static void locked(void)
{
	static const uint8_t bit_ops[] = { 5, 6, 7 };

	byte(0xf0);
	byte(0x48);
	switch (pick(3)) {
	case 0:				/* xadd */
		TEXT("\x0f\xc1");
		memory(target(), 0);
		break;
	case 1:				/* cmpxchg */
		TEXT("\x0f\xb1");
		memory(pick(8), 0);
		break;
	default:
		TEXT("\x0f\xba");
		memory(bit_ops[pick(3)], 1);
		byte(pick(64));
		TEXT("\x0f\x92\xc2\x85\xc0");			/* setc %dl; test %eax, %eax */
		break;
	}
}

static void stack(void)
{
	switch (pick(10)) {
	case 0: case 1:
		byte(0x50 | pick(8));
		break;
	case 2: case 3:
		byte(0x58 | target());
		break;
	case 4:
		byte(0xff);
		memory(6, 0);
		break;
	case 5:
		byte(0x8f);
		memory(0, 0);
		break;
	case 6:
		TEXT("\x54\x5a\x48\x29\xe2");			/* push %rsp; pop %rdx; sub %rsp, %rdx */
		break;
	case 7:
		TEXT("\x48\x8d\x64\x24");			/* lea disp(%rsp), %rsp */
		byte(pick(8) * 8 - 32);
		break;
	case 8:
		TEXT("\x9c\x48\x81\x24\x24\xc5\x0c\x00\x00\x9d");	/* pushf; and $0xcc5, (%rsp); popf */
		break;
	default:
		TEXT("\xc8\x20\x00\x00\x48\x89\x44\x24\x08\xc9");	/* enter $32; mov %rax, 8(%rsp); leave */
		break;
	}
}

/* Forward by at least one instruction: patched when that begins. */
static void branch(void)
{
	if (patch_count == 8)
		return;
	switch (pick(5)) {
	case 0: case 1:
		byte(0x70 | pick(16));
		break;
	case 2:
		byte(0xeb);
		break;
	case 3:
		byte(0xe3);
		break;
	default:			/* lea to, %rcx; then jump or call there, or by push and ret */
		TEXT("\x48\x8d\x0d\x02\x00\x00\x00");
		if (pick(2))
			TEXT("\xff\xe1");
		else
			TEXT("\x51\xc3");
		return;
	}
	patches[patch_count++] = length;
	byte(0);
}

static void calls(void)
{
	switch (pick(3)) {
	case 0:
		TEXT("\xe8\x00\x00\x00\x00\x5a");		/* call 1f; 1: pop %rdx */
		break;
	case 1:
		TEXT("\xe8\x02\x00\x00\x00\xeb\x01\xc3");	/* call 1f; jmp 2f; 1: ret; 2: */
		break;
	default:		/* lea 1f, %rcx; push %rcx; call *(%rsp); jmp 2f; 1: ret $8; 2: */
		TEXT("\x48\x8d\x0d\x06\x00\x00\x00\x51\xff\x14\x24\xeb\x03\xc2\x08\x00");
		break;
	}
}

static void strings(void)
{
	static const uint8_t ops[] = { 0xa4, 0xa5, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xa6 };
	unsigned op = ops[pick(8)], repeated = pick(2);

	if (pick(8) == 0)
		byte(pick(2) ? 0xfd : 0xfc);
	if (repeated) {
		byte(0xb9);
		word32(pick(40));
		byte(pick(2) && (op == 0xae || op == 0xa6) ? 0xf2 : 0xf3);
	}
	rex();
	byte(op);
}

static void vector(void)
{
	switch (pick(5)) {
	case 0:
		TEXT("\xf3\x0f\x6f");
		memory(pick(8), 0);
		break;
	case 1:
		TEXT("\xf3\x0f\x7f");
		memory(pick(8), 0);
		break;
	case 2:
		TEXT("\x66\x0f\xd4");
		byte(0xc0 | pick(64));
		break;
	case 3:
		TEXT("\x66\x48\x0f\x7e");
		byte(0xc0 | pick(8) << 3 | target());
		break;
	default:
		TEXT("\x66\x48\x0f\x6e");
		byte(0xc0 | pick(64));
		break;
	}
}

/* Carry kept in DL, the other flags made defined. */
static void settle(void)
{
	TEXT("\x0f\x92\xc2\x85\xc0");			/* setc %dl; test %eax, %eax */
}

/*
 * The stack pointer as a value: what an engine that biases it must get right.  SF behind AND, SUB
 * and ADD of an immediate is not looked at (docs/decisions/0004-stack-pointer-flags.md).
 */
static void stack_pointer(void)
{
	static const char *const texts[] = {
		"\x48\x83\xe4\xf0\x85\xc0",				/* and $-16, %rsp; test %eax, %eax */
		"\x48\x83\xec\x18\x0f\x97\xc0\x85\xc0",		/* sub $24, %rsp; seta %al; test */
		"\x48\x83\xc4\x10\x0f\x97\xc0\x85\xc0",		/* add $16, %rsp; seta %al; test */
		"\x48\x39\xe2", "\x48\x3b\x23", "\x48\x85\xe4",	/* cmp, cmp (%rbx), %rsp; test */
		"\x48\x89\x63\x30\x48\x8b\x63\x30",			/* to memory and back */
		"\x48\x87\xe2\x90\x48\x87\xd4",			/* xchg %rsp, %rdx twice */
		"\x54\x5c", "\x48\xff\xc4\x48\xff\xcc",		/* push, pop; inc, dec */
		"\x48\xf7\xdc\x48\xf7\xdc", "\x48\xf7\xd4\x48\xf7\xd4",	/* neg, not: twice */
		"\x48\x01\xe2", "\x48\x11\xe0", "\x48\x31\xe1", "\x48\x29\xe2",
		"\x48\x89\xe2\x48\x0f\x44\xe2",			/* mov %rsp, %rdx; cmovz %rdx, %rsp */
		"\x48\x0f\x45\xd4", "\x48\x0f\x4c\xc4",		/* cmov %rsp */
		"\x89\xe2", "\x66\x89\xe2", "\x40\x88\xe2", "\x39\xe0", "\x66\x48\x0f\x6e\xc4",
		"\x48\x0f\xcc\x48\x0f\xcc", "\x48\xc1\xc4\x08\x48\xc1\xcc\x08",
		"\x55\x48\x89\xe5\x48\x83\xec\x10\x50\xc9",		/* a frame */
		"\x48\x8d\x54\x24\x08\x48\x89\x54\x24\x10",		/* lea 8(%rsp), %rdx; store it */
		"\x48\x89\x64\x24\xf8\x48\x03\x54\x24\xf8",		/* below the stack pointer */
		"\x48\x01\x24\x24", "\x48\x03\x24\x24\x48\x2b\x24\x24",
		"\x6a\x07\x8f\x44\x24\x08", "\x68\x44\x33\x22\x71", "\x66\x50\x66\x59",
		"\x48\x8d\x64\x24\x08\xff\x74\x24\xf8",
	};

	for (const char *t = texts[pick(sizeof(texts) / sizeof(texts[0]))]; *t; t++)
		byte((uint8_t)*t);
}

/* R8 .. R15, as operands and as bases. */
static void extended(void)
{
	static const uint8_t ops[] = { 0x01, 0x11, 0x29, 0x31, 0x39, 0x89, 0x03, 0x8b, 0x2b, 0x33 };
	unsigned op = ops[pick(10)];

	switch (pick(4)) {
	case 0:				/* among R8 .. R15, but the pointers R8, R12, R13 */
		byte(0x4d);
		byte(op & ~2u);
		byte(0xc0 | pick(8) << 3 | (pick(2) ? 1 : 6 + pick(2)));
		break;
	case 1:
		byte(0x4c);
		byte(op & ~2u);
		byte(0xc0 | pick(8) << 3 | target());
		break;
	case 2:
		byte(0x49);
		byte(op);
		byte(0x40 | target() << 3 | (pick(2) ? 0 : 5));	/* disp8(%r8), disp8(%r13) */
		byte(pick(128));
		break;
	default:
		byte(0x49);
		byte(op);
		byte(0x44 | target() << 3);
		byte(0x24);						/* disp8(%r12) */
		byte(pick(128));
		break;
	}
}

static void wide(void)
{
	switch (pick(6)) {
	case 0:				/* shifts by immediate and by CL */
		byte(0x48);
		byte(0xc1);
		byte((pick(2) ? 0xe0 : 0xe8) | target());
		byte(pick(64));
		settle();
		break;
	case 1:
		rex();
		byte(0xd3);
		byte((pick(2) ? 0xf8 : 0xc0) | target());
		settle();
		break;
	case 2:				/* mul, imul */
		byte(0x48);
		byte(0xf7);
		memory(4 + pick(2), 0);
		settle();
		break;
	case 3:
		TEXT("\x48\x0f\xaf");
		memory(target(), 0);
		settle();
		break;
	case 4:
		TEXT("\xb9\x03\x00\x00\x00\x48\xff\xc0\xe2\xfb");	/* a loop of three */
		break;
	default:			/* 16 bits */
		byte(0x66);
		byte(pick(2) ? 0x03 : 0x01);
		memory(target(), 0);
		break;
	}
}

/* FS and GS. */
static void based(void)
{
	byte(pick(2) ? 0x64 : 0x65);
	byte(0x48);
	switch (pick(3)) {
	case 0:
		byte(pick(2) ? 0x8b : 0x89);
		byte(0x04 | target() << 3);
		byte(0x25);
		word32(pick(1024));
		break;
	case 1:
		byte(0xff);
		byte(0x04);
		byte(0x25);
		word32(pick(1024));
		break;
	default:
		byte(0x01);
		byte(0x04 | target() << 3);
		byte(0x25);
		word32(pick(1024));
		break;
	}
}

static void flags(void)
{
	static const uint8_t ops[] = { 0xf8, 0xf9, 0xf5, 0x90, 0x9e, 0x98, 0x99, 0x90 };

	switch (pick(4)) {
	case 0:
		TEXT("\x0f");
		byte(0x90 | pick(16));
		byte(0xc0 | target());
		break;
	case 1:
		byte(0x48);
		byte(0x0f);
		byte(0xc8 | target());
		break;
	case 2:
		TEXT("\x9f\x25\xff\xef\xff\xff");		/* lahf; and $~0x1000, %eax */
		break;
	default:
		byte(ops[pick(8)]);
		break;
	}
}

static void privileged(void)
{
	static const char *const texts[] = {
		"\xfa", "\xfb", "\x0f\x06", "\x0f\x20\xd8\x0f\x22\xd8", "\x0f\x01\xf8\x0f\x01\xf8", "\x8c\xd8\x8e\xd8",
		"\x0f\x01\x3e", "\x44\x0f\x20\xc1\x44\x0f\x22\xc1", "\x0f\x20\xe1\x0f\x22\xe1", "\x8e\xd1\x90",
		"\xfa\xfb\xfa", "\x0f\x0b", "\xcc", "\xcd\x40",
	};
	unsigned n = pick(14);

	if (n == 9)
		TEXT("\x8c\xd1");			/* mov %ss, %ecx before mov %ecx, %ss */
	for (const char *t = texts[n]; *t; t++)
		byte((uint8_t)*t);
}

unsigned soup_make(struct soup *s, uint8_t *at, unsigned instructions)
{
	static void (*const kinds[])(void) = {
		arithmetic, arithmetic, arithmetic, move, move, move, one_operand, locked, stack, stack,
		branch, branch, calls, strings, vector, flags, stack_pointer, stack_pointer,
		extended, extended,
		wide, based,
	};

	soup = s;
	out = at;
	length = patch_count = 0;
	for (unsigned i = 0; i < instructions && length < SOUP_SIZE - 64; i++) {
		/* A boundary: some of the open branches end here. */
		for (unsigned p = 0; p < patch_count;) {
			unsigned distance = length - patches[p] - 1;

			if (distance && (pick(3) == 0 || distance > 90)) {
				out[patches[p]] = (uint8_t)distance;
				patches[p] = patches[--patch_count];
			} else {
				p++;
			}
		}
		if (pick(s->kernel ? 8 : 40) == 0)
			privileged();
		else
			kinds[pick(sizeof(kinds) / sizeof(kinds[0]))]();
	}
	while (patch_count) {
		patch_count--;
		out[patches[patch_count]] = (uint8_t)(length - patches[patch_count] - 1);
	}
	byte(0xcd);
	byte(SOUP_END);
	return length;
}
