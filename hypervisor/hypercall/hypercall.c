// SPDX-License-Identifier: MIT
/*
 * What comes before every call, in this order: privilege, the call's existence
 * (number, version and feature accepted), the upper halves of 32-bit arguments.  So an
 * unknown call is -ENOSYS whatever its arguments, and a feature that was not accepted cannot
 * be told from one that never was.
 *
 * Existence is decided once, when the guest accepts a version: `live` holds the calls that
 * there are, and call_absent in the place of others, so that a call costs a look into a table.
 */
#include "hypercall/hypercall.h"

#include <errno.h>

#include "abi/ring3_abi.h"
#include "debug/recorder.h"
#include "debug/stats.h"
#include "debug/trace.h"
#include "device/page_clock.h"
#include "device/virtio_pv.h"
#include "emulate/emulate.h"
#include "machine/abi.h"
#include "memory/ram.h"

#define STRUCT_MAX	4096u
#define ARGS_32		4	/* 32-bit arguments are among so many */

struct vcpu *hypercall_vcpu;

static struct {
	bool frozen;
	uint32_t version;
	uint64_t features;
} accepted;

struct call {
	int64_t (*run)(const uint64_t *args);
	uint64_t clear[ARGS_32];	/* bits that must be */
	int8_t feature;			/* -1: always */
	uint8_t minor;			/* version that brought it */
	bool may_be_failed;		/* by --abi */
};

#define CLEAR(mask, i)	((mask) >> (i) & 1 ? 0xfffffffful << 32 : 0)
#define HYPERCALL(number, name, feature_bit, arguments, mask32, since, can_fail)	\
	_Static_assert((mask32) >> ARGS_32 == 0, "a 32-bit argument behind the fourth");
#include "abi/hypercall_table.h"

static const struct call calls[] = {
#define HYPERCALL(number, name, feature_bit, arguments, mask32, since, can_fail)	\
	[number] = { .run = call_##name, .feature = feature_bit, .minor = since,	\
		     .clear = { CLEAR(mask32, 0), CLEAR(mask32, 1), CLEAR(mask32, 2), CLEAR(mask32, 3) } },
#include "abi/hypercall_table.h"
};

static struct call live[array_size(calls)];

static int64_t call_absent(const uint64_t *args)
{
	(void)args;
	return -ENOSYS;
}

static bool call_exists(const struct call *call)
{
	if (!call->run || call->minor > hypercall_minor())
		return false;
	return call->feature < 0 || hypercall_accepted((unsigned)call->feature);
}

static void calls_decide(void)
{
	uint64_t failing = inject_calls();

	for (unsigned i = 0; i < array_size(calls); i++) {
		live[i] = call_exists(&calls[i]) ? calls[i] : (struct call){ .run = call_absent };
		live[i].may_be_failed = live[i].run != call_absent && failing >> i & 1;
	}
}

unsigned hypercall_minor(void)
{
	return (accepted.frozen ? accepted.version : abi_version()) & 0xffff;
}

bool hypercall_accepted(unsigned feature)
{
	return accepted.features >> feature & 1;
}

static int64_t call_make(uint64_t number, const uint64_t args[6])
{
	const struct call *call;

	if (unlikely(number >= array_size(live)))
		return -ENOSYS;
	call = &live[number];
	if (unlikely((args[0] & call->clear[0]) | (args[1] & call->clear[1]) |
		     (args[2] & call->clear[2]) | (args[3] & call->clear[3])))
		return -EINVAL;
	if (unlikely(call->may_be_failed)) {
		int64_t error = inject_failure(number);

		if (error) {
			recorder_injected();
			return error;
		}
	}
	return call->run(args);
}

int64_t hypercall_dispatch(uint64_t number, const uint64_t args[6])
{
	int64_t result = likely(!recorder_active) ? call_make(number, args) :
						    recorder_call(number, args, call_make);

	stats.hypercalls[number < STATS_HYPERCALLS ? number : STATS_HYPERCALLS - 1]++;
	trace_exit(TRACE_K_HYPERCALL, hypercall_vcpu->rip, number, (uint64_t)result);
	return result;
}

bool hypercall_take(struct vcpu *vcpu)
{
	uint64_t *regs = vcpu->regs;
	const uint64_t args[6] = { regs[REG_RDI], regs[REG_RSI], regs[REG_RDX],
				   regs[REG_R10], regs[REG_R8], regs[REG_R9] };

	if (vcpu->cpl) {
		regs[REG_RAX] = (uint64_t)-EPERM;
		return true;
	}
	/* 16- and 32-bit code has not the registers. */
	if (!vcpu_64bit_code(vcpu))
		return false;
	regs[REG_RAX] = (uint64_t)hypercall_dispatch(regs[REG_RAX], args);
	return true;
}

void hypercall_init(struct vcpu *vcpu)
{
	hypercall_vcpu = vcpu;
	page_clock_init();
	inject_init();
	calls_decide();
	emulate_hypercall = hypercall_take;
}

int64_t call_version(const uint64_t *args)
{
	uint32_t version = (uint32_t)args[0], newest = abi_version();

	if (accepted.frozen)
		return version == accepted.version && args[1] == accepted.features ? 0 : -EBUSY;
	if (version >> 16 != newest >> 16 || (version & 0xffff) > (newest & 0xffff) ||
	    (args[1] & ~abi_features(version & 0xffff)))
		return -EINVAL;
	accepted.frozen = true;
	accepted.version = version;
	accepted.features = args[1];
	virtio_pv_accept(hypercall_minor());
	calls_decide();
	return 0;
}

int64_t hypercall_read_struct(uint64_t gpa, void *to, uint32_t known, uint32_t first)
{
	const uint8_t *from;
	uint32_t size;

	if (gpa % 8)
		return -EINVAL;
	if (!ram_read(GPA(gpa), &size, sizeof(size)))
		return -EFAULT;
	if (size < first)
		return -EINVAL;
	if (size > STRUCT_MAX)
		return -E2BIG;
	from = ram_pointer(GPA(gpa), size);
	if (!from)
		return -EFAULT;
	for (uint32_t i = known; i < size; i++)
		if (from[i])
			return -E2BIG;
	__builtin_memset(to, 0, known);
	__builtin_memcpy(to, from, size < known ? size : known);
	/* It may have changed meanwhile: what was judged counts. */
	__builtin_memcpy(to, &size, sizeof(size));
	return 0;
}
