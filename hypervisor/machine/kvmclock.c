/* SPDX-License-Identifier: MIT */
/*
 * pvclock structures in guest RAM (Linux: Documentation/virt/kvm/x86/msr.rst).
 *
 * A reader takes version, fields, version: an odd or changed version means "try
 * again".  The writer runs on the vCPU's own thread, so that no reader is ever
 * in between; the protocol is kept all the same for readers in user worlds.
 */
#include "machine/kvmclock.h"

#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "machine/machine.h"
#include "memory/ram.h"

#define NS_PER_S		1000000000ull
#define SYSTEM_ENABLE		1ull
#define FLAG_TSC_STABLE		1u

struct pvclock_wall {
	uint32_t version, sec, nsec;
};

struct pvclock_system {
	uint32_t version, pad0;
	uint64_t tsc_timestamp, system_time;
	uint32_t tsc_to_system_mul;
	int8_t tsc_shift;
	uint8_t flags, pad[2];
};
_Static_assert(sizeof(struct pvclock_system) == 32, "the guest reads it");

static uint64_t wall_msr, system_msr;
static uint64_t origin_ns;	/* clock_ns() that the guest sees as 0 */

bool kvmclock_has_msr(uint32_t msr)
{
	return machine.config.pv != MACHINE_PV_NONE &&
	       (msr == KVMCLOCK_MSR_WALL || msr == KVMCLOCK_MSR_WALL_OLD ||
		msr == KVMCLOCK_MSR_SYSTEM || msr == KVMCLOCK_MSR_SYSTEM_OLD);
}

uint64_t kvmclock_read(uint32_t msr)
{
	return msr == KVMCLOCK_MSR_WALL || msr == KVMCLOCK_MSR_WALL_OLD ? wall_msr : system_msr;
}

/* ns = ((tsc << shift) * mul) >> 32, with mul as large as fits 32 bits. */
static void scale_find(uint64_t tsc_khz, uint32_t *mul, int8_t *shift)
{
	uint64_t ticks = tsc_khz * 1000, ns = NS_PER_S;
	int8_t s = 0;

	while (ticks > 2 * ns || ticks >> 32) {
		ticks >>= 1;
		s--;
	}
	while (ticks <= ns) {
		if (ns >> 31)
			ns >>= 1;
		else
			ticks <<= 1;
		s++;
	}
	*mul = (uint32_t)((ns << 32) / ticks);
	*shift = s;
}

static uint32_t *version_of(gpa_t gpa, uint64_t size)
{
	return ram_writable(gpa, size);
}

void kvmclock_update(void)
{
	gpa_t gpa = GPA(system_msr & ~SYSTEM_ENABLE);
	struct pvclock_system page = { .flags = FLAG_TSC_STABLE };
	uint32_t *version, next;

	if (!(system_msr & SYSTEM_ENABLE))
		return;
	version = version_of(gpa, sizeof(page));
	if (!version)
		return;
	page.tsc_timestamp = clock_tsc();
	page.system_time = clock_tsc_to_ns(page.tsc_timestamp) - origin_ns;
	scale_find(clock_tsc_khz(), &page.tsc_to_system_mul, &page.tsc_shift);
	next = (__atomic_load_n(version, __ATOMIC_RELAXED) | 1) + 1;
	__atomic_store_n(version, next - 1, __ATOMIC_SEQ_CST);
	memcpy(version + 1, &page.pad0, sizeof(page) - offsetof(struct pvclock_system, pad0));
	__atomic_store_n(version, next, __ATOMIC_SEQ_CST);
}

static void wall_write(gpa_t gpa)
{
	uint64_t boot = clock_realtime_ns() - (clock_ns() - origin_ns);
	struct pvclock_wall wall = {
		.sec = (uint32_t)(boot / NS_PER_S), .nsec = (uint32_t)(boot % NS_PER_S),
	};
	uint32_t *version = version_of(gpa, sizeof(wall));
	uint32_t next;

	if (!version)
		return;
	next = (__atomic_load_n(version, __ATOMIC_RELAXED) | 1) + 1;
	__atomic_store_n(version, next - 1, __ATOMIC_SEQ_CST);
	memcpy(version + 1, &wall.sec, sizeof(wall) - offsetof(struct pvclock_wall, sec));
	__atomic_store_n(version, next, __ATOMIC_SEQ_CST);
}

bool kvmclock_write(uint32_t msr, uint64_t value)
{
	if (!origin_ns)
		origin_ns = clock_ns();
	if (msr == KVMCLOCK_MSR_WALL || msr == KVMCLOCK_MSR_WALL_OLD) {
		wall_msr = value;
		wall_write(GPA(value));
		return true;
	}
	system_msr = value;
	kvmclock_update();
	return true;
}

void kvmclock_reset(void)
{
	wall_msr = system_msr = 0;
}
