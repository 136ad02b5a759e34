// SPDX-License-Identifier: MIT
/*
 * Fuzzes the reader of recordings of hypercalls, and all that shows them (ring3 abi show, stats).
 * Property: whatever the file holds, they end, and shown as text it has no byte that a terminal
 * would act on.
 *
 * Input: the first byte chooses how it is shown; then patches of a small good recording: part of
 * the file (1 byte), offset in it (2), length (1), bytes.  So the fuzzer need not invent a file of
 * hundreds of KiB, nor a header that is consistent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/ring3_abi.h"
#include "base/arena.h"
#include "cli/abi.h"
#include "debug/recorder.h"
#include "memory/ram.h"

#define PATCH_MAX	32u
#define SHOWN_MAX	(4 * MIB)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *good;
static struct recording_header layout;
static int file, shown;

void vcpu_kick(void) { }

static int64_t run_inner(uint64_t number, const uint64_t args[6])
{
	(void)number;
	return (int64_t)args[0] - 22;
}

static int64_t run(uint64_t number, const uint64_t args[6])
{
	if (number == RING3_CALL_MULTICALL)
		recorder_call(RING3_CALL_QUEUE_KICK, args, run_inner);
	return 0;
}

static void make_good(void)
{
	char path[] = "/tmp/fuzz_recording.XXXXXX";
	int fd = mkstemp(path);

	if (fd < 0 || arena_init() || ram_init(MIB) || recorder_open(path, RECORDER_BYTES_MIN))
		abort();
	recorder_start(NULL, false, false);
	recorder_boot();
	/* What text points to, in calls that take its address first. */
	for (uint64_t at = 0; at < 64; at += 8)
		ram_write(GPA(at), "\033[31m\377\001\177", 8);
	for (uint64_t n = 0; n < 30; n++) {
		ram_write(GPA(0x1000 + 4 * n), &(uint32_t){ (uint32_t)(n * 7) }, 4);
		recorder_call(n, (uint64_t[6]){ n, 0x1000, 40, 32, 2, 3 }, n % 3 ? run : run_inner);
	}
	layout = *recorder_header();
	good = malloc(layout.file_bytes);
	if (!good || pread(fd, good, layout.file_bytes, 0) != (ssize_t)layout.file_bytes)
		abort();
	unlink(path);
	file = memfd_create("recording", 0);
	shown = memfd_create("shown", 0);
	if (file < 0 || shown < 0 || pwrite(file, good, layout.file_bytes, 0) != (ssize_t)layout.file_bytes)
		abort();
}

static void put(uint64_t at, const uint8_t *bytes, size_t length)
{
	if (pwrite(file, bytes, length, (off_t)at) != (ssize_t)length)
		abort();
}

/* Apply the patches, or undo them. */
static void patch(const uint8_t *data, size_t size, bool apply)
{
	const uint64_t parts[] = { 0, layout.calls_at, layout.records_at, layout.data_at };

	while (size > 4) {
		uint64_t at = parts[data[0] % 4] + (data[1] | (uint64_t)data[2] << 8);
		size_t length = data[3] % PATCH_MAX;

		if (length > size - 4)
			length = size - 4;
		if (at + length <= layout.file_bytes)
			put(at, apply ? data + 4 : good + at, length);
		data += 4 + length;
		size -= 4 + length;
	}
}

static void check_shown(void)
{
	long length = ftell(stdout);
	char *text;

	fflush(stdout);
	if (length > 0 && length < (long)SHOWN_MAX) {
		text = mmap(NULL, (size_t)length, PROT_READ, MAP_SHARED, shown, 0);
		for (long i = 0; text != MAP_FAILED && i < length; i++)
			if ((text[i] < ' ' || text[i] > '~') && text[i] != '\n')
				abort();
		munmap(text, (size_t)length);
	}
	rewind(stdout);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct recording recording;
	struct abi_options options = { .file = "file" };
	const char *why = NULL;

	if (!good)
		make_good();
	if (!size)
		return 0;
	/* (libFuzzer may have closed it.) */
	if (dup2(shown, STDOUT_FILENO) < 0 || ftruncate(shown, 0))
		abort();
	rewind(stdout);
	options.json = *data & 1;
	options.full = *data & 2;
	options.brief = *data & 4;
	options.last = *data >> 3;
	patch(data + 1, size - 1, true);
	if (!recording_attach(&recording, dup(file), &why)) {
		abi_show(&options, &recording);
		abi_stats(&options, &recording);
		check_shown();
		recording_close(&recording);
	} else if (!why) {
		abort();
	}
	patch(data + 1, size - 1, false);
	return 0;
}
