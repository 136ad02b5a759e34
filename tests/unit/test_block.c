/* SPDX-License-Identifier: MIT */
/*
 * The block back-end on real files with the real engines: O_DIRECT and the host's
 * cache, odd memory, windows and their locks, full file systems, files that are not
 * what a disk should be.
 */
#include "block_requests.h"
#include "log_fakes.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "hostio/block_disk.h"

#define SIZE	(8 * MIB)

static char path[128];
static uint8_t content[SIZE];

/* In the build directory: /tmp may be a file system without O_DIRECT. */
static int file_make(uint64_t size)
{
	unsigned seed = 5;
	int fd;

	snprintf(path, sizeof(path), "%s/block_XXXXXX", getenv("UNIT_DIR") ? getenv("UNIT_DIR") : "/var/tmp");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	for (unsigned i = 0; i < SIZE; i += 4)
		*(int *)(content + i) = rand_r(&seed);
	ck_assert_int_eq(pwrite(fd, content, size, 0), size);
	return fd;
}

static void start(int engine)
{
	ck_assert_int_eq(clock_init(), 0);
	if (io_start(engine ? IO_THREADS : IO_AUTO))
		ck_abort_msg("no engine: %s", said);
}

static struct block *disk_open(struct block_config config)
{
	struct block *b;

	if (!config.path && !config.null_size)
		config.path = path;
	b = block_open(&config);
	if (!b)
		return NULL;
	ck_assert_uint_eq(block_size(b) % 512, 0);
	return b;
}

/* ---- requests ---- */

static int run(struct block *b, enum block_op op, uint64_t offset, void *memory, uint64_t length)
{
	static struct request q;

	q.iov[0] = (struct iovec){ memory, length };
	q.r.iov_count = 1;
	submit(b, &q, op, offset, length);
	block_drain(b);
	ck_assert(q.done);
	return q.error;
}

static uint8_t memory[SIZE + 8192] __attribute__((aligned(4096)));

/* ---- data ---- */

static void everything_everywhere(enum block_cache cache, int engine)
{
	static const unsigned lengths[] = { 512, 1024, 4096, 4608, 65536, 131072 + 512, MIB + 512 };
	static const unsigned offsets[] = { 0, 512, 4096, 7 * 512, 3 * MIB + 512 };
	static const unsigned addresses[] = { 0, 1, 3, 4, 511, 512, 4095 };
	static uint8_t model[SIZE];
	struct block *b;
	int fd = file_make(SIZE);
	uint8_t stamp = 1;

	b = disk_open((struct block_config){ .cache = cache });
	ck_assert_msg(b, "%s", said);
	start(engine);
	memcpy(model, content, SIZE);
	for (unsigned l = 0; l < array_size(lengths); l++) {
		for (unsigned o = 0; o < array_size(offsets); o++) {
			for (unsigned a = 0; a < array_size(addresses); a++) {
				uint8_t *at = memory + addresses[a];

				memset(at, 0, lengths[l]);
				ck_assert_int_eq(run(b, BLOCK_READ, offsets[o], at, lengths[l]), 0);
				ck_assert_mem_eq(at, model + offsets[o], lengths[l]);
				memset(at, ++stamp, lengths[l]);
				memset(model + offsets[o], stamp, lengths[l]);
				ck_assert_int_eq(run(b, BLOCK_WRITE, offsets[o], at, lengths[l]), 0);
			}
		}
	}
	ck_assert_int_eq(run(b, BLOCK_FLUSH, 0, NULL, 0), 0);
	ck_assert_int_eq(pread(fd, memory, SIZE, 0), SIZE);
	ck_assert_mem_eq(memory, model, SIZE);
	unlink(path);
}

START_TEST(direct) { everything_everywhere(BLOCK_CACHE_NONE, _i); }
END_TEST
START_TEST(cached) { everything_everywhere(BLOCK_CACHE_WRITEBACK, _i); }
END_TEST

/* Many at a time, each in many parts. */
START_TEST(many_at_once)
{
	static struct request q[128];
	struct block *b;

	file_make(SIZE);
	b = disk_open((struct block_config){ .cache = BLOCK_CACHE_NONE });
	ck_assert_msg(b, "%s", said);
	start(_i);
	for (unsigned i = 0; i < array_size(q); i++) {
		for (unsigned k = 0; k < 64; k++)
			q[i].iov[k] = (struct iovec){ memory + i * 65536 % SIZE + (63 - k) * 1024, 1024 };
		q[i].r.iov_count = 64;
		submit(b, &q[i], BLOCK_READ, i * 65536 % SIZE, 65536);
	}
	block_drain(b);
	for (unsigned i = 0; i < array_size(q); i++) {
		ck_assert(q[i].done && !q[i].error);
		for (unsigned k = 0; k < 64; k++)
			ck_assert_mem_eq(q[i].iov[k].iov_base, content + i * 65536 % SIZE + k * 1024, 1024);
	}
	unlink(path);
}
END_TEST

START_TEST(windows)
{
	struct block *low, *high;
	int fd = file_make(SIZE);

	low = disk_open((struct block_config){ .size = 2 * MIB });
	high = disk_open((struct block_config){ .offset = 2 * MIB });
	ck_assert(low && high);
	ck_assert_uint_eq(block_size(low), 2 * MIB);
	ck_assert_uint_eq(block_size(high), SIZE - 2 * MIB);
	start(_i);
	memset(memory, 0x11, SIZE);
	ck_assert_int_eq(run(low, BLOCK_WRITE, 2 * MIB - 512, memory, 1024), -EINVAL);
	ck_assert_int_eq(run(low, BLOCK_WRITE, 2 * MIB - 512, memory, 512), 0);
	memset(memory, 0x22, SIZE);
	ck_assert_int_eq(run(high, BLOCK_WRITE, 0, memory, 512), 0);
	ck_assert_int_eq(run(high, BLOCK_WRITE_ZEROES, block_size(high) - 512, NULL, 512), 0);
	ck_assert_int_eq(run(high, BLOCK_READ, block_size(high) - 512, memory, 1024), -EINVAL);
	ck_assert_int_eq(pread(fd, memory, SIZE, 0), SIZE);
	memset(content + 2 * MIB - 512, 0x11, 512);
	memset(content + 2 * MIB, 0x22, 512);
	memset(content + SIZE - 512, 0, 512);
	ck_assert_mem_eq(memory, content, SIZE);
	unlink(path);
}
END_TEST

START_TEST(zeroes_and_holes)
{
	/* _i: engine, and twice it the cache. */
	int fd = file_make(SIZE);
	struct block *b = disk_open((struct block_config){ .cache = (enum block_cache)(_i / 2) });
	struct stat before, after;

	ck_assert_msg(b, "%s", said);
	unlink(path);
	start(_i % 2);
	ck_assert_int_eq(run(b, BLOCK_WRITE_ZEROES, 512, NULL, 3 * MIB + 512), 0);
	memset(content + 512, 0, 3 * MIB + 512);
	ck_assert_int_eq(pread(fd, memory, SIZE, 0), SIZE);
	ck_assert_mem_eq(memory, content, SIZE);
	fsync(fd);
	fstat(fd, &before);
	if (!block_can_discard(b)) {
		ck_assert_int_eq(run(b, BLOCK_DISCARD, 4 * MIB, NULL, 2 * MIB), -EOPNOTSUPP);
		return;
	}
	ck_assert_int_eq(run(b, BLOCK_DISCARD, 4 * MIB, NULL, 2 * MIB), 0);
	fstat(fd, &after);
	ck_assert_int_lt(after.st_blocks, before.st_blocks);
	ck_assert_int_eq(after.st_size, SIZE);
	memset(content + 4 * MIB, 0, 2 * MIB);
	ck_assert_int_eq(pread(fd, memory, SIZE, 0), SIZE);
	ck_assert_mem_eq(memory, content, SIZE);
}
END_TEST

/* ---- what the host refuses ---- */

START_TEST(full_file_system)
{
	char mount_point[] = "/tmp/test_block_mount_XXXXXX";
	struct block *b;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(mount_point));
	if (mount("none", mount_point, "tmpfs", 0, "size=1m")) {
		rmdir(mount_point);	/* not root: test_block_pieces says the same with less */
		return;
	}
	snprintf(path, sizeof(path), "%s/disk", mount_point);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	ck_assert_int_eq(ftruncate(fd, 4 * MIB), 0);
	b = disk_open((struct block_config){ .cache = BLOCK_CACHE_WRITEBACK });
	ck_assert_msg(b, "%s", said);
	start(_i);
	said_count = 0;
	ck_assert_int_eq(run(b, BLOCK_WRITE, 0, memory, 4 * MIB), -ENOSPC);
	ck_assert_int_eq(run(b, BLOCK_WRITE, 0, memory, 4 * MIB), -ENOSPC);
	ck_assert_uint_eq(said_count, 1);
	ck_assert_ptr_nonnull(strstr(said, "no space left on device"));
	ck_assert_int_eq(run(b, BLOCK_WRITE, 0, memory, 512), 0);
	ck_assert_int_eq(run(b, BLOCK_READ, 2 * MIB, memory, 512), 0);
	umount2(mount_point, MNT_DETACH);
	rmdir(mount_point);
}
END_TEST

START_TEST(file_size_limit)
{
	struct rlimit limit = { 2 * MIB, 2 * MIB };
	struct block *b;

	close(file_make(SIZE));
	ck_assert_int_eq(truncate(path, SIZE), 0);
	b = disk_open((struct block_config){ .cache = BLOCK_CACHE_WRITEBACK });
	ck_assert_msg(b, "%s", said);
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	start(_i);
	ck_assert_int_eq(run(b, BLOCK_WRITE, 0, memory, 512), 0);
	ck_assert_int_eq(run(b, BLOCK_WRITE, 2 * MIB - 512, memory, 4096), -EFBIG);
	ck_assert_ptr_nonnull(strstr(said, "file too large"));
	ck_assert_int_eq(run(b, BLOCK_READ, 2 * MIB - 512, memory, 4096), 0);
	unlink(path);
}
END_TEST

START_TEST(truncated_file)
{
	static const enum block_cache caches[] = { BLOCK_CACHE_NONE, BLOCK_CACHE_WRITEBACK };
	struct block *b[2];
	char paths[2][128];

	for (unsigned i = 0; i < 2; i++) {
		file_make(SIZE);
		b[i] = disk_open((struct block_config){ .cache = caches[i] });
		ck_assert_msg(b[i], "%s", said);
		strcpy(paths[i], path);
	}
	start(_i);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(truncate(paths[i], MIB + 512), 0);
		said_count = 0;
		ck_assert_int_eq(run(b[i], BLOCK_READ, MIB - 512, memory, 1024), 0);
		ck_assert_int_eq(run(b[i], BLOCK_READ, MIB - 512, memory, 4096), -EIO);
		ck_assert_int_eq(run(b[i], BLOCK_READ, 2 * MIB, memory + 1, 512), -EIO);
		ck_assert_uint_eq(said_count, 1);
		ck_assert_ptr_nonnull(strstr(said, "has become shorter"));
		unlink(paths[i]);
	}
}
END_TEST

/* ---- opening ---- */

static void refused(struct block_config config, const char *why)
{
	said[0] = 0;
	said_count = 0;
	ck_assert_msg(!disk_open(config), "not refused: %s", why);
	ck_assert_uint_eq(said_count, 1);
	ck_assert_msg(strstr(said, why), "\"%s\" does not say \"%s\"", said, why);
	ck_assert_ptr_nonnull(strstr(said, config.path ? config.path : path));
}

START_TEST(what_cannot_be_a_disk)
{
	int fd = file_make(MIB);

	refused((struct block_config){ .path = "/nonexistent/disk" }, "No such file");
	refused((struct block_config){ .path = "/tmp" }, "neither a file nor a block device");
	refused((struct block_config){ .path = "/dev/null" }, "neither a file nor a block device");
	refused((struct block_config){ .offset = 100 }, "multiples of 512");
	refused((struct block_config){ .size = 1000 }, "multiples of 512");
	refused((struct block_config){ .offset = MIB }, "make it larger");
	refused((struct block_config){ .offset = 512, .size = MIB }, "make it larger");
	refused((struct block_config){ .offset = 512, .size = ~511ull }, "make it larger");
	refused((struct block_config){ .offset = ~511ull }, "make it larger");
	ck_assert_int_eq(ftruncate(fd, 500), 0);
	refused((struct block_config){ 0 }, "smaller than one sector");
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	refused((struct block_config){ 0 }, "make it larger");
	/* A last piece that is no sector is not used. */
	ck_assert_int_eq(ftruncate(fd, 4096 + 100), 0);
	ck_assert_uint_eq(block_size(disk_open((struct block_config){ 0 })), 4096);
	ck_assert_ptr_nonnull(strstr(said, "last 100 bytes"));
	unlink(path);
}
END_TEST

START_TEST(no_o_direct)
{
	/* procfs has regular files, and no O_DIRECT on any host. */
	refused((struct block_config){ .path = "/proc/version", .readonly = true }, "give cache=writeback");
}
END_TEST

/* As a user who is not root, in a process of its own: this one cleans up. */
START_TEST(no_permission)
{
	int fd = file_make(MIB), status;
	pid_t pid;

	ck_assert_int_eq(fchmod(fd, 0444), 0);
	pid = fork();
	if (!pid) {
		if (getuid() == 0 && setuid(65534) < 0)
			_exit(0);
		if (disk_open((struct block_config){ 0 }) || !strstr(said, "give readonly"))
			_exit(1);
		_exit(disk_open((struct block_config){ .readonly = true }) ? 0 : 2);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	unlink(path);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

/* Another process, so that the descriptions are others', too: does it get the disk? */
static bool other_opens(struct block_config config)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(disk_open(config) ? 0 : 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status) == 0;
}

START_TEST(locks)
{
	file_make(SIZE);
	ck_assert(disk_open((struct block_config){ .offset = MIB, .size = MIB }));
	ck_assert(other_opens((struct block_config){ .size = MIB }));
	ck_assert(other_opens((struct block_config){ .offset = 2 * MIB }));
	ck_assert(!other_opens((struct block_config){ .offset = 2 * MIB - 512, .size = 512 }));
	ck_assert(!other_opens((struct block_config){ .offset = MIB, .size = 512, .readonly = true }));
	/* Readers do not mind each other, but writers. */
	ck_assert(disk_open((struct block_config){ .offset = 4 * MIB, .size = MIB, .readonly = true }));
	ck_assert(other_opens((struct block_config){ .offset = 4 * MIB, .size = MIB, .readonly = true }));
	ck_assert(!other_opens((struct block_config){ .offset = 4 * MIB, .size = MIB }));
	/* Twice in one machine is no better. */
	refused((struct block_config){ .offset = MIB, .size = MIB }, "in use");
	unlink(path);
}
END_TEST

/* A machine that ends lets go of its disk soon, not at once: opening waits for it. */
START_TEST(locks_are_waited_for)
{
	int ready[2];
	char byte;

	file_make(SIZE);
	ck_assert_int_eq(pipe(ready), 0);
	if (!fork()) {
		byte = disk_open((struct block_config){ 0 }) ? 1 : 0;
		if (write(ready[1], &byte, 1) == 1)
			usleep(300000);
		_exit(0);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ck_assert_int_eq(byte, 1);
	ck_assert(disk_open((struct block_config){ 0 }));
	unlink(path);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("block");
	TCase *t = tcase_create("block");

	/* _i: 0 the best engine, 1 threads */
	tcase_add_loop_test(t, direct, 0, 2);
	tcase_add_loop_test(t, cached, 0, 2);
	tcase_add_loop_test(t, many_at_once, 0, 2);
	tcase_add_loop_test(t, windows, 0, 2);
	tcase_add_loop_test(t, zeroes_and_holes, 0, 4);
	tcase_add_loop_test(t, full_file_system, 0, 2);
	tcase_add_loop_test(t, file_size_limit, 0, 2);
	tcase_add_loop_test(t, truncated_file, 0, 2);
	tcase_add_test(t, what_cannot_be_a_disk);
	tcase_add_test(t, no_o_direct);
	tcase_add_test(t, no_permission);
	tcase_add_test(t, locks);
	tcase_add_test(t, locks_are_waited_for);
	suite_add_tcase(s, t);
	return suite_run(s);
}
