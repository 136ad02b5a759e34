// SPDX-License-Identifier: MIT
/*
 * The command line: sizes, defaults, what is refused.
 */
#include "option_words.h"
#include "suite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "debug/trace.h"

static int parse(const char *line)
{
	return words_parse("", line);
}

START_TEST(sizes)
{
	const struct { const char *text; uint64_t bytes; } good[] = {
		{ "512M", 512 * MIB }, { "512", 512 * MIB }, { "2G", 2 * GIB }, { "2g", 2 * GIB },
		{ "65536K", 64 * MIB }, { "1T", TIB }, { "512MiB", 512 * MIB }, { "512MB", 512 * MIB },
		{ "0", 0 },
	};
	const char *bad[] = { "", "M", "-1", "+1", "1.5G", "512X", "512MM", "512 M", " 512", "0x200",
			      "99999999999999999999", "18446744073709551615G", "20000000000000M" };
	uint64_t bytes;

	for (size_t i = 0; i < array_size(good); i++) {
		ck_assert_msg(options_size(good[i].text, &bytes), "%s", good[i].text);
		ck_assert_uint_eq(bytes, good[i].bytes);
	}
	for (size_t i = 0; i < array_size(bad); i++)
		ck_assert_msg(!options_size(bad[i], &bytes), "%s", bad[i]);
}
END_TEST

START_TEST(defaults)
{
	ck_assert_int_eq(parse("--kernel k"), 0);
	ck_assert_str_eq(o.machine.kernel, "k");
	ck_assert_ptr_null(o.machine.initrd);
	ck_assert_ptr_null(o.machine.modules);
	ck_assert_uint_eq(o.machine.memory, 512 * MIB);
	ck_assert_int_eq(o.machine.pv, MACHINE_PV_NONE);
	ck_assert_int_eq(o.machine.engine, MACHINE_ENGINE_TRANSLATE);
	ck_assert_str_eq(o.machine.serial, "stdio");
	ck_assert(!o.machine.no_reboot && !o.machine.stats && !o.machine.gdb_wait);
	ck_assert_uint_eq(o.machine.timeout, 0);
	ck_assert_uint_eq(o.machine.trace, 0);
	ck_assert_uint_eq(o.machine.gdb_port, 0);
	ck_assert_int_eq(o.log_level, LOG_INFO);
}
END_TEST

START_TEST(everything)
{
	ck_assert_int_eq(parse("--kernel k --initrd i --append a=b --module m1 --module m2 -m 1G "
			       "--pv kvm --serial file:x --no-reboot --timeout 30 --stats "
			       "--trace exits,cpu --gdb 1234,wait --engine emulate -v"), 0);
	ck_assert_str_eq(o.machine.initrd, "i");
	ck_assert_str_eq(o.machine.append, "a=b");
	ck_assert_str_eq(o.machine.modules[0], "m1");
	ck_assert_str_eq(o.machine.modules[1], "m2");
	ck_assert_ptr_null(o.machine.modules[2]);
	ck_assert_uint_eq(o.machine.memory, GIB);
	ck_assert_int_eq(o.machine.pv, MACHINE_PV_KVM);
	ck_assert_str_eq(o.machine.serial, "file:x");
	ck_assert(o.machine.no_reboot && o.machine.stats && o.machine.gdb_wait);
	ck_assert_uint_eq(o.machine.timeout, 30);
	ck_assert_uint_eq(o.machine.trace, TRACE_EXITS | TRACE_CPU);
	ck_assert_uint_eq(o.machine.gdb_port, 1234);
	ck_assert_int_eq(o.machine.engine, MACHINE_ENGINE_EMULATE);
	ck_assert_int_eq(o.log_level, LOG_DEBUG);
	ck_assert_int_eq(parse("--kernel k --disk null=1M,device=pv --net null,device=pv --pv ring3"), 0);
	ck_assert_int_eq(o.machine.pv, MACHINE_PV_RING3);
	ck_assert_int_eq(o.machine.disk[0].device, DISK_PV);
	ck_assert_int_eq(o.machine.net[0].device, NET_DEVICE_PV);
	ck_assert_int_eq(parse("--kernel=k --memory=64M --gdb=1 --quiet"), 0);
	ck_assert(!o.machine.gdb_wait);
	ck_assert_int_eq(o.log_level, LOG_ERROR);
}
END_TEST

START_TEST(last_one_counts)
{
	ck_assert_int_eq(parse("--kernel a --kernel b --append x --append y"), 0);
	ck_assert_str_eq(o.machine.kernel, "b");
	ck_assert_str_eq(o.machine.append, "y");
}
END_TEST

START_TEST(help)
{
	ck_assert_int_eq(parse("--help"), 0);
	ck_assert(o.help);
	ck_assert_int_eq(parse("-h --nonsense"), 0);
	ck_assert(o.help);
}
END_TEST

START_TEST(refused)
{
	const char *bad[] = {
		"", "vmlinuz", "--kernel", "--nonsense", "--kernel k extra", "-z", "--kernel k --m",
		"--kernel k -m 1M", "--kernel k -m 2T", "--kernel k -m", "--kernel k -m lots",
		"--kernel k --pv xen", "--kernel k --disk null=1M,device=pv",
		"--kernel k --pv kvm --net null,device=pv", "--kernel k --serial tcp:1", "--kernel k --serial file:",
		"--kernel k --serial unix:", "--kernel k --timeout -1", "--kernel k --timeout 1s",
		"--kernel k --timeout 99999999999", "--kernel k --trace exits,nothing",
		"--kernel k --gdb 0", "--kernel k --gdb 65536", "--kernel k --gdb 1,now",
		"--kernel k --gdb x", "--kernel k --gdb 123456789", "--kernel k --engine jit",
		"--kernel k --no-reboot=yes",
	};

	for (size_t i = 0; i < array_size(bad); i++)
		ck_assert_msg(parse(bad[i]) == -EINVAL, "%s", bad[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("options");
	TCase *tc = tcase_create("options");

	tcase_add_test(tc, sizes);
	tcase_add_test(tc, defaults);
	tcase_add_test(tc, everything);
	tcase_add_test(tc, last_one_counts);
	tcase_add_test(tc, help);
	tcase_add_test(tc, refused);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
