// SPDX-License-Identifier: MIT
/*
 * Fuzzes the GDB stub through its socket.  Property: whatever the client sends,
 * the stub answers or hangs up; it neither crashes nor waits for ever.
 *
 * Input: the first byte chooses raw bytes (even) or payloads separated by
 * newlines that are framed with a right checksum (odd), so that the fuzzer need
 * not invent checksums.
 *
 * Guest-virtual memory and system registers are fakes: a flat piece of RAM at
 * guest address 0, registers that take any value.
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
#include "emulate/system.h"
#include "memory/access.h"
#include "memory/ram.h"

#define INPUT_MAX	4096
#define RAM_SIZE	(64 * KIB)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vcpu vcpu;

void (*access_observe)(uint64_t addr, unsigned len, bool write);

static size_t part_in_ram(gva_t addr, size_t len)
{
	return addr.v < RAM_SIZE ? min_u64(len, RAM_SIZE - addr.v) : 0;
}

size_t access_debug_read(struct vcpu *v, gva_t addr, void *buf, size_t len)
{
	size_t part = part_in_ram(addr, len);

	(void)v;
	return part && ram_read(GPA(addr.v), buf, part) ? part : 0;
}

size_t access_debug_write(struct vcpu *v, gva_t addr, const void *buf, size_t len)
{
	size_t part = part_in_ram(addr, len);

	(void)v;
	return part && ram_write(GPA(addr.v), buf, part) ? part : 0;
}

bool system_write_cr0(struct vcpu *v, uint64_t value)
{
	v->cr0 = value;
	return true;
}

bool system_write_cr3(struct vcpu *v, uint64_t value)
{
	v->cr3 = value;
	return true;
}

bool system_write_cr4(struct vcpu *v, uint64_t value)
{
	v->cr4 = value;
	return true;
}

bool system_write_cr8(struct vcpu *v, uint64_t value)
{
	v->cr8 = value;
	return true;
}

bool system_read_cr(struct vcpu *v, unsigned nr, uint64_t *value)
{
	(void)nr;
	*value = v->cr8;
	return true;
}

bool system_write_msr(struct vcpu *v, uint32_t msr, uint64_t value)
{
	v->efer = value;
	return msr & 1;
}

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

	if (!ready && (clock_init() || ram_init(RAM_SIZE)))
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
