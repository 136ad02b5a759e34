// SPDX-License-Identifier: MIT
/*
 * Writes records and says on the standard output when one is on storage, for ever:
 * what was announced before the machine was killed must be found afterwards.
 *
 *	records DIRECTORY [STOP]
 *
 * Record N (1, 2, ...) is, in this order: appended to DIRECTORY/log with fsync() or
 * fdatasync(); if 4 divides N, written with O_DIRECT | O_DSYNC to slot N / 4 % 64 of
 * DIRECTORY/slots; if 8 divides N, made a file of its own, DIRECTORY/file-N, under another
 * name first, with fsync() of the file and of the directory.  Then comes "synced N".
 * After STOP records it says "stopped" and waits.  kills.py knows the same layout: a
 * header of four little-endian 32-bit words (magic, N, bytes of the body, Adler-32 of the
 * body), then the body, byte i of which is (N * 167 + i * 13 + (i >> 8)) & 255.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC		0x64636572u
#define HEADER		16
#define SLOT		4096
#define SLOTS		64
#define BODY_MAX	20000

static uint32_t adler(const uint8_t *data, size_t size)
{
	uint32_t a = 1, b = 0;

	for (size_t i = 0; i < size; i++) {
		a = (a + data[i]) % 65521;
		b = (b + a) % 65521;
	}
	return b << 16 | a;
}

static size_t record_make(uint8_t *record, uint32_t n, uint32_t body)
{
	uint32_t header[4] = { MAGIC, n, body, 0 };

	for (uint32_t i = 0; i < body; i++)
		record[HEADER + i] = (uint8_t)(n * 167 + i * 13 + (i >> 8));
	header[3] = adler(record + HEADER, body);
	memcpy(record, header, HEADER);
	return HEADER + body;
}

static void put(int fd, const uint8_t *data, size_t size)
{
	if (write(fd, data, size) != (ssize_t)size)
		err(1, "write");
}

static void file_make(int directory, const uint8_t *record, size_t size, unsigned n)
{
	char name[32];
	int fd;

	fd = openat(directory, "new", O_CREAT | O_TRUNC | O_WRONLY, 0644);
	if (fd < 0)
		err(1, "new");
	put(fd, record, size);
	if (fsync(fd))
		err(1, "fsync of a file");
	close(fd);
	snprintf(name, sizeof(name), "file-%u", n);
	if (renameat(directory, "new", directory, name) || fsync(directory))
		err(1, "%s", name);
	if (n > 800) {
		snprintf(name, sizeof(name), "file-%u", n - 800);
		unlinkat(directory, name, 0);
	}
}

int main(int argc, char **argv)
{
	static uint8_t record[HEADER + BODY_MAX], slot[SLOT] __attribute__((aligned(SLOT)));
	unsigned stop = argc > 2 ? (unsigned)atoi(argv[2]) : 0;
	int directory, log, slots;
	char line[32];
	size_t size;

	directory = open(argv[1], O_DIRECTORY | O_RDONLY);
	if (directory < 0)
		err(1, "%s", argv[1]);
	log = openat(directory, "log", O_CREAT | O_APPEND | O_WRONLY, 0644);
	slots = openat(directory, "slots", O_CREAT | O_DIRECT | O_DSYNC | O_WRONLY, 0644);
	if (log < 0 || slots < 0)
		err(1, "log");
	for (unsigned n = 1;; n++) {
		size = record_make(record, n, n * 7919 % BODY_MAX);
		put(log, record, size);
		if (n % 2 ? fsync(log) : fdatasync(log))
			err(1, "fsync of the log");
		if (n % 4 == 0) {
			record_make(slot, n, SLOT - HEADER);
			if (pwrite(slots, slot, SLOT, (off_t)(n / 4 % SLOTS) * SLOT) != SLOT)
				err(1, "slot");
		}
		if (n % 8 == 0)
			file_make(directory, record, size, n);
		snprintf(line, sizeof(line), "synced %u\n", n);
		put(1, (const uint8_t *)line, strlen(line));
		if (n == stop)
			break;
	}
	put(1, (const uint8_t *)"stopped\n", 8);
	for (;;)
		pause();
}
