// SPDX-License-Identifier: MIT
/*
 * --disk, --net, --rng, --io: what they mean and what is refused.
 */
#include "option_words.h"
#include "suite.h"

#include <errno.h>
#include <string.h>

#include "cli/options.h"

static int parse(const char *line)
{
	return words_parse("--kernel k", line);
}

START_TEST(nothing_by_default)
{
	ck_assert_int_eq(parse(""), 0);
	ck_assert_uint_eq(o.machine.disks, 0);
	ck_assert_uint_eq(o.machine.nets, 0);
	ck_assert(!o.machine.rng);
	ck_assert_int_eq(o.machine.io, IO_AUTO);
}
END_TEST

START_TEST(disk_defaults)
{
	const struct machine_disk *d = &o.machine.disk[0];

	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(parse(i ? "--disk file=a.img" : "--disk a.img"), 0);
		ck_assert_uint_eq(o.machine.disks, 1);
		ck_assert_str_eq(d->backend.path, "a.img");
		ck_assert_int_eq(d->device, DISK_VIRTIO);
		ck_assert_int_eq(d->backend.cache, BLOCK_CACHE_NONE);
		ck_assert(!d->backend.readonly && !d->serial);
		ck_assert_uint_eq(d->backend.offset | d->backend.size | d->backend.iops | d->backend.bps, 0);
	}
}
END_TEST

START_TEST(disk_everything)
{
	const struct machine_disk *d = &o.machine.disk[1];

	ck_assert_int_eq(parse("--disk null=1G --disk device=ide,file=b,cache=writeback,readonly,"
			       "offset=1M,size=4096,iops=100,bps=2K,serial=ABC-1"), 0);
	ck_assert_uint_eq(o.machine.disks, 2);
	ck_assert_uint_eq(o.machine.disk[0].backend.null_size, GIB);
	ck_assert_ptr_null(o.machine.disk[0].backend.path);
	ck_assert_str_eq(d->backend.path, "b");
	ck_assert_int_eq(d->device, DISK_IDE);
	ck_assert_int_eq(d->backend.cache, BLOCK_CACHE_WRITEBACK);
	ck_assert(d->backend.readonly);
	ck_assert_uint_eq(d->backend.offset, MIB);
	ck_assert_uint_eq(d->backend.size, 4096);
	ck_assert_uint_eq(d->backend.iops, 100);
	ck_assert_uint_eq(d->backend.bps, 2048);
	ck_assert_str_eq(d->serial, "ABC-1");
}
END_TEST

START_TEST(disk_queues)
{
	ck_assert_int_eq(parse("--pv ring3 --disk a --disk b,queues=1 --disk c,device=pv,queues=16"), 0);
	ck_assert_uint_eq(o.machine.disk[0].queues, 0);
	ck_assert_uint_eq(o.machine.disk[1].queues, 1);
	ck_assert_uint_eq(o.machine.disk[2].queues, 16);
}
END_TEST

START_TEST(disk_refused)
{
	const char *bad[] = {
		"--disk", "--disk file=", "--disk readonly", "--disk a,b", "--disk a,device=scsi",
		"--disk a,device", "--disk a,cache=maybe", "--disk a,offset=100", "--disk a,size=1000",
		"--disk a,offset=-512", "--disk a,size=x", "--disk a,iops=0", "--disk a,bps=many",
		"--disk a,serial=", "--disk a,serial=123456789012345678901", "--disk a,null=1G",
		"--disk a,queues", "--disk a,queues=0", "--disk a,queues=17", "--disk a,queues=2,device=ide",
		"--disk a,colour=red", "--disk a,readonly=perhaps", "--disk a,size=99999999999999999999",
		"--disk 1 --disk 2 --disk 3 --disk 4 --disk 5 --disk 6 --disk 7 --disk 8 --disk 9",
	};

	for (size_t i = 0; i < array_size(bad); i++)
		ck_assert_msg(parse(bad[i]) == -EINVAL, "%s", bad[i]);
}
END_TEST

START_TEST(net_kinds)
{
	const struct { const char *line; enum net_kind kind; const char *where; } good[] = {
		{ "--net user", NET_USER, NULL }, { "--net tap=t0", NET_TAP, "t0" },
		{ "--net socket=/x/y", NET_SOCKET, "/x/y" }, { "--net switch=lab", NET_SWITCH, "lab" },
		{ "--net null", NET_NULL, NULL }, { "--net device=e1000,tap=t0", NET_TAP, "t0" },
	};

	for (size_t i = 0; i < array_size(good); i++) {
		const struct machine_net *n = &o.machine.net[0];

		ck_assert_msg(parse(good[i].line) == 0, "%s", good[i].line);
		ck_assert_int_eq(n->backend.kind, good[i].kind);
		if (good[i].where)
			ck_assert_str_eq(n->backend.where, good[i].where);
		else
			ck_assert_ptr_null(n->backend.where);
		ck_assert_uint_eq(n->mac[0] & 3, 2);	/* locally administered, of one card */
	}
	ck_assert_int_eq(o.machine.net[0].device, NET_DEVICE_E1000);
}
END_TEST

START_TEST(net_addresses)
{
	const uint8_t mac[6] = { 0x52, 0x54, 0, 0xab, 0xCD, 0xef };

	ck_assert_int_eq(parse("--net user,mac=52:54:00:ab:CD:ef,hostfwd=tcp::8022-:22,"
			       "hostfwd=udp:127.0.0.1:53-10.0.2.15:53 --net null --net null"), 0);
	ck_assert_uint_eq(o.machine.nets, 3);
	ck_assert_mem_eq(o.machine.net[0].mac, mac, 6);
	ck_assert_str_eq(o.machine.net[0].backend.hostfwd[0], "tcp::8022-:22");
	ck_assert_str_eq(o.machine.net[0].backend.hostfwd[1], "udp:127.0.0.1:53-10.0.2.15:53");
	ck_assert_ptr_null(o.machine.net[0].backend.hostfwd[2]);
	/* Random ones differ. */
	ck_assert_mem_ne(o.machine.net[1].mac, o.machine.net[2].mac, 6);
}
END_TEST

START_TEST(net_refused)
{
	const char *bad[] = {
		"--net", "--net device=virtio", "--net tap", "--net tap=", "--net user=x", "--net moon",
		"--net user,tap=x", "--net user,device=rtl", "--net user,mac=1:2", "--net user,mac=",
		"--net user,mac=53:54:00:00:00:01", "--net user,mac=52:54:00:00:00:01:02",
		"--net tap=x,hostfwd=tcp::1-:1", "--net user,hostfwd=icmp::1-:1", "--net user,hostfwd=tcp::1",
		"--net null --net null --net null --net null --net null",
	};

	for (size_t i = 0; i < array_size(bad); i++)
		ck_assert_msg(parse(bad[i]) == -EINVAL, "%s", bad[i]);
}
END_TEST

START_TEST(others)
{
	ck_assert_int_eq(parse("--rng --io threads"), 0);
	ck_assert(o.machine.rng);
	ck_assert_int_eq(o.machine.io, IO_THREADS);
	ck_assert_int_eq(parse("--io uring"), 0);
	ck_assert_int_eq(o.machine.io, IO_URING);
	ck_assert_int_eq(parse("--io aio"), -EINVAL);
	ck_assert_int_eq(parse("--rng=yes"), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("device options");
	TCase *c = tcase_create("device options");

	tcase_add_test(c, nothing_by_default);
	tcase_add_test(c, disk_defaults);
	tcase_add_test(c, disk_everything);
	tcase_add_test(c, disk_queues);
	tcase_add_test(c, disk_refused);
	tcase_add_test(c, net_kinds);
	tcase_add_test(c, net_addresses);
	tcase_add_test(c, net_refused);
	tcase_add_test(c, others);
	suite_add_tcase(s, c);
	return suite_run(s);
}
