// SPDX-License-Identifier: MIT
/*
 * What comes before every call, in this order: privilege, the call's existence
 * (number, feature accepted), the upper halves of 32-bit arguments.  So an unknown call
 * is -ENOSYS whatever its arguments, and a feature that was not accepted cannot be told
 * from one that never was.
 */
#include "hypercall/hypercall.h"

#include <errno.h>

#include "abi/ring3_abi.h"
#include "debug/trace.h"
#include "emulate/emulate.h"
#include "memory/ram.h"

#define STRUCT_MAX	4096u

static struct {
	bool frozen;
	uint32_t version;
	uint64_t features;		/* accepted */
} accepted;

struct call {
	int64_t (*run)(const uint64_t *args);
	int8_t feature;			/* -1: always */
	uint8_t mask32;
};

static const struct call calls[] = {
#define HYPERCALL(number, name, feature_bit, arguments, mask) \
	[number] = { .run = call_##name, .feature = feature_bit, .mask32 = mask },
#include "abi/hypercall_table.h"
#undef HYPERCALL
};

static bool call_exists(uint64_t number)
{
	if (number >= array_size(calls) || !calls[number].run)
		return false;
	return calls[number].feature < 0 || accepted.features >> calls[number].feature & 1;
}

int64_t hypercall_dispatch(uint64_t number, const uint64_t args[6])
{
	const struct call *call = &calls[number < array_size(calls) ? number : 0];

	if (!call_exists(number))
		return -ENOSYS;
	for (unsigned i = 0; call->mask32 >> i; i++)
		if ((call->mask32 >> i & 1) && args[i] >> 32)
			return -EINVAL;
	return call->run(args);
}

bool hypercall_take(struct vcpu *vcpu)
{
	uint64_t *regs = vcpu->regs, number = regs[REG_RAX];
	const uint64_t args[6] = { regs[REG_RDI], regs[REG_RSI], regs[REG_RDX],
				   regs[REG_R10], regs[REG_R8], regs[REG_R9] };

	if (vcpu->cpl) {
		regs[REG_RAX] = (uint64_t)-EPERM;
		return true;
	}
	/* 16- and 32-bit code has not the registers. */
	if (!vcpu_64bit_code(vcpu))
		return false;
	regs[REG_RAX] = (uint64_t)hypercall_dispatch(number, args);
	trace_exit(TRACE_K_HYPERCALL, vcpu->rip, number, regs[REG_RAX]);
	return true;
}

void hypercall_init(void)
{
	emulate_hypercall = hypercall_take;
}

int64_t call_version(const uint64_t *args)
{
	uint32_t version = (uint32_t)args[0];

	if (accepted.frozen)
		return version == accepted.version && args[1] == accepted.features ? 0 : -EBUSY;
	if (version >> 16 != RING3_ABI_MAJOR || (version & 0xffff) > RING3_ABI_MINOR ||
	    (args[1] & ~RING3_FEATURES_ALL))
		return -EINVAL;
	accepted.frozen = true;
	accepted.version = version;
	accepted.features = args[1];
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
