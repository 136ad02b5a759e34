// SPDX-License-Identifier: MIT
/*
 * Fuzzes the hypercalls in the process, with abi/ring3.abi as grammar: each operation is a call
 * of the list (or a number that is not in it) whose arguments are of the types that it has there:
 * constants of the family named, structures with sizes that are right, nearly or not at
 * all, arrays with the count that goes with them, multicalls of further calls.  Properties:
 *
 *  - results are 0 to 2^32 - 1 or one of the errors of docs/abi.md;
 *  - -ENOSYS exactly for numbers that are not in the list, -EINVAL for upper halves that are not 0;
 *  - a refused call changes no memory, and no call any that its arguments do not name;
 *  - nothing but an accepted shutdown stops the machine.
 *
 * Memory that the guest may name is the sandbox (and the last page), the rest of RAM is watched;
 * where a device may have followed the guest's descriptors anywhere (a kick that was good), it is
 * not, for that input.
 * Input: bytes that choices are taken from; when there are no more, it is over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/ring3_abi.h"
#include "base/arena.h"
#include "base/clock.h"
#include "device/platform.h"
#include "device/virtio_pv.h"
#include "hostio/io.h"
#include "hypercall/hypercall.h"
#include "machine/irq.h"
#include "machine/kvmclock.h"
#include "machine/machine.h"
#include "memory/ram.h"

#define RAM		(1 * MIB)
#define SANDBOX		(256 * KIB)	/* from 0 */
#define WATCHED		(RAM - SANDBOX - PAGE_SIZE)	/* behind it; RAM's end is the guest's, too */
#define MARGIN		8192ul		/* more than one call writes behind an address */
#define CALLS_MAX	64u		/* an input */
#define DEVICES		2u
#define NUMBERS		64u
#define ARGS		6u

#define check(cond) do { if (!(cond)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void vcpu_kick(void) { }
void kvmclock_update(void) { }

/* ---- the grammar ---- */

enum type { u32, u64, gpa };

struct argument {
	enum type type;
	const char *what;
	int count;
};

static struct call {
	bool known;
	uint8_t args, mask32;
	struct argument arg[ARGS];
} calls[NUMBERS];

static uint8_t known_calls[NUMBERS];
static unsigned known_count;

static const struct { const char *name; uint64_t value; } constants[] = {
#define GRAMMAR_CONST(name, value) { #name, value },
#include "abi/abi_grammar.h"
};

struct field { const char *structure; uint8_t bytes, count; uint16_t offset; };

static const struct field fields[] = {
#define GRAMMAR_FIELD(s, name, bytes, count, offset) { #s, bytes, count, offset },
#include "abi/abi_grammar.h"
};

static const struct { const char *name; uint32_t size; } structures[] = {
#define GRAMMAR_STRUCT(name, size) { #name, size },
#include "abi/abi_grammar.h"
};

static void grammar_read(void)
{
#define GRAMMAR_CALL(number, name, feature, minor, count, of_32_bits, of_addresses)	\
	calls[number] = (struct call){ .known = true, .args = count, .mask32 = of_32_bits };	\
	known_calls[known_count++] = number;
#define GRAMMAR_ARGUMENT(number, n, kind, name, points_to, counted_by)			\
	calls[number].arg[n] = (struct argument){ kind, points_to, counted_by };
#include "abi/abi_grammar.h"
}

/* ---- choices ---- */

static const uint8_t *input;
static size_t left;

static uint64_t take(unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes && left; i++, left--)
		v = v << 8 | *input++;
	return v;
}

/* RAM that is not the sandbox is nobody's: what would be there is moved into it. */
static uint64_t in_sandbox(uint64_t v)
{
	return v < RAM - PAGE_SIZE ? v % (SANDBOX - MARGIN) : v;
}

static uint64_t constant_of(const char *family)
{
	unsigned n = 0, chosen = (unsigned)take(1);

	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < array_size(constants); i++) {
			if (strncmp(constants[i].name, family, strlen(family)))
				continue;
			if (pass && chosen-- == 0)
				return constants[i].value;
			n += !pass;
		}
		if (!n)
			return 0;
		if (!pass)
			chosen %= n;
	}
	return 0;
}

static uint64_t address(void)
{
	uint64_t at = take(2) * 8;

	switch (take(1) % 16) {
	case 0: return take(8) | 1ul << 40;
	case 1: return RAM - take(1);		/* across the end */
	case 2: return -take(2);
	case 3: return 0xfee00000 + take(1) * 16;
	case 4: return in_sandbox(at + take(1) % 8);
	case 5: case 6: case 7: case 8: return in_sandbox(at * 8) & ~4095ul;
	default: return in_sandbox(at);
	}
}

static uint64_t value(enum type type, const char *family)
{
	uint64_t v;

	switch (take(1) % 16) {
	case 0: v = take(8); break;
	case 1: v = 1ul << take(1) % 64; break;
	case 2: v = (1ul << take(1) % 64) - 1; break;
	case 3: v = ~take(1); break;
	case 4: v = take(4); break;
	case 5: v = type == u64 ? address() : take(2); break;
	case 6: case 7: case 8: v = take(1); break;
	case 9: v = 1ul << 32; break;		/* VERSION_1 of a device */
	case 10: v = 15; break;
	default: v = *family ? constant_of(family) : take(1) % 4; break;
	}
	if (type == u32 && take(1) % 32)
		v = (uint32_t)v;
	return v;
}

static uint8_t *at(uint64_t address_in_ram) { return (uint8_t *)LAYOUT_RAM + address_in_ram; }

static uint64_t call_choose(uint64_t args[ARGS], bool outer);

/* One structure in the sandbox; its size, if it begins with one, mostly right. */
static void structure_write(const char *name, uint64_t to, uint32_t size)
{
	bool sized = !strcmp(name, "vcpu_page") || !strcmp(name, "device_info") || !strcmp(name, "queue");

	for (unsigned i = 0; i < array_size(fields); i++) {
		const struct field *f = &fields[i];

		if (strcmp(f->structure, name))
			continue;
		for (unsigned n = 0; n < f->count; n++) {
			uint64_t v = f->bytes == 8 ? address() : value(u64, "EVENT_");

			memcpy(at(to + f->offset + n * f->bytes), &v, f->bytes);
		}
	}
	if (sized) {
		uint32_t given = take(1) % 8 ? size : (uint32_t)value(u32, "");

		memcpy(at(to), &given, sizeof(given));
		if (take(1) % 8 == 0)
			at(to)[size + take(1)] = (uint8_t)take(1);
	}
}

static void multicall_write(uint64_t to, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct ring3_multicall call;

		call.number = call_choose(call.args, false);
		call.result = 0;
		memcpy(at(to + i * sizeof(call)), &call, sizeof(call));
	}
}

/* What lies at an address that a call is told of. */
static void memory_write(const struct argument *a, uint64_t to, uint64_t count, bool outer)
{
	unsigned n = a->count < 0 ? 1 : (unsigned)(count > 8 ? 8 : count);

	if (to >= SANDBOX - MARGIN)
		return;
	if (!strcmp(a->what, "multicall") && outer)
		return multicall_write(to, n);
	for (unsigned i = 0; i < array_size(structures); i++)
		for (unsigned k = 0; k < n && !strcmp(structures[i].name, a->what); k++)
			structure_write(a->what, to + k * structures[i].size, structures[i].size);
}

static uint64_t call_choose(uint64_t args[ARGS], bool outer)
{
	uint64_t number = known_calls[take(1) % known_count];
	const struct call *c = &calls[number];

	for (unsigned i = 0; i < ARGS; i++)
		args[i] = i >= c->args ? take(1) : c->arg[i].type == gpa ? address() :
			  value(c->arg[i].type, c->arg[i].what);
	/* Devices and queues that are there, more often than not. */
	if (number >= RING3_CALL_DEVICE_INFO && number <= RING3_CALL_QUEUE_RESET && take(1) % 8)
		args[0] %= DEVICES;
	if (take(1) % 64 == 0)
		number = take(8);
	for (unsigned i = 0; i < c->args; i++)
		if (c->arg[i].type == gpa)
			memory_write(&c->arg[i], args[i], c->arg[i].count < 0 ? 1 : args[c->arg[i].count],
				     outer);
	return number;
}

/* ---- one call ---- */

static struct vcpu vcpu;
static uint8_t sandbox_before[SANDBOX], watched[WATCHED];
static bool kicked;

static bool documented(int64_t error)
{
	return error == -ENOSYS || error == -EINVAL || error == -EFAULT || error == -E2BIG ||
	       error == -EBUSY || error == -ENODEV;
}

static void vcpu_prepare(void)
{
	vcpu.cr0 = 1ul << 31 | 1;
	vcpu.cr4 = 1ul << 5 | 1ul << 17;
	vcpu.efer = 1ul << 8 | 1ul << 10;
	vcpu.halted = VCPU_RUNS;
}

static bool halves_are_good(const struct call *c, const uint64_t *args)
{
	for (unsigned i = 0; i < c->args; i++)
		if ((c->mask32 >> i & 1) && args[i] >> 32)
			return false;
	return true;
}

/* A multicall may have ended the machine, and kicked. */
static void call_one(void)
{
	uint64_t args[ARGS], number = call_choose(args, true);
	const struct call *c = &calls[number < NUMBERS ? number : NUMBERS - 1];
	int64_t r;

	vcpu_prepare();
	memcpy(sandbox_before, at(0), SANDBOX);
	r = hypercall_dispatch(number, args);
	check(r < 0 ? documented(r) : r <= UINT32_MAX);
	check((r == -ENOSYS) == !c->known);
	if (c->known && !halves_are_good(c, args))
		check(r == -EINVAL);
	if (r < 0)
		check(!memcmp(sandbox_before, at(0), SANDBOX));
	check(machine.stop == MACHINE_RUNNING || (r >= 0 && (number == RING3_CALL_SHUTDOWN ||
							      number == RING3_CALL_MULTICALL)));
	machine.stop = MACHINE_RUNNING;
	kicked |= r >= 0 && (number == RING3_CALL_QUEUE_KICK || number == RING3_CALL_MULTICALL ||
			     number == RING3_CALL_DEVICE_STATUS);
}

static void quiet(void)
{
	for (uint64_t n = 0; n < DEVICES; n++)
		check(hypercall_dispatch(RING3_CALL_DEVICE_STATUS, (uint64_t[ARGS]){ n, 0 }) == 0);
	check(hypercall_dispatch(RING3_CALL_VCPU_PAGE, (uint64_t[ARGS]){ 0 }) == 0);
	check(hypercall_dispatch(RING3_CALL_TIMER_SET, (uint64_t[ARGS]){ 0 }) == 0);
}

static void ignore(void *context, const uint8_t *bytes, size_t n)
{
	(void)context;
	(void)bytes;
	(void)n;
}

static void start(void)
{
	static struct uart_backend backend = { .write = ignore };
	static const struct machine_config config = {
		.disk = { { .backend = { .path = "null", .null_size = MIB }, .device = DISK_PV } },
		.disks = 1,
		.net = { { .backend = { .kind = NET_NULL }, .device = NET_DEVICE_PV, .mac = { 2, 1 } } },
		.nets = 1,
	};

	grammar_read();
	check(!arena_init() && !ram_init(RAM) && !clock_init() && !platform_init(&backend, &config) &&
	      !io_start(IO_AUTO));
	vcpu_prepare();
	hypercall_init(&vcpu);
	check(!hypercall_dispatch(RING3_CALL_VERSION,
				  (uint64_t[ARGS]){ RING3_ABI_VERSION, RING3_FEATURES_ALL }));
	for (unsigned i = 0; i < sizeof(watched); i++)
		watched[i] = (uint8_t)(i * 7 + i / 4096);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;

	if (!ready)
		start();
	ready = true;
	if (size > 4096)
		return 0;
	input = data;
	left = size;
	kicked = false;
	memset(at(0), 0, SANDBOX);
	memcpy(at(SANDBOX), watched, sizeof(watched));
	for (unsigned i = 0; i < CALLS_MAX && left; i++) {
		call_one();
		io_poll();
		platform_poll();
	}
	quiet();
	if (!kicked)
		check(!memcmp(at(SANDBOX), watched, sizeof(watched)));
	return 0;
}
