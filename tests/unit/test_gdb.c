// SPDX-License-Identifier: MIT
/*
 * The GDB stub over a socket pair: framing with checksums and escapes,
 * registers, memory, breakpoints, stepping, and whatever a broken client sends.
 *
 * The stub is one thread: a test queues the client's bytes, ended by something
 * that resumes, calls gdb_stop(), and looks at what came back.
 */
#include "suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "debug/gdb.h"
#include "debug/gdbmonitor.h"
#include "debug/gdbproto.h"
#include "debug/gdbregs.h"
#include "machine/machine.h"
#include "machine/timer.h"
#include "memory/access.h"
#include "memory/ram.h"

static struct vcpu vcpu;
static int client;
static char answer[65536];
static unsigned changes;

static gva_t last_changed;

static void breakpoint_changed(gva_t at)
{
	last_changed = at;
	changes++;
}

static void session_setup(void)
{
	int pair[2];

	ck_assert_int_eq(clock_init(), 0);
	ck_assert_int_eq(ram_init(2 * MIB), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	client = pair[0];
	gdb_attach(pair[1]);
	gdb_breakpoints_changed = breakpoint_changed;
	memset(&vcpu, 0, sizeof(vcpu));
	vcpu.rflags = RFLAGS_FIXED;
}

static void client_raw(const char *bytes, size_t length)
{
	ck_assert_int_eq(write(client, bytes, length), (ssize_t)length);
}

static void client_packet(const char *payload)
{
	char text[GDB_PACKET_MAX + 8];
	unsigned sum = 0;
	int length;

	for (const char *p = payload; *p; p++)
		sum += (unsigned char)*p;
	length = snprintf(text, sizeof(text), "$%s#%02x", payload, sum & 0xff);
	client_raw(text, (size_t)length);
}

/* Let the stub work on what is queued; fill `answer` with all it says. */
static enum gdb_action serve(enum gdb_stop_reason reason)
{
	enum gdb_action action = gdb_stop(&vcpu, reason);
	ssize_t n = recv(client, answer, sizeof(answer) - 1, MSG_DONTWAIT);

	answer[n > 0 ? n : 0] = '\0';
	return action;
}

/* One command, then continue: what is the payload of its reply? */
static const char *ask(const char *command)
{
	static char payload[16384];
	const char *start, *end;

	client_packet(command);
	client_packet("c");
	ck_assert_int_eq(serve(GDB_STOP_STEP), GDB_CONTINUE);
	/* A stop reply stands first where the client was waiting for one. */
	start = strrchr(answer, '$');
	ck_assert_ptr_ne(start, NULL);
	end = strchr(start, '#');
	ck_assert_ptr_ne(end, NULL);
	memcpy(payload, start + 1, (size_t)(end - start - 1));
	payload[end - start - 1] = '\0';
	return payload;
}

START_TEST(framing)
{
	static struct gdb_parser p;
	static const char good[] = "$a}\x03#c7";	/* '}' 0x03 is '#' */

	for (size_t i = 0; i < sizeof(good) - 2; i++)
		ck_assert_int_eq(gdb_parser_byte(&p, (uint8_t)good[i]), GDB_EVENT_NONE);
	/* 'a' + '}' + 3 = 0xe1 */
	ck_assert_int_eq(gdb_parser_byte(&p, '7'), GDB_EVENT_BAD);
	for (const char *s = "$a}\x03#e"; *s; s++)
		gdb_parser_byte(&p, (uint8_t)*s);
	ck_assert_int_eq(gdb_parser_byte(&p, '1'), GDB_EVENT_PACKET);
	ck_assert_uint_eq(p.length, 2);
	ck_assert_str_eq(p.packet, "a#");
	ck_assert_int_eq(gdb_parser_byte(&p, '+'), GDB_EVENT_ACK);
	ck_assert_int_eq(gdb_parser_byte(&p, '-'), GDB_EVENT_NAK);
	ck_assert_int_eq(gdb_parser_byte(&p, 3), GDB_EVENT_INTERRUPT);
	ck_assert_int_eq(gdb_parser_byte(&p, 'x'), GDB_EVENT_NONE);
}
END_TEST

START_TEST(framing_survives)
{
	static struct gdb_parser p;

	/* Too long: swallowed whole, refused, and the next packet is fine. */
	gdb_parser_byte(&p, '$');
	for (unsigned i = 0; i < 3 * GDB_PACKET_MAX; i++)
		ck_assert_int_eq(gdb_parser_byte(&p, 'A'), GDB_EVENT_NONE);
	gdb_parser_byte(&p, '#');
	gdb_parser_byte(&p, '0');
	ck_assert_int_eq(gdb_parser_byte(&p, '0'), GDB_EVENT_BAD);
	/* Digits that are none. */
	for (const char *s = "$?#z"; *s; s++)
		gdb_parser_byte(&p, (uint8_t)*s);
	ck_assert_int_eq(gdb_parser_byte(&p, 'z'), GDB_EVENT_BAD);
	/* A packet cut off by the beginning of another. */
	for (const char *s = "$m12$?#3"; *s; s++)
		gdb_parser_byte(&p, (uint8_t)*s);
	ck_assert_int_eq(gdb_parser_byte(&p, 'f'), GDB_EVENT_PACKET);
	ck_assert_str_eq(p.packet, "?");
}
END_TEST

START_TEST(reply_escapes_and_limits)
{
	static struct gdb_reply r;

	gdb_reply_begin(&r);
	gdb_reply_binary(&r, "a#$}*b", 6);
	ck_assert(gdb_reply_end(&r));
	r.text[r.length] = '\0';
	ck_assert_str_eq(r.text, "$a}\x03}\x04}]}\nb#25");
	gdb_reply_begin(&r);
	for (unsigned i = 0; i < GDB_REPLY_MAX; i++)
		gdb_reply_hex(&r, "x", 1);
	ck_assert(!gdb_reply_end(&r));
	r.text[r.length] = '\0';
	ck_assert_str_eq(r.text, "$E22#a9");
}
END_TEST

START_TEST(take_hex_limits)
{
	const char *p = "0123456789abcdefX";
	uint64_t value;

	ck_assert(gdb_take_hex(&p, &value));
	ck_assert_uint_eq(value, 0x0123456789abcdef);
	ck_assert_str_eq(p, "X");
	ck_assert(!gdb_take_hex(&p, &value));
	p = "00123456789abcdef";
	ck_assert(!gdb_take_hex(&p, &value));
}
END_TEST

START_TEST(handshake)
{
	client_packet("qSupported:swbreak+;xmlRegisters=i386");
	client_packet("QStartNoAckMode");
	client_raw("+", 1);
	client_packet("?");
	client_packet("vMustReplyEmpty");
	client_packet("qC");
	client_packet("qfThreadInfo");
	client_packet("Hg0");
	client_packet("c");
	ck_assert_int_eq(serve(GDB_STOP_START), GDB_CONTINUE);
	ck_assert_ptr_ne(strstr(answer, "+$PacketSize=1000;qXfer:features:read+"), NULL);
	ck_assert_ptr_ne(strstr(answer, "+$OK#9a$T02thread:1;#"), NULL);
	ck_assert_ptr_ne(strstr(answer, "$#00$QC1#c5$m1#9e$OK#9a"), NULL);
	ck_assert(gdb_active());
	ck_assert(!gdb_stepping());
}
END_TEST

START_TEST(bad_checksum_is_refused_and_repeated)
{
	client_raw("$?#00", 5);
	client_packet("?");
	client_raw("-", 1);
	client_packet("c");
	serve(GDB_STOP_STEP);
	ck_assert_str_eq(answer, "-+$T05thread:1;#d7$T05thread:1;#d7+");
}
END_TEST

START_TEST(target_description)
{
	static char xml[32768];
	char command[64];
	size_t length = 0;
	unsigned registers = 0;

	for (;;) {
		const char *part;

		snprintf(command, sizeof(command), "qXfer:features:read:target.xml:%zx,7fb", length);
		part = ask(command);
		if (part[0] == 'l')
			break;
		ck_assert_int_eq(part[0], 'm');
		ck_assert_uint_lt(length + strlen(part), sizeof(xml));
		strcpy(xml + length, part + 1);
		length += strlen(part + 1);
	}
	for (const char *p = xml; (p = strstr(p, "<reg ")); p++)
		registers++;
	ck_assert_uint_eq(registers, gdb_register_count());
	ck_assert_ptr_ne(strstr(xml, "<reg name=\"rax\" bitsize=\"64\" type=\"int64\" regnum=\"0\"/>"),
			 NULL);
	ck_assert_ptr_ne(strstr(xml, "name=\"cr3\""), NULL);
	ck_assert_str_eq(xml + length - 10, "</target>\n");
}
END_TEST

START_TEST(registers_read_all)
{
	const char *text;
	size_t digits = 0;

	vcpu.regs[REG_RAX] = 0x1122334455667788;
	vcpu.regs[REG_RBX] = 0xbb;
	vcpu.rip = 0xffffffff81000000;
	vcpu.seg[SEG_CS].selector = 0x10;
	for (unsigned nr = 0; nr < gdb_register_general(); nr++)
		digits += 2 * gdb_register_bytes(nr);
	text = ask("g");
	ck_assert_uint_eq(strlen(text), digits);
	ck_assert_int_eq(strncmp(text, "8877665544332211bb00000000000000", 32), 0);
	ck_assert_int_eq(strncmp(text + 16 * 16, "00000081ffffffff0200000010000000", 32), 0);
}
END_TEST

START_TEST(registers_write)
{
	ck_assert_str_eq(ask("P3=efbeadde00000000"), "OK");
	ck_assert_uint_eq(vcpu.regs[REG_RDX], 0xdeadbeef);
	ck_assert_str_eq(ask("p3"), "efbeadde00000000");
	ck_assert_str_eq(ask("P3=efbeadde"), "E16");
	ck_assert_str_eq(ask("P3"), "E16");
	ck_assert_str_eq(ask("P7fffffff=00"), "E16");
	ck_assert_str_eq(ask("p7fffffff"), "E16");
	ck_assert_str_eq(ask("p"), "E16");
	ck_assert_str_eq(ask("P12=18000000"), "E01");	/* CS: cannot be */
	ck_assert_str_eq(ask("P12=00000000"), "OK");	/* but unchanged it may */
	ck_assert_str_eq(ask("G00"), "E16");
}
END_TEST

START_TEST(registers_write_all)
{
	static char command[4096];

	vcpu.regs[REG_R15] = 0x1234;
	vcpu.xsave[160] = 0x55;
	command[0] = 'G';
	strcpy(command + 1, ask("g"));
	memcpy(command + 1, "0100000000000000", 16);
	ck_assert_str_eq(ask(command), "OK");
	ck_assert_uint_eq(vcpu.regs[REG_RAX], 1);
	ck_assert_uint_eq(vcpu.regs[REG_R15], 0x1234);
	ck_assert_uint_eq(vcpu.xsave[160], 0x55);
}
END_TEST

START_TEST(registers_elsewhere)
{
	vcpu.fpu_place = FPU_IN_USER_WORLD;
	ck_assert_int_eq(strncmp(ask("p18"), "xxxx", 4), 0);	/* st0 */
	ck_assert_str_eq(ask("p0"), "0000000000000000");
	vcpu.fpu_place = FPU_IN_MEMORY;
	ck_assert_str_eq(ask("p18"), "00000000000000000000");
}
END_TEST

START_TEST(memory)
{
	uint8_t there[4];

	ck_assert_str_eq(ask("M1000,4:01020304"), "OK");
	ck_assert_str_eq(ask("m1000,4"), "01020304");
	ck_assert_str_eq(ask("m1000,0"), "");
	ck_assert_str_eq(ask("m40000000,4"), "E0e");
	ck_assert_str_eq(ask("M40000000,1:00"), "E0e");
	ck_assert_str_eq(ask("M1000,4:0102"), "E16");
	ck_assert_str_eq(ask("M1000,2:010203"), "E16");
	ck_assert_str_eq(ask("M1000,ffffffffffffffff:01"), "E16");
	ck_assert_str_eq(ask("m1000"), "E16");
	ck_assert_str_eq(ask("m"), "E16");
	ck_assert_str_eq(ask("mx,y"), "E16");
	/* What is readable of a range that is not all there. */
	ck_assert_uint_eq(strlen(ask("m1ffff0,100")), 32);
	/* More than fits one packet: less comes back. */
	ck_assert_uint_le(strlen(ask("m0,ffffffff")), GDB_PACKET_MAX);
	ck_assert_uint_gt(strlen(ask("m0,ffffffff")), GDB_PACKET_MAX / 2);
	/* Binary, '#' escaped. */
	client_raw("$X1000,2:}\x03z#", 13);
	client_raw("ab", 2);
	client_packet("c");
	serve(GDB_STOP_STEP);
	ck_assert(ram_read(GPA(0x1000), there, 2));
	ck_assert_int_eq(there[0], '#');
	ck_assert_int_eq(there[1], 'z');
	ck_assert_str_eq(ask("X1000,5:ab"), "E16");
}
END_TEST

START_TEST(breakpoints_listed)
{
	ck_assert(!gdb_breakpoint_at(GVA(0xffffffff81234567)));
	ck_assert_str_eq(ask("Z0,ffffffff81234567,1"), "OK");
	ck_assert_uint_eq(changes, 1);
	ck_assert_uint_eq(last_changed.v, 0xffffffff81234567);
	ck_assert(gdb_breakpoint_at(GVA(0xffffffff81234567)));
	ck_assert(gdb_breakpoint_in_page(GVA(0xffffffff81234000)));
	ck_assert(!gdb_breakpoint_in_page(GVA(0xffffffff81235000)));
	ck_assert_str_eq(ask("Z0,ffffffff81234567,1"), "OK");
	ck_assert_str_eq(ask("Z1,1000,1"), "OK");
	ck_assert_str_eq(ask("z0,ffffffff81234567,1"), "OK");
	ck_assert(!gdb_breakpoint_at(GVA(0xffffffff81234567)));
	ck_assert(gdb_breakpoint_at(GVA(0x1000)));
	ck_assert_str_eq(ask("z0,ffffffff81234567,1"), "OK");
	ck_assert_str_eq(ask("Z5,1000,4"), "");
	ck_assert_str_eq(ask("Z0"), "E16");
	ck_assert_str_eq(ask("Z0,,"), "E16");
	for (unsigned i = 0; i < 2 * BREAKPOINTS_MAX; i++) {
		char command[32];

		snprintf(command, sizeof(command), "Z0,%x,1", 0x2000 + i);
		ck_assert_str_eq(ask(command), i < BREAKPOINTS_MAX - 1 ? "OK" : "E1c");
	}
	client_packet("D");
	ck_assert_int_eq(serve(GDB_STOP_STEP), GDB_DETACH);
	ck_assert(!gdb_active());
	ck_assert(!gdb_breakpoint_at(GVA(0x2000)));
}
END_TEST

START_TEST(watchpoint_sees_change)
{
	uint32_t value = 7;

	ck_assert(!gdb_watching());
	ck_assert_str_eq(ask("Z2,3000,4"), "OK");
	ck_assert(gdb_watching());
	ck_assert_int_eq(gdb_stopped_after(&vcpu), GDB_STOP_NONE);
	ram_write(GPA(0x3000), &value, sizeof(value));
	ck_assert_int_eq(gdb_stopped_after(&vcpu), GDB_STOP_WATCH);
	ck_assert_int_eq(gdb_stopped_after(&vcpu), GDB_STOP_NONE);
	client_packet("c");
	serve(GDB_STOP_WATCH);
	ck_assert_ptr_ne(strstr(answer, "T05thread:1;watch:3000;"), NULL);
	/* The debugger's own write is no hit. */
	ck_assert_str_eq(ask("M3000,1:09"), "OK");
	ck_assert_int_eq(gdb_stopped_after(&vcpu), GDB_STOP_NONE);
	ck_assert_str_eq(ask("Z2,3000,9"), "E16");
	ck_assert_str_eq(ask("Z2,3000,0"), "E16");
	ck_assert_str_eq(ask("z2,3000,4"), "OK");
	ck_assert(!gdb_watching());
}
END_TEST

static enum gdb_stop_reason touch(uint64_t addr, unsigned length, bool write)
{
	watchpoints_begin();
	if (access_observe)
		access_observe(addr, length, write);
	return gdb_stopped_after(&vcpu);
}

START_TEST(watchpoint_sees_reads)
{
	ck_assert_str_eq(ask("Z3,3004,4"), "OK");
	ck_assert_int_eq(touch(0x3000, 4, false), GDB_STOP_NONE);
	ck_assert_int_eq(touch(0x3008, 8, false), GDB_STOP_NONE);
	ck_assert_int_eq(touch(0x3004, 4, true), GDB_STOP_NONE);
	ck_assert_int_eq(touch(0x3000, 8, false), GDB_STOP_WATCH);
	ck_assert_int_eq(touch(0x3007, 1, false), GDB_STOP_WATCH);
	client_packet("c");
	serve(GDB_STOP_WATCH);
	ck_assert_ptr_ne(strstr(answer, "T05thread:1;rwatch:3004;"), NULL);
	ck_assert_str_eq(ask("z3,3004,4"), "OK");
	ck_assert_str_eq(ask("Z4,3004,4"), "OK");
	ck_assert_int_eq(touch(0x3004, 4, true), GDB_STOP_WATCH);
	client_packet("c");
	serve(GDB_STOP_WATCH);
	ck_assert_ptr_ne(strstr(answer, "T05thread:1;awatch:3004;"), NULL);
	ck_assert_str_eq(ask("z4,3004,4"), "OK");
	ck_assert(!gdb_watching());
	ck_assert_int_eq(touch(0x3004, 4, true), GDB_STOP_NONE);
	ck_assert_ptr_eq(access_observe, NULL);
}
END_TEST

START_TEST(stepping_and_continuing)
{
	client_packet("s");
	ck_assert_int_eq(serve(GDB_STOP_START), GDB_STEP);
	ck_assert(gdb_stepping());
	ck_assert_int_eq(gdb_stopped_after(&vcpu), GDB_STOP_STEP);
	client_packet("vCont;s:1;c");
	ck_assert_int_eq(serve(GDB_STOP_STEP), GDB_STEP);
	ck_assert_ptr_ne(strstr(answer, "$T05thread:1;#"), NULL);
	client_packet("vCont;c");
	ck_assert_int_eq(serve(GDB_STOP_STEP), GDB_CONTINUE);
	ck_assert(!gdb_stepping());
	client_packet("c4000");
	ck_assert_int_eq(serve(GDB_STOP_BREAKPOINT), GDB_CONTINUE);
	ck_assert_uint_eq(vcpu.rip, 0x4000);
	ck_assert_str_eq(ask("cxyz"), "E16");
	ck_assert_str_eq(ask("vCont;x"), "E16");
	client_packet("k");
	ck_assert_int_eq(serve(GDB_STOP_STEP), GDB_KILL);
}
END_TEST

/* gdb_poll() once its timer has expired. */
static bool poll_later(void)
{
	timers_run(clock_ns() + 60000000);
	return gdb_poll();
}

START_TEST(interrupt_while_running)
{
	client_packet("c");
	serve(GDB_STOP_START);
	ck_assert(!poll_later());
	client_raw("+", 1);
	ck_assert(poll_later());
	ck_assert_int_eq(serve(GDB_STOP_INTERRUPT), GDB_CONTINUE);	/* an ACK stops nothing */
	ck_assert_str_eq(answer, "");
	client_raw("\x03", 1);
	client_packet("c");
	ck_assert(poll_later());
	ck_assert_int_eq(serve(GDB_STOP_INTERRUPT), GDB_CONTINUE);
	ck_assert_ptr_ne(strstr(answer, "$T02thread:1;#"), NULL);
	ck_assert(!poll_later());
}
END_TEST

START_TEST(client_hangs_up)
{
	ck_assert_str_eq(ask("Z0,1000,1"), "OK");
	close(client);
	ck_assert(poll_later());
	ck_assert_int_eq(gdb_stop(&vcpu, GDB_STOP_INTERRUPT), GDB_DETACH);
	ck_assert(!gdb_active());
	ck_assert(!gdb_breakpoint_at(GVA(0x1000)));
	ck_assert_int_eq(gdb_stop(&vcpu, GDB_STOP_STEP), GDB_CONTINUE);
}
END_TEST

START_TEST(machine_end_is_noticed)
{
	machine.stop = MACHINE_QUIT;
	ck_assert_int_eq(gdb_stop(&vcpu, GDB_STOP_STEP), GDB_CONTINUE);
	gdb_exit(3);
	ck_assert_int_eq(recv(client, answer, 7, 0), 7);
	ck_assert_int_eq(memcmp(answer, "$W03#ba", 7), 0);
	ck_assert(!gdb_active());
}
END_TEST

/* Hex of a command's text in, all lines of the answer out. */
static const char *monitor(const char *text)
{
	static char lines[32768];
	char command[256] = "qRcmd,";
	size_t used = 0;

	for (const char *p = text; *p; p++)
		sprintf(command + strlen(command), "%02x", (unsigned char)*p);
	client_packet(command);
	client_packet("c");
	serve(GDB_STOP_STEP);
	for (const char *p = answer; (p = strstr(p, "$O")); p++) {
		unsigned byte;

		if (p[2] == 'K')
			continue;
		for (p += 2; *p != '#' && sscanf(p, "%2x", &byte) == 1; p += 2)
			lines[used++] = (char)byte;
	}
	lines[used] = '\0';
	ck_assert_ptr_ne(strstr(answer, "$OK#9a"), NULL);
	return lines;
}

static uint32_t unplugged = 99;

static int unplug(uint32_t device)
{
	unplugged = device;
	return device == 1 ? 0 : -ENODEV;
}

START_TEST(monitor_unplug)
{
	ck_assert_ptr_ne(strstr(monitor("unplug 1"), "no such device"), NULL);
	gdb_unplug = unplug;
	ck_assert_ptr_ne(strstr(monitor("unplug"), "no such device"), NULL);
	ck_assert_uint_eq(unplugged, 99);
	ck_assert_ptr_ne(strstr(monitor("unplug 2"), "no such device"), NULL);
	ck_assert_ptr_ne(strstr(monitor("unplug 1"), "removed"), NULL);
	ck_assert_uint_eq(unplugged, 1);
}
END_TEST

START_TEST(monitor_commands)
{
	vcpu.rip = 0x1000;
	ram_write(GPA(0x1000), "\xf4", 1);
	ck_assert_ptr_ne(strstr(monitor("help"), "monitor walk"), NULL);
	ck_assert_ptr_ne(strstr(monitor("nonsense"), "unknown command"), NULL);
	ck_assert_ptr_ne(strstr(monitor("info"), "rip 0000000000001000"), NULL);
	ck_assert_ptr_ne(strstr(monitor("walk 1000"), "paging is off"), NULL);
	ck_assert_ptr_ne(strstr(monitor("code"), "hlt"), NULL);
	ck_assert_ptr_ne(strstr(monitor("phys 0x1000 10"), "0000000000001000: 00000000000000f4"),
			 NULL);
	ck_assert_ptr_ne(strstr(monitor("phys ffffffffffffff00"), "not RAM"), NULL);
	ck_assert_ptr_ne(strstr(monitor("trace 5"), "trace records"), NULL);
	monitor("stats");
	monitor("");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gdb");
	TCase *framing_tests = tcase_create("framing"), *tc = tcase_create("session");

	tcase_add_test(framing_tests, framing);
	tcase_add_test(framing_tests, framing_survives);
	tcase_add_test(framing_tests, reply_escapes_and_limits);
	tcase_add_test(framing_tests, take_hex_limits);
	suite_add_tcase(suite, framing_tests);
	tcase_add_checked_fixture(tc, session_setup, NULL);
	tcase_add_test(tc, handshake);
	tcase_add_test(tc, bad_checksum_is_refused_and_repeated);
	tcase_add_test(tc, target_description);
	tcase_add_test(tc, registers_read_all);
	tcase_add_test(tc, registers_write);
	tcase_add_test(tc, registers_write_all);
	tcase_add_test(tc, registers_elsewhere);
	tcase_add_test(tc, memory);
	tcase_add_test(tc, breakpoints_listed);
	tcase_add_test(tc, watchpoint_sees_change);
	tcase_add_test(tc, watchpoint_sees_reads);
	tcase_add_test(tc, stepping_and_continuing);
	tcase_add_test(tc, interrupt_while_running);
	tcase_add_test(tc, client_hangs_up);
	tcase_add_test(tc, machine_end_is_noticed);
	tcase_add_test(tc, monitor_commands);
	tcase_add_test(tc, monitor_unplug);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
