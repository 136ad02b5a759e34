// SPDX-License-Identifier: MIT
/*
 * The flight recorder's writing side; see recorder.h.
 *
 * Order of stores is what makes a recording readable at any moment: how far the writer is
 * goes first, then the record is marked as being written, its contents, and the mark that says
 * they are there.  x86 does not reorder stores, so barriers for the compiler are enough, for
 * readers in other processes as for those that come after our death.
 *
 * Addresses and lengths are the guest's: memory is read only where it is RAM, and never more of
 * it than RECORDING_PIECE_MAX for one argument.
 */
#include "debug/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/layout.h"
#include "base/log.h"
#include "debug/decoder.h"
#include "debug/calltext.h"
#include "machine/vcpu.h"
#include "memory/ram.h"

#define STRUCT_MAX	4096u	/* larger ones are refused by every call */
#define LOCK_TRIES	50u	/* a machine that has just ended lets go of its files late */
#define LOCK_WAIT_US	20000u

bool recorder_active;

static struct recording_call own_calls[RECORDING_CALLS];

static struct {
	struct recording_header *header;	/* NULL: no file */
	struct recording_record *records;
	uint8_t *data;
	struct recording_call *calls;
	const struct vcpu *vcpu;
	const struct recorder_hooks *hooks;
	bool count, print, injected;
	unsigned depth;
} recorder = { .calls = own_calls };

static inline void barrier(void)
{
	__asm__ volatile("" : : : "memory");
}

/* ---- the file ---- */

static uint64_t wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static uint64_t power_of_two_below(uint64_t v)
{
	return 1ull << (63 - __builtin_clzll(v));
}

static int file_refuse(const char *path, const char *why, int fd, int error)
{
	log_error("cannot record to %s: %s", path, why);
	if (fd >= 0)
		close(fd);
	return error;
}

static bool file_lock(int fd)
{
	for (unsigned i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
		if (i == LOCK_TRIES)
			return false;
		usleep(LOCK_WAIT_US);
	}
	return true;
}

/* Empty and with all its blocks: a full disk is said now, not by a signal in the middle. */
static int file_make(const char *path, uint64_t bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666), error;
	struct stat st;

	if (fd < 0)
		return file_refuse(path, strerror(errno), fd, -errno);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return file_refuse(path, "it is not a regular file", fd, -EINVAL);
	if (!file_lock(fd))
		return file_refuse(path, "another machine does", fd, -EBUSY);
	if (ftruncate(fd, 0) < 0)
		return file_refuse(path, strerror(errno), fd, -errno);
	error = posix_fallocate(fd, 0, (off_t)bytes);
	return error ? file_refuse(path, strerror(error), fd, -error) : fd;
}

int recorder_open(const char *path, uint64_t bytes)
{
	uint64_t data = power_of_two_below(bytes / 2);
	struct recording_header want = { .pid = (uint32_t)getpid(), .started_ns = wall_ns() };
	void *at = (void *)LAYOUT_RECORD, *p;
	int fd;

	_Static_assert(RECORDER_BYTES_MAX <= LAYOUT_RECORD_SIZE, "room for the file");
	recording_layout(&want, data / 2 / sizeof(struct recording_record), data);
	fd = file_make(path, want.file_bytes);
	if (fd < 0)
		return fd;
	p = mmap(at, want.file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
	if (p != at)
		return file_refuse(path, "the host does not map it", fd, -ENOMEM);
	recorder.header = at;
	recorder.calls = (void *)(LAYOUT_RECORD + want.calls_at);
	recorder.records = (void *)(LAYOUT_RECORD + want.records_at);
	recorder.data = (uint8_t *)(LAYOUT_RECORD + want.data_at);
	/* The descriptor stays open: it holds the lock. */
	*recorder.header = want;
	return 0;
}

struct recording_header *recorder_header(void)
{
	return recorder.header;
}

void recorder_ended(void)
{
	if (recorder.header)
		recorder.header->ended_ns = wall_ns();
}

void recorder_start(const struct vcpu *vcpu, bool count, bool print)
{
	recorder.vcpu = vcpu;
	recorder.count = count;
	recorder.print = print;
	recorder_active = count || print || recorder.header || recorder.hooks;
}

void recorder_hook(const struct recorder_hooks *hooks)
{
	recorder.hooks = hooks;
}

/* ---- records ---- */

/* Before anything is written: whoever reads what lies there must know that it goes. */
static struct recording_record *slot_take(uint64_t *n)
{
	struct recording_header *h = recorder.header;
	struct recording_record *record;

	*n = h->records_begun;
	record = &recorder.records[*n & (h->records - 1)];
	h->records_begun = *n + 1;
	barrier();
	record->sequence = 4 * *n + RECORDING_PHASE_TORN;
	barrier();
	return record;
}

static void slot_mark(struct recording_record *record, uint64_t n, enum recording_phase phase)
{
	barrier();
	record->sequence = 4 * n + phase;
	barrier();
}

static uint8_t *data_take(uint64_t bytes, uint64_t *at)
{
	struct recording_header *h = recorder.header;
	uint64_t begin = h->data_begun, room = h->data_bytes - (begin & (h->data_bytes - 1));

	if (bytes > room)
		begin += room;
	h->data_begun = begin + bytes;
	barrier();
	*at = begin;
	return recorder.data + (begin & (h->data_bytes - 1));
}

/* How much of the memory that m names is there and wanted; *cut: not all. */
static uint32_t memory_extent(const struct decoder_memory *m, const uint64_t args[6], int64_t result,
			      bool *cut)
{
	gpa_t gpa = GPA(args[m->argument]);
	uint64_t bytes = decoder_memory_bytes(m, args, result);
	uint32_t size;

	if (m->what == DECODER_STRUCT && m->structure->sized) {
		if (!ram_read(gpa, &size, sizeof(size)))
			return 0;
		bytes = size >= 8 && size <= STRUCT_MAX ? size : 8;
		if (!ram_contains(gpa, bytes))
			bytes = 8;
	}
	if (bytes > RECORDING_PIECE_MAX) {
		bytes = RECORDING_PIECE_MAX;
		*cut = true;
	}
	return ram_contains(gpa, bytes) ? (uint32_t)bytes : 0;
}

/* Keep all that call has in this direction; the bytes it takes in the data, at *at. */
static uint32_t memory_keep(const struct decoder_call *call, const uint64_t args[6], int64_t result,
			    enum decoder_direction direction, uint64_t *at, bool *cut)
{
	uint32_t extent[DECODER_MEMORIES] = { 0 }, total = 0;
	uint8_t *to;

	for (unsigned i = 0; call && i < call->memories; i++) {
		if (!(call->memory[i].direction & direction))
			continue;
		extent[i] = memory_extent(&call->memory[i], args, result, cut);
		if (extent[i])
			total += (uint32_t)(sizeof(struct recording_piece) + align_up(extent[i], 8));
	}
	if (!total)
		return 0;
	to = data_take(total, at);
	for (unsigned i = 0; i < call->memories; i++) {
		uint8_t argument = call->memory[i].argument;
		struct recording_piece piece = { args[argument], extent[i], argument, 0 };
		uint32_t padded = (uint32_t)align_up(extent[i], 8);

		if (!extent[i])
			continue;
		memcpy(to, &piece, sizeof(piece));
		ram_read(GPA(piece.gpa), to + sizeof(piece), extent[i]);
		memset(to + sizeof(piece) + extent[i], 0, padded - extent[i]);
		to += sizeof(piece) + padded;
	}
	return total;
}

static struct recording_record *record_begin(uint64_t *n, const struct decoder_call *call,
					     uint64_t number, const uint64_t args[6])
{
	struct recording_record *record = slot_take(n);
	bool cut = false;

	record->tsc = __builtin_ia32_rdtsc();
	record->rip = recorder.vcpu ? recorder.vcpu->rip : 0;
	record->cr3 = recorder.vcpu ? recorder.vcpu->cr3 : 0;
	record->number = number;
	memcpy(record->args, args, sizeof(record->args));
	record->result = 0;
	record->ticks = 0;
	record->kind = RECORDING_K_CALL;
	record->in_at = record->out_at = 0;
	record->out_bytes = 0;
	record->in_bytes = memory_keep(call, args, 0, DECODER_IN, &record->in_at, &cut);
	record->flags = (uint16_t)((recorder.depth ? RECORDING_INNER : 0) | (cut ? RECORDING_CUT : 0));
	slot_mark(record, *n, RECORDING_PHASE_BEGUN);
	return record;
}

static void record_end(struct recording_record *record, uint64_t n, const struct decoder_call *call,
		       int64_t result, uint64_t ticks)
{
	bool cut = false;

	record->result = result;
	record->ticks = (uint32_t)min_u64(ticks, UINT32_MAX);
	if (!decoder_failed(result))
		record->out_bytes = memory_keep(call, record->args, result, DECODER_OUT, &record->out_at,
						&cut);
	record->flags |= (recorder.injected ? RECORDING_INJECTED : 0) | (cut ? RECORDING_CUT : 0);
	slot_mark(record, n, RECORDING_PHASE_DONE);
}

void recorder_boot(void)
{
	struct recording_header *h = recorder.header;
	struct recording_record *record;
	uint64_t n;

	if (!h)
		return;
	h->tsc_khz = clock_tsc_khz();
	record = slot_take(&n);
	memset(&record->tsc, 0, sizeof(*record) - offsetof(struct recording_record, tsc));
	record->tsc = __builtin_ia32_rdtsc();
	record->kind = RECORDING_K_BOOT;
	record->number = h->boots++;
	if (!record->number)
		h->started_tsc = record->tsc;
	slot_mark(record, n, RECORDING_PHASE_DONE);
}

/* ---- counts ---- */

static void count(uint64_t number, int64_t result, uint64_t ticks)
{
	struct recording_call *c = &recorder.calls[min_u64(number, RECORDING_CALLS - 1)];
	unsigned bucket = ticks ? 63 - (unsigned)__builtin_clzll(ticks) : 0;

	c->count++;
	c->ticks += ticks;
	if (ticks > c->ticks_max)
		c->ticks_max = ticks;
	c->latency[min_u64(bucket, RECORDING_BUCKETS - 1)]++;
	if (decoder_failed(result)) {
		c->failed++;
		c->error[-result < RECORDING_ERRORS ? -result : 0]++;
	}
}

void recorder_report(struct report *report)
{
	uint64_t khz = clock_tsc_khz();
	bool any = false;

	for (unsigned i = 0; (recorder.count || recorder.header) && khz && i < RECORDING_CALLS; i++) {
		const struct recording_call *c = &recorder.calls[i];
		const struct decoder_call *call = decoder_call(i);

		if (!c->count)
			continue;
		if (!any)
			report_line(report, "hypercalls");
		any = true;
		report_line(report, "%16lu  %s, %lu failed, %lu ns each, at most %lu us", c->count,
			    call ? call->name : "other numbers", c->failed, c->ticks / c->count * 1000000 / khz,
			    c->ticks_max / (khz / 1000 + 1));
	}
}

/* ---- calls ---- */

static void print(uint64_t tsc, uint64_t number, const uint64_t args[6], int64_t result, uint64_t ticks)
{
	uint64_t us = clock_tsc_to_ns(tsc) / 1000, khz = clock_tsc_khz();
	uint64_t ns = khz ? ticks * 1000000 / khz : 0;
	char call[REPORT_LINE_MAX / 2], value[48];

	calltext_call(call, sizeof(call), number, args);
	calltext_result(value, sizeof(value), result);
	report_line(&report_to_stderr, "%8lu.%06lu  rip %lx  %s%s = %s%s  %lu ns", us / 1000000, us % 1000000,
		    recorder.vcpu ? recorder.vcpu->rip : 0, recorder.depth ? "  " : "", call, value,
		    recorder.injected ? " (injected)" : "", ns);
}

void recorder_injected(void)
{
	recorder.injected = true;
}

int64_t recorder_call(uint64_t number, const uint64_t args[6],
		      int64_t (*run)(uint64_t number, const uint64_t args[6]))
{
	const struct decoder_call *call = decoder_call(number);
	struct recording_record *record = NULL;
	uint64_t n = 0, begin, ticks;
	int64_t result;

	if (recorder.header)
		record = record_begin(&n, call, number, args);
	recorder.depth++;
	recorder.injected = false;
	begin = __builtin_ia32_rdtsc();
	if (likely(!recorder.hooks) || !recorder.hooks->before(recorder.depth - 1, &result))
		result = run(number, args);
	ticks = __builtin_ia32_rdtsc() - begin;
	recorder.depth--;
	if (recorder.count || record)
		count(number, result, ticks);
	if (record)
		record_end(record, n, call, result, ticks);
	if (unlikely(recorder.print))
		print(begin, number, args, result, ticks);
	if (unlikely(recorder.hooks))
		recorder.hooks->after(recorder.depth, number, args, result);
	recorder.injected = false;
	return result;
}
