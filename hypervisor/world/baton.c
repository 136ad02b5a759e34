// SPDX-License-Identifier: MIT
/*
 * The baton: who of the kernel world and a user world runs.  TURN in the control
 * area says; passing it is an exchange, and a futex call if the other sleeps.
 *
 * Waiting is adaptive (docs/decisions/0002-baton.md): spin for as long as it pays
 * where there is a CPU to spare, else yield a few times, then sleep.  The kernel
 * world must also notice `kick`, which its own signal handlers set: it sleeps on
 * both words at once (futex_waitv), so that no kick falls between looking and
 * sleeping.
 */
#include "world/baton.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/wait.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/clock.h"
#include "base/hostcall.h"
#include "machine/attention.h"
#include "machine/machine.h"
#include "world/area.h"
#include "world/spare.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv		449
#endif
#define FUTEX_32		2
#define FUTEX_PRIVATE		128

#define SPIN_NS			200000
#define LIVENESS_NS		200000000ul	/* how often a sleeper looks whether the world lives */
#define KICK_POLL_NS		1000000ul	/* without futex_waitv */
#define QUICK_SPINS		200
#define START_PATIENCE_NS	50000000ul
#define START_POLL_NS		50000ul
#define KICK_PATIENCE_NS	2000000ul

#define ATTENTION_US		30u
#define HELD_UP_US		100u	/* nothing but another process takes so long */
#define YIELD_LONG_US		300u
#define YIELD_BACKOFF_MIN	64u
#define YIELD_BACKOFF_MAX	16384u
#define YIELDS_TRUST		4096u

struct waitv {		/* struct futex_waitv: linux/futex.h may predate it */
	uint64_t value, address;
	uint32_t flags, reserved;
};

static struct world *spinner;	/* ran last: waits spinning */
static bool have_waitv;
static unsigned yield_pause;		/* handovers until worlds may yield again */
static unsigned yield_backoff = YIELD_BACKOFF_MIN, yields_short;
static struct baton_tuning tuning;
static bool fixed;			/* by baton_tune() */

void baton_tune(const struct baton_tuning *t)
{
	tuning = *t;
	fixed = true;
}

void baton_init(void)
{
	uint32_t word = 1;
	struct waitv w = { .value = 0, .address = (uint64_t)&word,
			   .flags = FUTEX_32 | FUTEX_PRIVATE };

	spare_init();
	have_waitv = hostcall6(SYS_futex_waitv, (long)&w, 1, 0, 0, 0, 0) == -EAGAIN;
}

void baton_child(void)
{
	spare_child();
}

/* How to wait from here to the next handover. */
static void tuning_choose(void)
{
	bool spare;

	if (fixed)
		return;
	spare = spare_now(clock_tsc());
	tuning.spin_ns = spare ? SPIN_NS : 0;
	tuning.kernel_yields = !spare;
	tuning.world_yields = !spare && !spare_contended();
}

void world_kick(struct world *w)
{
	hostcall3(SYS_tgkill, w->pid, w->pid, STUB_KICK_SIGNAL);
}

static void kick_send(struct world *w, uint32_t *seq)
{
	/* Unpredictable: an acknowledgement cannot be written in advance. */
	*seq = (uint32_t)world_random() | 1;
	w->area->kick_seq = *seq;
	world_kick(w);
}

static bool alive(struct world *w)
{
	if (w->started && hostcall6(SYS_wait4, w->pid, 0, WNOHANG, 0, 0, 0) == w->pid)
		world_died(w);
	return w->started;
}

static void sleep_for_turn(struct world *w, volatile uint32_t *kick, uint64_t ns)
{
	uint64_t until = clock_ns() + (kick && !have_waitv ? KICK_POLL_NS : ns);
	struct timespec at = { (time_t)(until / 1000000000ul), (long)(until % 1000000000ul) };
	struct waitv v[2] = {
		{ .value = TURN_WORLD, .address = (uint64_t)&w->area->turn, .flags = FUTEX_32 },
		{ .value = 0, .address = (uint64_t)kick, .flags = FUTEX_32 | FUTEX_PRIVATE },
	};

	if (have_waitv)
		hostcall6(SYS_futex_waitv, (long)v, kick ? 2 : 1, 0, (long)&at, CLOCK_MONOTONIC, 0);
	else
		hostcall6(SYS_futex, (long)&w->area->turn, FUTEX_WAIT_BITSET, TURN_WORLD,
			  (long)&at, 0, -1);
}

/*
 * A kick once sent should have arrived before anything else is asked of the
 * world.  If it does not say so (it is slow, or the program wrote over the
 * number), no old proof counts any more: a new one is given behind a system call,
 * which does not return before the signal is taken.  Should the kick arrive before
 * that, it merely ends what it meets.
 */
static bool kick_settle(struct world *w, uint32_t seq)
{
	uint64_t start = clock_ns();

	while (w->area->kick_ack != seq) {
		if (clock_ns() - start > KICK_PATIENCE_NS) {
			w->nonce = world_random() >> 2;
			w->proved = false;
			return alive(w);
		}
		if (tuning.spin_ns)
			__builtin_ia32_pause();
		else
			hostcall1(SYS_sched_yield, 0);
	}
	return true;
}

/*
 * No kicks before guest code is entered: on a busy host the world may get its CPU
 * only after the guest's next timer tick, and would never get any further; and
 * while requests are executed a kick's frame could hold the cookie, and they would
 * have to be repeated (proof.c).  STARTED is the program's to write, so this is
 * believed for some time only.
 */
static bool not_started(const struct world *w, uint64_t since)
{
	return !w->area->started &&
	       clock_tsc_to_ns(clock_tsc()) - clock_tsc_to_ns(since) < START_PATIENCE_NS;
}

/*
 * sched_yield() hands a CPU over fast while nobody else wants it; with others the
 * scheduler puts who yields behind them, for milliseconds.  So when a yield takes
 * long, worlds stop yielding for a while.
 */
static void yield_timed(void)
{
	uint64_t start = clock_tsc();

	hostcall1(SYS_sched_yield, 0);
	if (clock_tsc() - start < YIELD_LONG_US * clock_tsc_khz() / 1000) {
		if (yields_short++ == YIELDS_TRUST)
			yield_backoff = YIELD_BACKOFF_MIN;
		return;
	}
	yields_short = 0;
	yield_pause = yield_backoff;
	if (yield_backoff < YIELD_BACKOFF_MAX)
		yield_backoff *= 2;
}

/*
 * Back-ends have no signal of their own: who waits for a world looks after them (trap/wait.c).
 * A kick costs the world a signal; most come back by themselves before long, with a system
 * call, so what has come waits for that a little, together with what follows it.
 */
static bool wanted(volatile uint32_t *kick, uint64_t now, uint64_t *noticed)
{
	if (*kick || !attention_pending())
		return *kick;
	if (!*noticed)
		*noticed = now;
	else if (now - *noticed > ATTENTION_US * clock_tsc_khz() / 1000)
		*kick = 1;
	return *kick;
}

static bool come_back(struct world *w, volatile uint32_t *kick, uint64_t patience)
{
	struct world_area *area = w->area;
	uint64_t now, start, spin;
	uint64_t held_up, last, then, used, noticed = 0;
	unsigned yields = tuning.kernel_yields;
	uint32_t seq = 0;

	/* A short stay is over before it is worth looking at a clock. */
	for (unsigned i = 0; tuning.spin_ns && i < QUICK_SPINS && !(kick && *kick); i++) {
		if (area->turn != TURN_WORLD)
			return true;
		__builtin_ia32_pause();
	}
	last = start = now = clock_tsc();
	spin = tuning.spin_ns * clock_tsc_khz() / 1000000;
	held_up = HELD_UP_US * clock_tsc_khz() / 1000;
	for (;;) {
		if (area->turn != TURN_WORLD)
			break;
		if (kick && !seq &&
		    ((wanted(kick, last, &noticed) && !not_started(w, now)) ||
		     (tuning.kick_after && clock_tsc() - now > tuning.kick_after))) {
			kick_send(w, &seq);
			start = clock_tsc();
			yields = tuning.kernel_yields;
		}
		if (patience && clock_tsc_to_ns(clock_tsc()) - clock_tsc_to_ns(now) > patience) {
			kick_send(w, &seq);
			patience = 0;
		}
		then = last;
		last = clock_tsc();
		if (last - start < spin) {
			if (last - then > held_up)
				spare_held_up(last, last - then);
			__builtin_ia32_pause();
			continue;
		}
		if (yields) {
			yields--;
			yield_timed();
			continue;
		}
		world_stats.switches_wait++;
		used = spare_watch_begin(w->pid, &then);
		__atomic_exchange_n(&area->kernel_sleeps, 1, __ATOMIC_SEQ_CST);
		if (area->turn == TURN_WORLD && kick && *kick && !seq)
			sleep_for_turn(w, NULL, START_POLL_NS);		/* held back: see above */
		else if (area->turn == TURN_WORLD)
			sleep_for_turn(w, seq ? NULL : kick, patience ? patience : LIVENESS_NS);
		area->kernel_sleeps = 0;
		spare_watch_end(w->pid, then, used);
		if (area->turn == TURN_WORLD && !alive(w))
			return false;
	}
	return !seq || kick_settle(w, seq);
}

/* All worlds share a CPU: the one that ran before must not spin on it.  After the other's wake-up,
 * so that the CPU does not go idle in between. */
static void park(struct world *w)
{
	uint32_t kernel = TURN_KERNEL;

	__atomic_compare_exchange_n(&w->area->turn, &kernel, TURN_PARK, false, __ATOMIC_SEQ_CST,
				    __ATOMIC_SEQ_CST);
}

static void params_put(struct world_area *area)
{
	uint32_t spin = (uint32_t)(tuning.spin_ns * clock_tsc_khz() / 1000000);
	uint32_t yields = yield_pause ? 0 : tuning.world_yields;

	if (yield_pause)
		yield_pause--;
	if (area->spin == spin && area->yields == yields)
		return;
	area->spin = spin;
	area->yields = yields;
	area->always_prove = !spin;
}

static void turn_give(struct world *w, uint32_t command)
{
	struct world_area *area = w->area;

	area->command = command;
	/* Behind the gates the stub writes it where the proof is looked for. */
	if (command & CMD_RUN) {
		area->started = 0;
		w->nonce = world_random() >> 2;
		w->proved = w->saved = false;
	}
	area->nonce = w->nonce;
	__atomic_exchange_n(&area->turn, TURN_WORLD, __ATOMIC_SEQ_CST);
	if (area->world_sleeps)
		hostcall3(SYS_futex, (long)&area->turn, FUTEX_WAKE, 1);
	else
		world_stats.switches_spin++;
}

bool baton_pass(struct world *w, uint32_t command, volatile uint32_t *kick)
{
	if (!w->started)
		return false;
	world_settle(w);
	tuning_choose();
	params_put(w->area);
	turn_give(w, command);
	if (spinner && spinner != w)
		park(spinner);
	spinner = w;
	if (!come_back(w, kick, command & CMD_RUN ? 0 : PATIENCE_NS))
		return false;
	w->signal_mode = w->area->mode == MODE_SIGNAL;	/* certain only once proved */
	w->saved |= (command & CMD_SAVE) != 0;
	return true;
}

bool baton_spare(void)
{
	tuning_choose();
	return tuning.spin_ns;
}

void baton_send(struct world *w, uint32_t command)
{
	params_put(w->area);
	/* The next one to run needs this world's CPU. */
	w->area->spin = w->area->yields = 0;
	if (spinner == w)
		spinner = NULL;
	turn_give(w, command);
}

bool baton_receive(struct world *w)
{
	if (!w->started || !come_back(w, NULL, PATIENCE_NS))
		return false;
	w->signal_mode = w->area->mode == MODE_SIGNAL;
	return true;
}
