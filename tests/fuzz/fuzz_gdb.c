// SPDX-License-Identifier: MIT
/*
 * Fuzzes the GDB stub through its socket.  Property: whatever the client sends,
 * the stub answers or hangs up; it neither crashes nor waits for ever.
 *
 * Input: the first byte chooses raw bytes (even) or payloads separated by
 * newlines that are framed with a right checksum (odd), so that the fuzzer need
 * not invent checksums.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "debug/gdb.h"
#include "debug/gdbproto.h"
#include "memory/ram.h"

#define INPUT_MAX	4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vcpu vcpu;

/* What the stub says is thrown away, but must be read. */
static void *drain(void *arg)
{
	char buf[65536];

	while (read(*(int *)arg, buf, sizeof(buf)) > 0)
		;
	return NULL;
}

static void send_framed(int fd, const uint8_t *data, size_t size)
{
	while (size) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t length = end ? (size_t)(end - data) : size;
		char text[INPUT_MAX + 8];
		unsigned sum = 0;

		text[0] = '$';
		memcpy(text + 1, data, length);
		for (size_t i = 0; i < length; i++)
			sum += data[i];
		snprintf(text + 1 + length, 4, "#%02x", sum & 0xff);
		if (write(fd, text, length + 4) < 0)
			return;
		data += length + (end != NULL);
		size -= length + (end != NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	pthread_t thread;
	int pair[2];

	if (!ready && (clock_init() || ram_init(2 * MIB)))
		abort();
	ready = true;
	if (!size || size > INPUT_MAX)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		abort();
	if (*data & 1)
		send_framed(pair[0], data + 1, size - 1);
	else if (write(pair[0], data + 1, size - 1) < 0)
		abort();
	shutdown(pair[0], SHUT_WR);
	if (pthread_create(&thread, NULL, drain, &pair[0]))
		abort();
	memset(&vcpu, 0, offsetof(struct vcpu, xsave));
	vcpu.rflags = RFLAGS_FIXED;
	gdb_attach(pair[1]);
	for (unsigned reason = GDB_STOP_START; gdb_active(); reason = reason % GDB_STOP_FAULT + 1) {
		gdb_stop(&vcpu, reason);
		gdb_stopped_after(&vcpu);
	}
	pthread_join(thread, NULL);
	close(pair[0]);
	return 0;
}
