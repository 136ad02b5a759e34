// SPDX-License-Identifier: MIT
/*
 * The dispatcher's own rules, without a guest: what exists when, before and after the version is
 * accepted, and how structures of other sizes are read.
 */
#include "suite.h"

#include <errno.h>

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

int main(void)
{
	Suite *s = suite_create("abi");
	TCase *t = tcase_create("calls");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, before_version);
	tcase_add_test(t, only_what_was_accepted);
	tcase_add_test(t, shutdown_stops);
	tcase_add_test(t, structures);
	suite_add_tcase(s, t);
	return suite_run(s);
}
