// SPDX-License-Identifier: MIT
/*
 * Replay of recorded hypercalls; see replay.h.
 *
 * A multicall is made whole, and the calls within it are compared as they are made
 * (recorder_hook()) with the records that follow its own.  Rings of devices are not in a
 * recording, so they are empty here: kicks find nothing, and nothing comes later.
 */
#include "trap/replay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/hostcall.h"
#include "base/layout.h"
#include "base/log.h"
#include "debug/calltext.h"
#include "debug/recorder.h"
#include "device/platform.h"
#include "device/serial.h"
#include "device/virtio_pv.h"
#include "hostio/console.h"
#include "hostio/io.h"
#include "hypercall/hypercall.h"
#include "machine/cpuid.h"
#include "memory/ram.h"

#define VIRTIO_NET	1u
#define VIRTIO_BLOCK	2u

/* Offers of devices that are their back-ends': virtio-blk's DISCARD; virtio-net's GUEST_*,
 * CTRL_GUEST_OFFLOADS. */
#define BLOCK_BACK_END	(1ull << 13)
#define NET_BACK_END	(1ull << 1 | 1ull << 2 | 1ull << 7 | 1ull << 8 | 1ull << 9)

/* ---- the machine ---- */

/* A file of that size that takes no room, by a name that leads to it. */
static int disk_file(uint64_t bytes, const char **path)
{
	static char names[MACHINE_DISKS][32];
	static unsigned used;
	int fd = memfd_create("replay-disk", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0 || used == MACHINE_DISKS) {
		log_error("cannot make a disk of %lu bytes for the replay", bytes);
		return -EIO;
	}
	snprintf(names[used], sizeof(names[used]), "/proc/self/fd/%d", fd);
	*path = names[used++];
	return 0;
}

static int disk_configure(struct machine_config *config, const struct recording_device *d)
{
	struct machine_disk *disk = &config->disk[config->disks++];
	if (!d->bytes || d->bytes % 512 || d->bytes > INT64_MAX) {
		log_error("the recording names a disk of %lu bytes", d->bytes);
		return -EINVAL;
	}
	*disk = (struct machine_disk){ .device = DISK_PV, .serial = (char *)d->serial };
	if (!d->serial[0])
		disk->serial = NULL;
	disk->backend.readonly = d->flags & RECORDING_READONLY;
	disk->backend.cache = BLOCK_CACHE_WRITEBACK;
	if (d->flags & RECORDING_NULL) {
		disk->backend.null_size = d->bytes;
		return 0;
	}
	return disk_file(d->bytes, &disk->backend.path);
}

static int devices_configure(struct machine_config *config, const struct recording_header *header)
{
	for (unsigned i = 0; i < header->devices; i++) {
		const struct recording_device *d = &header->device[i];
		int error = 0;

		if (d->type == VIRTIO_BLOCK && config->disks < MACHINE_DISKS) {
			error = disk_configure(config, d);
		} else if (d->type == VIRTIO_NET && config->nets < MACHINE_NETS) {
			struct machine_net *net = &config->net[config->nets++];

			*net = (struct machine_net){ .device = NET_DEVICE_PV, .backend.kind = NET_NULL };
			memcpy(net->mac, d->mac, sizeof(net->mac));
		} else {
			log_error("the recording names a device of type %u that ring3 cannot make", d->type);
			error = -EINVAL;
		}
		if (error)
			return error;
	}
	return 0;
}

/* What is the back-ends' is made as it was; differences of this ring3's own devices stay. */
static int devices_match(const struct recording_header *header)
{
	for (unsigned i = 0; i < header->devices; i++) {
		uint64_t theirs = header->device[i].type == VIRTIO_NET ? NET_BACK_END : BLOCK_BACK_END;
		struct virtio *v = virtio_pv_device(i);

		if (!v || v->ops->type != header->device[i].type) {
			log_error("device %u is not what the recording names", i);
			return -EINVAL;
		}
		v->offered = (v->offered & ~theirs) | (header->device[i].offered & theirs);
	}
	return 0;
}

static int map_vcpu(void)
{
	long r = hostcall_mmap(LAYOUT_VCPU, LAYOUT_VCPU_SIZE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);

	return r < 0 ? (int)r : 0;
}

static const struct recorder_hooks hooks;

int replay_machine(const struct recording_header *header, struct machine_config *config)
{
	const char *missing = NULL;
	int r;

	config->memory = header->memory;
	config->pv = MACHINE_PV_RING3;
	config->engine = MACHINE_ENGINE_EMULATE;
	if (!config->abi_given) {
		config->abi.version = header->abi_presented;
		config->abi.hidden = header->abi_hidden;
	}
	r = devices_configure(config, header);
	if (r)
		return r;
	machine.config = *config;
	r = clock_init();
	if (!r)
		r = cpuid_init(&missing);
	if (!r)
		r = map_vcpu();
	if (!r)
		r = arena_init();
	if (!r)
		r = ram_init(config->memory);
	if (r) {
		log_error("cannot make the machine of the recording, with %lu MiB of memory: %s",
			  config->memory / MIB, strerror(-r));
		return r;
	}
	vcpu_reset((struct vcpu *)LAYOUT_VCPU);
	r = console_open("file:/dev/null");
	if (!r)
		r = platform_init(serial_init(), config);
	if (!r)
		r = io_start(IO_AUTO);
	if (!r)
		r = devices_match(header);
	if (!r)
		hypercall_init((struct vcpu *)LAYOUT_VCPU);
	recorder_hook(&hooks);
	recorder_start(NULL, false, false);
	return r;
}

/* ---- calls ---- */

/* The call being made, and which of its inner ones comes next. */
static struct {
	struct replay *replay;
	uint64_t next, end;		/* records of inner calls */
	bool skipped;
} making;

__attribute__((format(printf, 4, 5)))
static void differ(struct replay *replay, uint64_t n, const struct recording_record *record,
		   const char *fmt, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	format_va(what, sizeof(what), fmt, ap);
	va_end(ap);
	replay->different++;
	replay->difference(replay, n, record, what);
}

static enum decoder_replay rule_of(const struct recording_record *record)
{
	const struct decoder_call *call = decoder_call(record->number);

	return call ? (enum decoder_replay)call->replay : DECODER_REPLAY_RESULT;
}

static bool same_result(enum decoder_replay rule, int64_t was, int64_t is)
{
	if (rule == DECODER_REPLAY_ERRORS && !decoder_failed(was) && !decoder_failed(is))
		return true;
	return was == is;
}

static void compare_output(struct replay *replay, uint64_t n, const struct recording_record *record)
{
	const struct decoder_call *call = decoder_call(record->number);
	struct recording_piece piece;
	const uint8_t *was, *is;
	char text[2][160];
	uint32_t at = 0;

	if (!call || !record->out_bytes || !recording_load(replay->recording, record, true))
		return;
	while (recording_piece_next(replay->recording, record->out_bytes, &at, &piece, &was)) {
		is = ram_pointer(GPA(piece.gpa), piece.bytes);
		if (is && !memcmp(was, is, piece.bytes))
			continue;
		calltext_memory(text[0], sizeof(text[0]), call, piece.argument, was, piece.bytes, 32);
		if (is)
			calltext_memory(text[1], sizeof(text[1]), call, piece.argument, is, piece.bytes, 32);
		differ(replay, n, record, "%s was %s, is %s",
		       piece.argument < call->arguments ? call->argument[piece.argument].name : "?", text[0],
		       is ? text[1] : "not RAM");
	}
}

static void compare(struct replay *replay, uint64_t n, const struct recording_record *record, int64_t result)
{
	enum decoder_replay rule = rule_of(record);
	char was[48], is[48];

	calltext_result(was, sizeof(was), record->result);
	calltext_result(is, sizeof(is), result);
	if (record->sequence % 4 != RECORDING_PHASE_DONE)
		replay->unfinished++;
	else if (!same_result(rule, record->result, result))
		differ(replay, n, record, "was %s, is %s", was, is);
	else if (rule == DECODER_REPLAY_ALL && !decoder_failed(result))
		compare_output(replay, n, record);
}

static bool readable(enum recording_state state)
{
	return state == RECORDING_GOOD || state == RECORDING_OPEN;
}

/* The record of the inner call that is next.  false: there is none. */
static bool inner_next(struct recording_record *record)
{
	return making.next < making.end &&
	       readable(recording_read(making.replay->recording, making.next, record));
}

/* Inner calls that are not to be made, or were not when they were recorded. */
static bool before(unsigned depth, int64_t *result)
{
	struct recording_record record;

	if (!depth || !inner_next(&record))
		return false;
	if (!(record.flags & RECORDING_INJECTED) && rule_of(&record) != DECODER_REPLAY_SKIP)
		return false;
	*result = record.result;
	making.replay->skipped++;
	making.skipped = true;
	return true;
}

static void after(unsigned depth, uint64_t number, const uint64_t args[6], int64_t result)
{
	struct replay *replay = making.replay;
	struct recording_record record;

	if (!depth)
		return;
	if (inner_next(&record) && !making.skipped) {
		replay->made++;
		if (record.number != number || memcmp(record.args, args, sizeof(record.args)))
			differ(replay, making.next, &record, "another call was made in its place");
		else
			compare(replay, making.next, &record, result);
	}
	making.skipped = false;
	/* An interrupt ended the outer call here when it was recorded; this ends it now. */
	if (++making.next == making.end)
		hypercall_vcpu->halted = true;
}

static const struct recorder_hooks hooks = { before, after };

/* Put back what the call reads.  false: it is not there any more. */
static bool restore(struct replay *replay, const struct recording_record *record)
{
	struct recording_piece piece;
	const uint8_t *bytes;
	uint32_t at = 0;

	if (!record->in_bytes)
		return true;
	if (!recording_load(replay->recording, record, false))
		return false;
	while (recording_piece_next(replay->recording, record->in_bytes, &at, &piece, &bytes))
		ram_write(GPA(piece.gpa), bytes, piece.bytes);
	return true;
}

/* The inner calls behind record n: what they read is put back too.  Their end. */
static uint64_t restore_inner(struct replay *replay, uint64_t n)
{
	struct recording_record record;
	uint64_t m;

	for (m = n + 1; m < replay->recording->header.records_begun; m++) {
		if (!readable(recording_read(replay->recording, m, &record)) ||
		    !(record.flags & RECORDING_INNER) || record.kind != RECORDING_K_CALL)
			break;
		restore(replay, &record);
	}
	return m;
}

static void make(struct replay *replay, uint64_t n, const struct recording_record *record)
{
	int64_t result;

	making.replay = replay;
	making.next = n + 1;
	making.end = restore_inner(replay, n);
	if (!restore(replay, record)) {
		replay->lost++;
		return;
	}
	replay->made++;
	hypercall_vcpu->cr3 = record->cr3;
	hypercall_vcpu->halted = false;
	result = hypercall_dispatch(record->number, record->args);
	if (making.next != making.end && record->sequence % 4 == RECORDING_PHASE_DONE)
		differ(replay, n, record, "had %lu calls within it, has %lu", making.end - n - 1,
		       making.next - n - 1);
	compare(replay, n, record, result);
}

uint64_t replay_run(struct replay *replay, uint64_t first)
{
	struct recording_record record;
	uint64_t n;

	for (n = first; n < replay->recording->header.records_begun; n++) {
		replay->at = n;
		if (!readable(recording_read(replay->recording, n, &record))) {
			/* The last one may have been cut off. */
			replay->lost += n + 1 != replay->recording->header.records_begun;
			continue;
		}
		if (record.kind == RECORDING_K_BOOT) {
			if (n != first)
				break;
			continue;
		}
		if (record.flags & RECORDING_INNER)
			continue;
		if (record.flags & RECORDING_INJECTED || rule_of(&record) == DECODER_REPLAY_SKIP)
			replay->skipped++;
		else
			make(replay, n, &record);
	}
	return n;
}
