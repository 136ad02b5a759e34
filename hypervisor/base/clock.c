/* SPDX-License-Identifier: MIT */
/*
 * Host time from the TSC.
 *
 *   ns(tsc) = base_ns + (tsc - base_tsc) * mult / 2^SHIFT
 *
 * Calibration at start takes a few ms and is good to some parts per million;
 * where CPUID states the frequency and the measurement agrees, CPUID wins.
 * clock_recalibrate(), called now and then, measures again over the whole run
 * and bends the line so that it meets CLOCK_MONOTONIC a second later: time
 * never steps and never goes back.
 *
 * One thread uses this; signal handlers may only call clock_tsc().
 */
#include "base/clock.h"

#include <cpuid.h>
#include <errno.h>
#include <time.h>

#include "base/hostcall.h"
#include "base/log.h"

#define SHIFT			CLOCK_SHIFT
#define CALIBRATE_NS		4000000ull
#define SAMPLE_TRIES		8
#define NS_PER_S		1000000000ull
#define AGREE_PPM		500
#define BEND_MAX_PPM		500

typedef unsigned __int128 u128;

struct sample {
	uint64_t tsc, ns;
};

static struct sample first;	/* of this run: the long base of recalibration */
static uint64_t base_tsc, base_ns;
static uint64_t mult;		/* of the line in use */
static uint64_t inverse;	/* TSC ticks per ns, 2^-SHIFT */
static uint64_t tsc_khz;

uint64_t clock_tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static uint64_t host_ns(clockid_t id)
{
	struct timespec ts;

	if (hostcall2(SYS_clock_gettime, id, (long)&ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* The pair read closest together: interruptions only ever widen the bracket. */
static struct sample sample_take(void)
{
	struct sample best = { 0, 0 };
	uint64_t narrowest = UINT64_MAX;

	for (int i = 0; i < SAMPLE_TRIES; i++) {
		uint64_t before = clock_tsc();
		uint64_t ns = host_ns(CLOCK_MONOTONIC);
		uint64_t after = clock_tsc();

		if (after - before < narrowest) {
			narrowest = after - before;
			best = (struct sample){ before + (after - before) / 2, ns };
		}
	}
	return best;
}

static void rate_set(uint64_t new_mult)
{
	mult = new_mult;
	inverse = (uint64_t)(((u128)1 << (2 * SHIFT)) / mult);
}

/* The frequency as CPUID states it, kHz; 0: it does not. */
static uint64_t cpuid_khz(void)
{
	uint32_t a, b, c, d;

	if (__get_cpuid_count(0x15, 0, &a, &b, &c, &d) && a && b && c)
		return (uint64_t)c * b / a / 1000;
	__cpuid(1, a, b, c, d);
	if (!(c & (1u << 31)))
		return 0;
	__cpuid(0x40000000, a, b, c, d);
	if (a < 0x40000010 || a > 0x400000ff)
		return 0;
	__cpuid(0x40000010, a, b, c, d);
	return a;
}

static bool agrees(uint64_t a, uint64_t b, uint64_t ppm)
{
	uint64_t diff = a > b ? a - b : b - a;

	return (u128)diff * 1000000 <= (u128)b * ppm;
}

static uint64_t rate_between(struct sample from, struct sample to)
{
	return (uint64_t)(((u128)(to.ns - from.ns) << SHIFT) / (to.tsc - from.tsc));
}

int clock_init(void)
{
	struct sample last;
	uint64_t stated;

	first = sample_take();
	do {
		for (int i = 0; i < 1000; i++)
			__builtin_ia32_pause();
		last = sample_take();
		if (last.ns < first.ns || last.tsc <= first.tsc)
			return -ENODEV;
	} while (last.ns - first.ns < CALIBRATE_NS);

	rate_set(rate_between(first, last));
	tsc_khz = (uint64_t)(((u128)1000000 << SHIFT) / mult);
	if (tsc_khz < 100000 || tsc_khz > 20000000)
		return -ENODEV;
	stated = cpuid_khz();
	if (stated && agrees(tsc_khz, stated, AGREE_PPM)) {
		tsc_khz = stated;
		rate_set((uint64_t)(((u128)1000000 << SHIFT) / stated));
	}
	base_tsc = last.tsc;
	base_ns = last.ns;
	return 0;
}

void clock_recalibrate(void)
{
	struct sample now = sample_take();
	uint64_t here = clock_tsc_to_ns(now.tsc), rate, ticks, bent;
	int64_t behind = (int64_t)(now.ns - here), limit;

	if (now.ns - first.ns < NS_PER_S || now.tsc <= base_tsc)
		return;
	rate = rate_between(first, now);
	/* The host slept, or its clock was changed by force: keep our own line. */
	if (!agrees(rate, mult, 2 * BEND_MAX_PPM) || behind > (int64_t)NS_PER_S ||
	    behind < -(int64_t)NS_PER_S)
		return;
	ticks = (uint64_t)((u128)NS_PER_S * inverse >> SHIFT);
	limit = (int64_t)(NS_PER_S / 1000000 * BEND_MAX_PPM);
	if (behind > limit)
		behind = limit;
	if (behind < -limit)
		behind = -limit;
	bent = (uint64_t)(((u128)1 << SHIFT) * (uint64_t)(behind < 0 ? -behind : behind) / ticks);
	base_ns = here;
	base_tsc = now.tsc;
	rate_set(behind < 0 ? rate - bent : rate + bent);
}

uint64_t clock_tsc_khz(void)
{
	return tsc_khz;
}

uint64_t clock_tsc_to_ns(uint64_t tsc)
{
	if (likely(tsc >= base_tsc))
		return base_ns + (uint64_t)((u128)(tsc - base_tsc) * mult >> SHIFT);
	return base_ns - (uint64_t)((u128)(base_tsc - tsc) * mult >> SHIFT);
}

uint64_t clock_ns_to_tsc(uint64_t ns)
{
	if (likely(ns >= base_ns)) {
		u128 ticks = (u128)(ns - base_ns) * inverse >> SHIFT;

		return ticks > UINT64_MAX - base_tsc ? UINT64_MAX : base_tsc + (uint64_t)ticks;
	}
	return base_tsc - (uint64_t)((u128)(base_ns - ns) * inverse >> SHIFT);
}

struct clock_line clock_line(void)
{
	return (struct clock_line){ base_tsc, base_ns, mult };
}

uint64_t clock_ns(void)
{
	return clock_tsc_to_ns(clock_tsc());
}

uint64_t clock_realtime_ns(void)
{
	return host_ns(CLOCK_REALTIME);
}
