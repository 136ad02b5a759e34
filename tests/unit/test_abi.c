// SPDX-License-Identifier: MIT
/*
 * The dispatcher's own rules, without a guest: what exists when, before and after the version is
 * accepted, and how structures of other sizes are read.
 */
#include "suite.h"

#include <errno.h>
#include <unistd.h>

#include "abi/ring3_abi.h"
#include "base/arena.h"
#include "base/clock.h"
#include "hypercall/hypercall.h"
#include "machine/irq.h"
#include "machine/machine.h"
#include "memory/ram.h"

static const uint64_t none[6];
static struct vcpu vcpu;

void vcpu_kick(void) { }

static void setup(void)
{
	ck_assert_int_eq(arena_init(), 0);
	ck_assert_int_eq(ram_init(4 * MIB), 0);
	ck_assert_int_eq(clock_init(), 0);
	hypercall_init(&vcpu);
}

static int64_t version(uint64_t number, uint64_t features)
{
	return hypercall_dispatch(RING3_CALL_VERSION, (uint64_t[6]){ number, features });
}

START_TEST(before_version)
{
	for (uint64_t n = 0; n < 300; n++) {
		int64_t r = hypercall_dispatch(n, none);

		if (n == RING3_CALL_VERSION)
			ck_assert_int_eq(r, -EINVAL);
		else if (n != RING3_CALL_CONSOLE_WRITE && n != RING3_CALL_SHUTDOWN)
			ck_assert_int_eq(r, -ENOSYS);
	}
	ck_assert_int_eq(hypercall_dispatch(UINT64_MAX, none), -ENOSYS);
	ck_assert_int_eq(hypercall_dispatch(1ull << 32 | RING3_CALL_VERSION, none), -ENOSYS);
}
END_TEST

START_TEST(only_what_was_accepted)
{
	ck_assert_int_eq(version(RING3_ABI_VERSION, 1u << RING3_FEATURE_EVENTS), 0);
	ck_assert_int_eq(version(RING3_ABI_VERSION, 1u << RING3_FEATURE_EVENTS), 0);
	ck_assert_int_eq(version(RING3_ABI_VERSION, RING3_FEATURES_ALL), -EBUSY);
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_EVENT_RETRY, none), 0);
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_DEVICE_INFO, none), -ENOSYS);
	/* Existence first, then arguments. */
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_EVENT_MASK, (uint64_t[6]){ 1ull << 32 }), -EINVAL);
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_DEVICE_STATUS, (uint64_t[6]){ 1ull << 32 }), -ENOSYS);
}
END_TEST

START_TEST(shutdown_stops)
{
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_SHUTDOWN, (uint64_t[6]){ 5 }), -EINVAL);
	ck_assert_int_eq(machine.stop, MACHINE_RUNNING);
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_SHUTDOWN, (uint64_t[6]){ RING3_SHUTDOWN_PANIC }), 0);
	ck_assert_int_eq(machine.stop, MACHINE_PANIC);
}
END_TEST

/* `known` 16 bytes, of which the first version had 8. */
START_TEST(structures)
{
	uint32_t out[4], in[8] = { 8, 2, 3, 4, 5 };

	ram_write(GPA(0x1000), in, sizeof(in));
	ck_assert_int_eq(hypercall_read_struct(0x1000, out, 16, 8), 0);
	ck_assert(out[0] == 8 && out[1] == 2 && out[2] == 0 && out[3] == 0);
	in[0] = 12;
	ram_write(GPA(0x1000), in, sizeof(in));
	ck_assert_int_eq(hypercall_read_struct(0x1000, out, 16, 8), 0);
	ck_assert(out[2] == 3 && out[3] == 0);
	in[0] = 24;
	ram_write(GPA(0x1000), in, sizeof(in));
	ck_assert_int_eq(hypercall_read_struct(0x1000, out, 16, 8), -E2BIG);
	in[4] = 0;
	ram_write(GPA(0x1000), in, sizeof(in));
	ck_assert_int_eq(hypercall_read_struct(0x1000, out, 16, 8), 0);
	ck_assert(out[0] == 24 && out[3] == 4);
	in[0] = 7;
	ram_write(GPA(0x1000), in, sizeof(in));
	ck_assert_int_eq(hypercall_read_struct(0x1000, out, 16, 8), -EINVAL);
	ck_assert_int_eq(hypercall_read_struct(0x1004, out, 16, 8), -EINVAL);
	ck_assert_int_eq(hypercall_read_struct(4 * MIB, out, 16, 8), -EFAULT);
	in[0] = 16;
	ram_write(GPA(4 * MIB - 8), in, 8);
	ck_assert_int_eq(hypercall_read_struct(4 * MIB - 8, out, 16, 8), -EFAULT);
}
END_TEST

START_TEST(older)
{
	struct ring3_vcpu_page page = { .size = sizeof(page) };

	machine.config.abi.version = 1 << 16;
	hypercall_init(&vcpu);
	ck_assert_int_eq(version(RING3_ABI_VERSION, 0), -EINVAL);
	ck_assert_int_eq(version(1 << 16, RING3_FEATURES_SINCE_0 | 1u << RING3_FEATURE_CPU), -EINVAL);
	ck_assert_int_eq(version(1 << 16, RING3_FEATURES_SINCE_0), 0);
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_YIELD, none), -ENOSYS);
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_QUEUE_RESET, none), -ENOSYS);	/* QUEUES was there */
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_QUEUE_KICK, none), -ENODEV);
	/* Its page has no clock: what is longer must be zero there, and stays so. */
	ram_write(GPA(0x3000), &page, sizeof(page));
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_VCPU_PAGE, (uint64_t[6]){ 0x3000 }), 0);
	ram_read(GPA(0x3000), &page, sizeof(page));
	ck_assert(!page.clock_mul && !page.clock_tsc && !page.clock_version);
	page.clock_mul = 1;
	ram_write(GPA(0x3000), &page, sizeof(page));
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_VCPU_PAGE, (uint64_t[6]){ 0x3000 }), -E2BIG);
}
END_TEST

START_TEST(hidden)
{
	machine.config.abi.hidden = 1u << RING3_FEATURE_CPU;
	hypercall_init(&vcpu);
	ck_assert_int_eq(version(RING3_ABI_VERSION, RING3_FEATURES_ALL), -EINVAL);
	ck_assert_int_eq(version(RING3_ABI_VERSION, RING3_FEATURES_ALL & ~(1ul << RING3_FEATURE_CPU)), 0);
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_YIELD, none), -ENOSYS);
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_EVENT_RETRY, none), 0);
}
END_TEST

/* Which of 256 calls fail, in a process of its own; other calls in between as the child likes. */
static void sequence(uint64_t seed, bool others, uint8_t out[256])
{
	int fd[2];

	ck_assert_int_eq(pipe(fd), 0);
	if (!fork()) {
		machine.config.abi = (struct machine_abi){
			.failures = 2, .seed = seed,
			.failure = { { RING3_CALL_IPI, EIO, 1ull << 30 },
				     { RING3_CALL_HALT, EBUSY, 1ull << 31 } },
		};
		hypercall_init(&vcpu);
		version(RING3_ABI_VERSION, RING3_FEATURES_ALL);
		for (unsigned i = 0; i < 256; i++) {
			out[i] = (uint8_t)-hypercall_dispatch(RING3_CALL_IPI, none);
			for (unsigned n = 0; others && n < i % 3; n++)
				hypercall_dispatch(RING3_CALL_HALT, none);
		}
		_exit(write(fd[1], out, 256) != 256);
	}
	ck_assert_int_eq(read(fd[0], out, 256), 256);
	close(fd[0]);
	close(fd[1]);
}

START_TEST(failures_repeat)
{
	uint8_t first[256], second[256], other[256], interleaved[256];
	unsigned failed = 0;

	sequence(5, false, first);
	sequence(5, false, second);
	sequence(6, false, other);
	sequence(5, true, interleaved);
	ck_assert_mem_eq(first, second, 256);
	ck_assert_mem_eq(first, interleaved, 256);
	ck_assert_mem_ne(first, other, 256);
	for (unsigned i = 0; i < 256; i++) {
		ck_assert(first[i] == 0 || first[i] == EIO);
		failed += first[i] != 0;
	}
	ck_assert(failed > 30 && failed < 100);
}
END_TEST

START_TEST(waiting)
{
	version(RING3_ABI_VERSION, RING3_FEATURES_ALL);
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_HALT, (uint64_t[6]){ 1 }), -EINVAL);
	ck_assert_uint_eq(vcpu.halted, VCPU_RUNS);
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_HALT, none), 0);
	ck_assert_uint_eq(vcpu.halted, VCPU_HALT_PENDING);
}
END_TEST

/* Results where the next call lies, a kick in between, the end of RAM. */
START_TEST(multicalls)
{
	struct ring3_multicall c[3] = {
		{ .number = RING3_CALL_EVENT_RETRY, .result = 7 }, { .number = 99 },
		{ .number = RING3_CALL_MULTICALL, .args = { 0x1000, 1, 0 } },
	};

	version(RING3_ABI_VERSION, RING3_FEATURES_ALL);
	ram_write(GPA(0x1000), c, sizeof(c));
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_MULTICALL, (uint64_t[6]){ 0x1000, 3, 0 }), 3);
	ram_read(GPA(0x1000), c, sizeof(c));
	ck_assert_int_eq((int64_t)c[0].result, 0);
	ck_assert_int_eq((int64_t)c[1].result, -ENOSYS);
	ck_assert_int_eq((int64_t)c[2].result, -EINVAL);
	vcpu.fast.kick = 1;
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_MULTICALL, (uint64_t[6]){ 0x1000, 3, 0 }), 3);
	vcpu.rflags = RFLAGS_IF;
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_MULTICALL, (uint64_t[6]){ 0x1000, 3, 0 }), 1);
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_MULTICALL, (uint64_t[6]){ 0x1000, 3, 1 }), 2);
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_MULTICALL, (uint64_t[6]){ 0x1000, 3, 3 }), 3);
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_MULTICALL, (uint64_t[6]){ 0x1000, 3, 4 }), -EINVAL);
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_MULTICALL, (uint64_t[6]){ 4 * MIB - 128, 3, 0 }),
			 -EFAULT);
	ck_assert_int_eq(hypercall_dispatch(RING3_CALL_MULTICALL, (uint64_t[6]){ 0x1000, 257, 0 }), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("abi");
	TCase *t = tcase_create("calls");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, before_version);
	tcase_add_test(t, only_what_was_accepted);
	tcase_add_test(t, shutdown_stops);
	tcase_add_test(t, structures);
	tcase_add_test(t, older);
	tcase_add_test(t, hidden);
	tcase_add_test(t, failures_repeat);
	tcase_add_test(t, waiting);
	tcase_add_test(t, multicalls);
	suite_add_tcase(s, t);
	return suite_run(s);
}
