// SPDX-License-Identifier: MIT
/*
 * The flight recorder and its reader: what is written is read back, rings go round, calls that do
 * not return and records that are torn are told, nothing in the file is believed; and the text of
 * calls shows no byte that a terminal would act on.
 */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/ring3_abi.h"
#include "base/arena.h"
#include "debug/calltext.h"
#include "debug/recorder.h"
#include "memory/ram.h"

static char path[64];
static struct recording reader;
static const uint64_t none[6];

void vcpu_kick(void) { }

static void setup(void)
{
	snprintf(path, sizeof(path), "/tmp/test_recorder.%d", getpid());
	ck_assert_int_eq(arena_init(), 0);
	ck_assert_int_eq(ram_init(4 * MIB), 0);
}

static void begin(void)
{
	ck_assert_int_eq(recorder_open(path, RECORDER_BYTES_MIN), 0);
	recorder_start(NULL, false, false);
	ck_assert(recorder_active);
	recorder_boot();
}

static void look(void)
{
	const char *why = "";

	ck_assert_msg(recording_open(&reader, path, &why) == 0, "%s", why);
}

static void teardown(void)
{
	unlink(path);
}

static int64_t run_sum(uint64_t number, const uint64_t args[6])
{
	return (int64_t)(number + args[0]);
}

static int64_t run_fail(uint64_t number, const uint64_t args[6])
{
	(void)number;
	(void)args;
	return -EINVAL;
}

static int64_t run_nested(uint64_t number, const uint64_t args[6])
{
	for (uint64_t i = 0; i < args[0]; i++)
		recorder_call(number + 1, args, run_sum);
	return 0;
}

static int64_t run_injected(uint64_t number, const uint64_t args[6])
{
	recorder_injected();
	return run_fail(number, args);
}

START_TEST(off_by_default)
{
	ck_assert(!recorder_active);
	recorder_start(NULL, false, false);
	ck_assert(!recorder_active && !recorder_header());
	recorder_start(NULL, true, false);
	ck_assert(recorder_active);
}
END_TEST

START_TEST(written_and_read)
{
	struct recording_record r;
	struct recording_call c;

	begin();
	ck_assert_int_eq(recorder_call(7, (uint64_t[6]){ 1, 2, 3, 4, 5, 6 }, run_sum), 8);
	ck_assert_int_eq(recorder_call(7, none, run_fail), -EINVAL);
	ck_assert_int_eq(recorder_call(UINT64_MAX, none, run_fail), -EINVAL);
	ck_assert_int_eq(recorder_call(8, none, run_injected), -EINVAL);
	look();
	ck_assert_uint_eq(reader.header.records_begun, 5);
	ck_assert_uint_eq(recording_first(&reader), 0);
	ck_assert_int_eq(recording_read(&reader, 0, &r), RECORDING_GOOD);
	ck_assert(r.kind == RECORDING_K_BOOT && r.number == 0);
	ck_assert_int_eq(recording_read(&reader, 1, &r), RECORDING_GOOD);
	ck_assert(r.kind == RECORDING_K_CALL && r.number == 7 && r.result == 8 && !r.flags);
	ck_assert(r.args[0] == 1 && r.args[5] == 6);
	ck_assert_int_eq(recording_read(&reader, 2, &r), RECORDING_GOOD);
	ck_assert_int_eq(r.result, -EINVAL);
	ck_assert_int_eq(recording_read(&reader, 4, &r), RECORDING_GOOD);
	ck_assert_uint_eq(r.flags, RECORDING_INJECTED);
	ck_assert(recording_calls(&reader, 7, &c));
	ck_assert(c.count == 2 && c.failed == 1 && c.error[EINVAL] == 1);
	ck_assert(recording_calls(&reader, RECORDING_CALLS - 1, &c));
	ck_assert_uint_eq(c.count, 1);
	ck_assert(!recording_calls(&reader, RECORDING_CALLS, &c));
}
END_TEST

START_TEST(nested)
{
	struct recording_record r;

	begin();
	recorder_call(RING3_CALL_MULTICALL, (uint64_t[6]){ 3 }, run_nested);
	recorder_call(0, none, run_sum);
	look();
	for (uint64_t n = 1; n <= 5; n++) {
		ck_assert_int_eq(recording_read(&reader, n, &r), RECORDING_GOOD);
		ck_assert_uint_eq(r.flags, n == 1 || n == 5 ? 0 : RECORDING_INNER);
		ck_assert_uint_eq(r.number, n == 1 ? RING3_CALL_MULTICALL : n == 5 ? 0 :
				  RING3_CALL_MULTICALL + 1);
	}
}
END_TEST

static int64_t run_device_info(uint64_t number, const uint64_t args[6])
{
	struct ring3_device_info info = { .size = 32, .type = 2 };

	(void)number;
	return ram_write(GPA(args[1]), &info, sizeof(info)) ? 0 : -EFAULT;
}

/* The one piece of this record. */
static const uint8_t *piece_of(uint64_t n, bool out, struct recording_piece *piece)
{
	struct recording_record r;
	const uint8_t *bytes;
	uint32_t at = 0;

	ck_assert_int_eq(recording_read(&reader, n, &r), RECORDING_GOOD);
	ck_assert(recording_load(&reader, &r, out));
	ck_assert(recording_piece_next(&reader, out ? r.out_bytes : r.in_bytes, &at, piece, &bytes));
	ck_assert(!recording_piece_next(&reader, out ? r.out_bytes : r.in_bytes, &at, piece, &bytes));
	return bytes;
}

static void no_piece(uint64_t n, bool out)
{
	struct recording_record r;

	ck_assert_int_eq(recording_read(&reader, n, &r), RECORDING_GOOD);
	ck_assert(!recording_load(&reader, &r, out));
}

START_TEST(memory)
{
	struct ring3_device_info info = { .size = 40, .queues = 9 };
	struct recording_piece piece;
	const uint8_t *bytes;

	begin();
	ram_write(GPA(0x1000), &info, sizeof(info));
	recorder_call(RING3_CALL_DEVICE_INFO, (uint64_t[6]){ 0, 0x1000 }, run_device_info);
	recorder_call(RING3_CALL_DEVICE_INFO, (uint64_t[6]){ 0, 0x1000 }, run_fail);
	recorder_call(RING3_CALL_DEVICE_INFO, (uint64_t[6]){ 0, 4 * MIB - 8 }, run_fail);
	recorder_call(RING3_CALL_DEVICE_INFO, (uint64_t[6]){ 0, 1ull << 50 }, run_fail);
	recorder_call(RING3_CALL_CONSOLE_READ, (uint64_t[6]){ 0x2000, 100 }, run_fail);
	ram_write(GPA(0x2000), "abcdefgh", 8);
	recorder_call(RING3_CALL_CONSOLE_WRITE, (uint64_t[6]){ 0x2000, 5 }, run_fail);
	recorder_call(RING3_CALL_CONSOLE_WRITE, (uint64_t[6]){ 0x2000, 2000000 }, run_fail);
	recorder_call(RING3_CALL_CONSOLE_WRITE, (uint64_t[6]){ 0x2000, UINT32_MAX }, run_fail);
	recorder_call(RING3_CALL_MMU_UPDATE, (uint64_t[6]){ 0x2000, UINT32_MAX }, run_fail);
	look();
	bytes = piece_of(1, false, &piece);
	ck_assert(piece.gpa == 0x1000 && piece.bytes == 40 && piece.argument == 1);
	ck_assert(!memcmp(bytes, &info, sizeof(info)));
	bytes = piece_of(1, true, &piece);
	ck_assert_uint_eq(((const struct ring3_device_info *)bytes)->type, 2);
	piece_of(2, false, &piece);
	no_piece(2, true);
	piece_of(3, false, &piece);
	ck_assert_uint_eq(piece.bytes, 8);
	no_piece(4, false);
	no_piece(5, false);
	bytes = piece_of(6, false, &piece);
	ck_assert(piece.bytes == 5 && !memcmp(bytes, "abcde\0\0\0", 8));
	for (uint64_t n = 7; n <= 9; n++) {
		piece_of(n, false, &piece);
		ck_assert_uint_eq(piece.bytes, RECORDING_PIECE_MAX);
	}
}
END_TEST

START_TEST(rings_go_round)
{
	struct recording_record r;
	struct recording_piece piece;
	struct recording_call c;
	uint64_t total = 10000, n, loaded = 0;

	begin();
	for (uint64_t i = 1; i <= total; i++) {
		ram_write(GPA(0x3000), &i, 8);
		recorder_call(RING3_CALL_CONSOLE_WRITE, (uint64_t[6]){ 0x3000, 1000 + i % 3000 }, run_sum);
	}
	look();
	ck_assert_uint_eq(recording_first(&reader), total + 1 - reader.header.records);
	ck_assert_int_eq(recording_read(&reader, recording_first(&reader) - 1, &r), RECORDING_GONE);
	ck_assert_int_eq(recording_read(&reader, 0, &r), RECORDING_GONE);
	for (n = recording_first(&reader); n <= total; n++) {
		ck_assert_int_eq(recording_read(&reader, n, &r), RECORDING_GOOD);
		ck_assert_uint_eq(r.args[1], 1000 + n % 3000);
		if (!recording_load(&reader, &r, false))
			continue;
		ck_assert_uint_eq(*(const uint64_t *)piece_of(n, false, &piece), n);
		loaded++;
	}
	/* Half the file is data, of which no more than one text's length is lost at the end. */
	ck_assert_uint_gt(loaded, (RECORDER_BYTES_MIN / 2 - 4100) / 4016);
	ck_assert(recording_calls(&reader, RING3_CALL_CONSOLE_WRITE, &c));
	ck_assert_uint_eq(c.count, total);
}
END_TEST

static int64_t run_look(uint64_t number, const uint64_t args[6])
{
	struct recording_record r;
	const char *why;

	ck_assert_int_eq(recording_refresh(&reader, &why), 0);
	ck_assert_int_eq(recording_read(&reader, reader.header.records_begun - 1, &r), RECORDING_OPEN);
	ck_assert(r.number == number && r.args[0] == args[0]);
	return 0;
}

START_TEST(while_it_runs)
{
	struct recording_record r;
	const char *why;

	begin();
	look();
	ck_assert_uint_eq(reader.header.records_begun, 1);
	recorder_call(3, (uint64_t[6]){ 4711 }, run_look);
	ck_assert_int_eq(recording_refresh(&reader, &why), 0);
	ck_assert_int_eq(recording_read(&reader, 1, &r), RECORDING_GOOD);
	ck_assert_int_eq(recording_read(&reader, 2, &r), RECORDING_DAMAGED);
	ck_assert_uint_eq(reader.header.ended_ns, 0);
	recorder_ended();
	ck_assert_int_eq(recording_refresh(&reader, &why), 0);
	ck_assert_uint_ne(reader.header.ended_ns, 0);
}
END_TEST

static int64_t run_killed(uint64_t number, const uint64_t args[6])
{
	(void)number;
	(void)args;
	kill(getpid(), SIGKILL);
	return 0;
}

/* What was begun is there, although nobody closed or synchronized anything. */
START_TEST(killed_in_a_call)
{
	struct recording_record r;
	pid_t child = fork();
	int status;

	if (!child) {
		begin();
		recorder_call(1, none, run_sum);
		recorder_call(2, none, run_killed);
		_exit(0);
	}
	waitpid(child, &status, 0);
	ck_assert(WIFSIGNALED(status));
	look();
	ck_assert_uint_eq(reader.header.records_begun, 3);
	ck_assert_int_eq(recording_read(&reader, 1, &r), RECORDING_GOOD);
	ck_assert_int_eq(recording_read(&reader, 2, &r), RECORDING_OPEN);
	ck_assert_uint_eq(r.number, 2);
}
END_TEST

/* The states in which a writer can be ended between two stores. */
START_TEST(torn)
{
	struct recording_header *h;
	struct recording_record r, *last;
	const char *why;

	begin();
	recorder_call(1, none, run_sum);
	h = recorder_header();
	last = (struct recording_record *)(LAYOUT_RECORD + h->records_at) + 2;
	look();
	h->records_begun = 3;
	ck_assert_int_eq(recording_refresh(&reader, &why), 0);
	ck_assert_int_eq(recording_read(&reader, 2, &r), RECORDING_TORN);
	last->sequence = 4 * 2 + RECORDING_PHASE_TORN;
	ck_assert_int_eq(recording_read(&reader, 2, &r), RECORDING_TORN);
	last->sequence = 4 * 2 + RECORDING_PHASE_BEGUN;
	ck_assert_int_eq(recording_read(&reader, 2, &r), RECORDING_OPEN);
	last->sequence = 4 * 2 + RECORDING_PHASE_DONE;
	ck_assert_int_eq(recording_read(&reader, 2, &r), RECORDING_GOOD);
	last->sequence = 4 * 2;
	ck_assert_int_eq(recording_read(&reader, 2, &r), RECORDING_DAMAGED);
	last->sequence = 4 * 3 + RECORDING_PHASE_DONE;
	ck_assert_int_eq(recording_read(&reader, 2, &r), RECORDING_DAMAGED);
	last->sequence = 4 * (2 + h->records) + RECORDING_PHASE_DONE;
	ck_assert_int_eq(recording_read(&reader, 2, &r), RECORDING_GONE);
}
END_TEST

START_TEST(nothing_is_believed)
{
	static const struct {
		size_t offset;
		uint64_t value;
		bool refused;
	} pokes[] = {
#define FIELD(name, value, refused)	{ offsetof(struct recording_header, name), value, refused }
		FIELD(magic, 0, true), FIELD(format, 2, true), FIELD(header_bytes, 0, true),
		FIELD(call_bytes, 1, true), FIELD(file_bytes, UINT64_MAX, true), FIELD(calls_at, 0, true),
		FIELD(calls, 1ull << 60, true), FIELD(records_at, UINT64_MAX - 100, true),
		FIELD(records, 0, true), FIELD(records, 1ull << 63, true), FIELD(records, 4096 * 2, true),
		FIELD(records, 2047, true), FIELD(data_at, 1, true), FIELD(data_bytes, 1ull << 62, true),
		FIELD(data_bytes, 12345, true), FIELD(devices, RECORDING_DEVICES + 1, true),
		FIELD(records_begun, UINT64_MAX, false), FIELD(data_begun, UINT64_MAX, false),
		FIELD(tsc_khz, 0, false), FIELD(memory, UINT64_MAX, false),
	};
	const char *why;

	begin();
	recorder_call(1, none, run_sum);
	look();
	for (unsigned i = 0; i < array_size(pokes); i++) {
		struct recording_header good = *recorder_header();

		memcpy((uint8_t *)recorder_header() + pokes[i].offset, &pokes[i].value, 8);
		why = NULL;
		ck_assert_msg((recording_refresh(&reader, &why) != 0) == pokes[i].refused, "%u", i);
		ck_assert(!pokes[i].refused || why);
		*recorder_header() = good;
	}
	ck_assert_int_eq(truncate(path, 5000), 0);
	ck_assert_int_ne(recording_refresh(&reader, &why), 0);
}
END_TEST

START_TEST(refused)
{
	struct recording r;
	const char *why;

	ck_assert_int_lt(recorder_open("/nonexistent/file", MIB), 0);
	ck_assert_int_lt(recorder_open("/dev/null", MIB), 0);
	ck_assert_int_lt(recording_open(&r, "/nonexistent", &why), 0);
	ck_assert_int_lt(recording_open(&r, "/dev/zero", &why), 0);
	ck_assert_int_lt(recording_open(&r, "/tmp", &why), 0);
}
END_TEST

/* ---- decoder and text ---- */

static void check_call(uint64_t number, const uint64_t args[6], const char *want)
{
	char text[256];

	calltext_call(text, sizeof(text), number, args);
	ck_assert_str_eq(text, want);
}

static void check_result(int64_t result, const char *want)
{
	char text[64];

	calltext_result(text, sizeof(text), result);
	ck_assert_str_eq(text, want);
}

START_TEST(names)
{
	check_call(RING3_CALL_QUEUE_KICK, (uint64_t[6]){ 1, 2 }, "queue_kick(device=1, queue=2)");
	check_call(RING3_CALL_EVENT_RETRY, none, "event_retry()");
	check_call(RING3_CALL_SHUTDOWN, (uint64_t[6]){ 3, 0, 0 },
		   "shutdown(reason=SHUTDOWN_PANIC, text=0x0, length=0)");
	check_call(60, (uint64_t[6]){ 1, 2, 3, 4, 5, 0x1000 }, "call 60(1, 2, 3, 4, 5, 0x1000)");
	check_call(UINT64_MAX, none, "call 0xffffffffffffffff(0, 0, 0, 0, 0, 0)");
	check_result(0, "0");
	check_result(17, "17");
	check_result(-22, "-22 EINVAL");
	check_result(-38, "-38 ENOSYS");
	check_result(-4095, "-4095");
	check_result(-4096, "0xfffffffffffff000");
	for (uint64_t n = 0; n < decoder_call_end(); n++)
		ck_assert(!decoder_call(n) || decoder_call(n)->arguments <= DECODER_ARGUMENTS);
	ck_assert_ptr_null(decoder_call(decoder_call_end()));
	ck_assert_ptr_null(decoder_call(UINT64_MAX));
}
END_TEST

static void check_memory(uint64_t number, unsigned argument, const void *bytes, size_t length,
			 const char *want)
{
	char text[512];

	calltext_memory(text, sizeof(text), decoder_call(number), argument, bytes, length, 2);
	ck_assert_str_eq(text, want);
}

START_TEST(contents)
{
	struct ring3_device_info info = { .size = 32, .type = 2, .features = 0x100 };
	struct ring3_mmu_update updates[3] = { { 0x1000, 1, 2 }, { 3, 4, 5 } };

	check_memory(RING3_CALL_DEVICE_INFO, 1, &info, 32, "{size=32, type=2, features=0x100, queues=0, "
		     "config_size=0, queue_size=0, generation=0}");
	check_memory(RING3_CALL_DEVICE_INFO, 1, &info, 9, "{size=32, type=2}");
	check_memory(RING3_CALL_DEVICE_INFO, 1, &info, 0, "{}");
	check_memory(RING3_CALL_MMU_UPDATE, 0, updates, sizeof(updates), "[{entry=0x1000, value=1, address=2}, "
		     "{entry=3, value=4, address=5}, 1 more]");
	check_memory(RING3_CALL_MMU_UPDATE, 0, updates, 23, "[]");
	check_memory(RING3_CALL_CONSOLE_WRITE, 0, "a\033", 2, "\"a\\x1b\"");
	check_memory(RING3_CALL_CONSOLE_WRITE, 0, "\n\"", 2, "\"\\n\\\"\"");
	check_memory(RING3_CALL_CONSOLE_WRITE, 0, "\\\377", 2, "\"\\\\\\xff\"");
	check_memory(RING3_CALL_CONSOLE_WRITE, 0, "abc", 3, "\"ab\" and 1 bytes");
	/* What is not known is bytes. */
	check_memory(1000, 5, "a", 1, "\"a\"");
	check_memory(RING3_CALL_CONSOLE_WRITE, 77, "a", 1, "\"a\"");
}
END_TEST

START_TEST(text_is_cut)
{
	char text[9];

	memset(text, 'x', sizeof(text));
	ck_assert_int_eq(calltext_call(text, 8, RING3_CALL_EVENT_RETRY, none), 13);
	ck_assert_str_eq(text, "event_r");
	ck_assert_int_eq(text[8], 'x');
	ck_assert_int_eq(calltext_call(text, 0, RING3_CALL_EVENT_RETRY, none), 13);
	ck_assert_str_eq(text, "event_r");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("recorder");
	TCase *t = tcase_create("recorder");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, off_by_default);
	tcase_add_test(t, written_and_read);
	tcase_add_test(t, nested);
	tcase_add_test(t, memory);
	tcase_add_test(t, rings_go_round);
	tcase_add_test(t, while_it_runs);
	tcase_add_test(t, killed_in_a_call);
	tcase_add_test(t, torn);
	tcase_add_test(t, nothing_is_believed);
	tcase_add_test(t, refused);
	suite_add_tcase(s, t);
	t = tcase_create("text");
	tcase_add_test(t, names);
	tcase_add_test(t, contents);
	tcase_add_test(t, text_is_cut);
	suite_add_tcase(s, t);
	return suite_run(s);
}
