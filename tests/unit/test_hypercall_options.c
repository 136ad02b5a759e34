// SPDX-License-Identifier: MIT
/*
 * --abi: what is understood, what is refused, and what the ABI looks like then.
 */
#include "suite.h"

#include <errno.h>
#include <string.h>

#include "abi/ring3_abi.h"
#include "cli/hypercall_options.h"
#include "machine/abi.h"

#define BIT(feature)	(1ull << RING3_FEATURE_##feature)
#define ONE		(1ull << 32)

static struct machine_abi *abi = &machine.config.abi;

static int add(const char *value)
{
	return options_add_abi(&machine.config, value);
}

START_TEST(nothing_given)
{
	ck_assert_uint_eq(abi_version(), RING3_ABI_VERSION);
	ck_assert_uint_eq(abi_features(RING3_ABI_MINOR), RING3_FEATURES_ALL);
	ck_assert_uint_eq(abi_features(0), RING3_FEATURES_SINCE_0);
	ck_assert_uint_eq(abi_hints(), 1u << RING3_HINT_FAULTS_DEAR);
	ck_assert_int_eq(options_check_abi(&machine.config), 0);
}
END_TEST

START_TEST(versions)
{
	static const char *const bad[] = { "version=", "version", "version=1", "version=1.", "version=.1",
					   "version=2.0", "version=0.9", "version=1.9", "version=1.0x",
					   "version=-1.0", "version=1.00000000000000000000000" };

	ck_assert_int_eq(add("version=1.0"), 0);
	ck_assert_uint_eq(abi_version(), 1 << 16);
	ck_assert_uint_eq(abi_features(0), RING3_FEATURES_SINCE_0);
	ck_assert_uint_eq(abi_hints(), 0);
	ck_assert_int_eq(add("version=1.1"), 0);
	ck_assert_uint_eq(abi_version(), RING3_ABI_VERSION);
	for (size_t i = 0; i < array_size(bad); i++)
		ck_assert_msg(add(bad[i]) == -EINVAL, "%s", bad[i]);
	ck_assert_uint_eq(abi_version(), RING3_ABI_VERSION);
}
END_TEST

START_TEST(hiding)
{
	static const char *const bad[] = { "hide=", "hide=+", "hide=TIMER+", "hide=+TIMER", "hide=TIME",
					   "hide=TIMERS", "hide=TIMER MMU" };

	ck_assert_int_eq(add("hide=TIMER+mmu"), 0);
	ck_assert_int_eq(add("hide=QUEUES,hide=TIMER"), 0);
	ck_assert_uint_eq(abi_features(RING3_ABI_MINOR),
			  RING3_FEATURES_ALL & ~(BIT(TIMER) | BIT(MMU) | BIT(QUEUES)));
	ck_assert_uint_eq(abi_features(0), RING3_FEATURES_SINCE_0 & ~BIT(QUEUES));
	for (size_t i = 0; i < array_size(bad); i++)
		ck_assert_msg(add(bad[i]) == -EINVAL, "%s", bad[i]);
}
END_TEST

START_TEST(failing)
{
	static const struct { const char *text; uint64_t rate; } rates[] = {
		{ "1", ONE }, { "2", ONE / 2 }, { "1000", ONE / 1000 }, { "0.5", ONE / 2 }, { ".25", ONE / 4 },
		{ "1.0", ONE }, { "100%", ONE }, { "50%", ONE / 2 }, { "12.5%", ONE / 8 }, { "4294967296", 1 },
	};

	for (size_t i = 0; i < array_size(rates); i++) {
		char text[64] = "fail=queue_kick:EIO:";

		abi->failures = 0;
		ck_assert_int_eq(add(strcat(text, rates[i].text)), 0);
		ck_assert_uint_eq(abi->failure[0].call, RING3_CALL_QUEUE_KICK);
		ck_assert_uint_eq(abi->failure[0].error, EIO);
		ck_assert_msg(abi->failure[0].rate == rates[i].rate, "%s", text);
	}
	ck_assert_int_eq(add("fail=HALT:einval:3,fail=mmu_load:14:1%,seed=77"), 0);
	ck_assert_uint_eq(abi->failures, 3);
	ck_assert_uint_eq(abi->failure[1].call, RING3_CALL_HALT);
	ck_assert_uint_eq(abi->failure[1].error, EINVAL);
	ck_assert_uint_eq(abi->failure[2].error, EFAULT);
	ck_assert_uint_eq(abi->seed, 77);
}
END_TEST

START_TEST(failing_refused)
{
	static const char *const bad[] = {
		"fail", "fail=", "fail=halt", "fail=halt:EINVAL", "fail=halt:EINVAL:", "fail=halt::1",
		"fail=:EINVAL:1", "fail=halt:EINVAL:0", "fail=halt:EINVAL:0.0", "fail=halt:EINVAL:1.1",
		"fail=halt:EINVAL:101%", "fail=halt:EINVAL:-1", "fail=halt:EINVAL:1:1", "fail=halt:EINVAL:%",
		"fail=halt:EINVAL:.", "fail=halt:EINVAL:1e3", "fail=halt:0:1", "fail=halt:4096:1",
		"fail=halt:-22:1", "fail=halt:EFOO:1", "fail=hal:EINVAL:1", "fail=halts:EINVAL:1",
		"fail=yield:EINVAL:1", "fail=timer_set:EINVAL:1", "fail=event_retry:EINVAL:1",
		"fail=halt:EINVAL:0.12345678901", "fail=halt:EINVAL:4294967297",
		"seed=", "seed=-1", "seed=0x1", "seed=99999999999999999999", "", ",", "other=1", "=1",
	};

	for (size_t i = 0; i < array_size(bad); i++)
		ck_assert_msg(add(bad[i]) == -EINVAL, "%s", bad[i]);
	ck_assert_uint_eq(abi->failures, 0);
	for (unsigned i = 0; i < MACHINE_ABI_FAILURES; i++)
		ck_assert_int_eq(add("fail=halt:EINVAL:1"), 0);
	ck_assert_int_eq(add("fail=halt:EINVAL:1"), -EINVAL);
}
END_TEST

START_TEST(only_with_hypercalls)
{
	ck_assert_int_eq(add("seed=1"), 0);
	ck_assert_int_eq(options_check_abi(&machine.config), -EINVAL);
	machine.config.pv = MACHINE_PV_RING3;
	ck_assert_int_eq(options_check_abi(&machine.config), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hypercall_options");
	TCase *t = tcase_create("abi");

	tcase_add_test(t, nothing_given);
	tcase_add_test(t, versions);
	tcase_add_test(t, hiding);
	tcase_add_test(t, failing);
	tcase_add_test(t, failing_refused);
	tcase_add_test(t, only_with_hypercalls);
	suite_add_tcase(s, t);
	return suite_run(s);
}
