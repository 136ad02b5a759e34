// SPDX-License-Identifier: MIT
/*
 * Patterns of mmap, mprotect, munmap and mremap, with what must be in memory
 * computed beside them: a stale translation shows as a wrong sum or a fault.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "check.h"

#define PAGE 4096ul
#define PAGES 256ul

static uint64_t seed = 0x2545f4914f6cdd1dULL;

static uint64_t next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static sigjmp_buf resume;
static void on_fault(int number) { siglongjmp(resume, number); }

/* 'r' readable, 'w' writable, '-' neither. */
static char access_of(volatile char *p)
{
	char c;

	if (sigsetjmp(resume, 1))
		return '-';
	c = *p;
	if (sigsetjmp(resume, 1))
		return 'r';
	*p = c;
	return 'w';
}

static char *map(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	char *p = mmap(at, size, prot, flags, fd, offset);

	if (p == MAP_FAILED)
		check_abort("mmap");
	return p;
}

/* Random map, protect, unmap of single pages against a model. */
static void model(void)
{
	static char state[PAGES];
	static uint64_t word[PAGES];
	char *area = map(NULL, PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned wrong = 0;

	memset(state, '-', sizeof(state));
	for (int step = 0; step < 20000; step++) {
		unsigned p = next() % PAGES, n = 1 + next() % 8;
		char *at = area + p * PAGE;

		if (p + n > PAGES)
			n = PAGES - p;
		switch (next() % 8) {
		case 0:
			map(at, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
			    -1, 0);
			for (unsigned i = p; i < p + n; i++)
				state[i] = 'w', word[i] = 0;
			break;
		case 1:
			munmap(at, n * PAGE);
			for (unsigned i = p; i < p + n; i++)
				state[i] = 'u', word[i] = 0;
			break;
		case 2:
		case 3: {
			static const struct {
				int prot;
				char state;
			} kinds[] = { { PROT_NONE, '-' },
				      { PROT_READ, 'r' },
				      { PROT_READ | PROT_WRITE, 'w' } };
			unsigned k = next() % 3;

			for (unsigned i = p; i < p + n && state[i] != 'u'; i++) {
				mprotect(area + i * PAGE, PAGE, kinds[k].prot);
				state[i] = kinds[k].state;
			}
			break;
		}
		case 4:
			if (state[p] == 'w') {
				madvise(at, PAGE, MADV_DONTNEED);
				word[p] = 0;
			}
			break;
		default:
			if (state[p] == 'w') {
				word[p] = next();
				*(volatile uint64_t *)(void *)(at + (step % 500) * 8) = word[p];
				*(volatile uint64_t *)(void *)at = word[p];
			}
			break;
		}
		unsigned q = next() % PAGES;
		char want = state[q] == 'u' ? '-' : state[q];

		if (access_of(area + q * PAGE) != want)
			wrong++;
		else if (want != '-' && *(volatile uint64_t *)(void *)(area + q * PAGE) != word[q])
			wrong++;
	}
	expect_equal(wrong, 0, "20000 random operations agree with the model");
	munmap(area, PAGES * PAGE);
}

/* One file, many windows: all see one another's writes. */
static void aliases(void)
{
	int fd = memfd_create("alias", 0);
	char *window[16];
	unsigned wrong = 0;

	if (fd < 0 || ftruncate(fd, 64 * PAGE))
		check_abort("memfd");
	for (int i = 0; i < 16; i++)
		window[i] = map(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (int step = 0; step < 5000; step++) {
		size_t at = next() % (64 * PAGE);
		char value = (char)next();

		window[next() % 16][at] = value;
		wrong += window[next() % 16][at] != value;
		if (step % 64 == 0) {
			char back;
			wrong += pread(fd, &back, 1, (off_t)at) != 1 || back != value;
			value++;
			wrong += pwrite(fd, &value, 1, (off_t)at) != 1 || window[3][at] != value;
		}
	}
	expect_equal(wrong, 0, "sixteen windows on one file");
	/* Pages of the file in reverse order. */
	char *reverse = map(NULL, 64 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < 64; i++)
		map(reverse + i * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		    (off_t)((63 - i) * PAGE));
	wrong = 0;
	for (size_t i = 0; i < 64; i++)
		wrong += memcmp(reverse + i * PAGE, window[0] + (63 - i) * PAGE, PAGE) != 0;
	expect_equal(wrong, 0, "pages in reverse order");
	/* A private window keeps its own writes, and only those. */
	char *private = map(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	private[5] = 'P';
	window[0][5] = 'S';
	window[0][PAGE] = 'T';
	expect(private[5] == 'P' && private[PAGE] == 'T' && window[1][5] == 'S', "private window");
	ftruncate(fd, 8 * PAGE);
	expect(access_of(window[2] + 9 * PAGE) == '-' && access_of(window[2] + 7 * PAGE) == 'w',
	       "a shrunk file's pages are gone");
	ftruncate(fd, 64 * PAGE);
	expect(window[2][9 * PAGE] == 0, "and come back as zeroes");
	for (int i = 0; i < 16; i++)
		munmap(window[i], 64 * PAGE);
	munmap(reverse, 64 * PAGE);
	munmap(private, 64 * PAGE);
	close(fd);
}

static void fill(char *p, size_t size)
{
	for (size_t i = 0; i < size; i += 8)
		*(uint64_t *)(void *)(p + i) = next();
}

static void remaps(void)
{
	size_t size = 100 * PAGE;
	char *area = map(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	fill(area, size);
	uint64_t sum = check_sum(area, size);
	unsigned stale = 0;
	for (int i = 0; i < 200; i++) {
		size_t bigger = size + (1 + next() % 50) * PAGE;
		char *was = area;

		area = mremap(area, size, bigger, MREMAP_MAYMOVE);
		if (area == MAP_FAILED)
			check_abort("mremap");
		if (area != was)
			stale += access_of(was) != '-';
		area[bigger - 1] = 1;
		area = mremap(area, bigger, size, 0);
		if (i % 10 == 0) {
			char *place = map(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			area = mremap(area, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, place);
		}
	}
	expect(check_sum(area, size) == sum, "contents follow 200 mremaps");
	expect_equal(stale, 0, "and leave the old places empty");
	/* Every other page unprotected, then removed: 50 pieces, then one again. */
	for (size_t i = 0; i < 100; i += 2)
		mprotect(area + i * PAGE, PAGE, PROT_READ);
	unsigned wrong = 0;
	for (size_t i = 0; i < 100; i++)
		wrong += access_of(area + i * PAGE) != (i % 2 ? 'w' : 'r');
	expect_equal(wrong, 0, "striped protections");
	mprotect(area, size, PROT_READ | PROT_WRITE);
	expect(check_sum(area, size) == sum, "contents unchanged");
	for (size_t i = 1; i < 100; i += 2)
		munmap(area + i * PAGE, PAGE);
	wrong = 0;
	for (size_t i = 0; i < 100; i++)
		wrong += access_of(area + i * PAGE) != (i % 2 ? '-' : 'w');
	expect_equal(wrong, 0, "every other page unmapped");
	munmap(area, size);
}

/* The kernel reads and writes user memory by its own accesses. */
static void by_kernel(void)
{
	char *area = map(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fds[2], zero = open("/dev/zero", O_RDONLY);

	if (pipe(fds) || zero < 0)
		check_abort("pipe");
	mprotect(area + PAGE, PAGE, PROT_READ);
	mprotect(area + 3 * PAGE, PAGE, PROT_NONE);
	munmap(area + 5 * PAGE, PAGE);
	expect(read(zero, area, PAGE) == (ssize_t)PAGE, "kernel writes an untouched page");
	expect(read(zero, area + PAGE, 10) == -1 && errno == EFAULT,
	       "kernel must not write a read-only page");
	expect(read(zero, area + 3 * PAGE, 10) == -1 && errno == EFAULT,
	       "kernel must not write a protected page");
	expect(write(fds[1], area + 5 * PAGE, 10) == -1 && errno == EFAULT,
	       "kernel must not read an unmapped page");
	expect(write(fds[1], area + PAGE - 5, 10) == 10 && read(fds[0], area + 3 * PAGE - 10, 10) == 10,
	       "across pages");
	expect(read(zero, area + 3 * PAGE - 100, 200) == 100, "a read ends where the writable memory ends");
	struct iovec iov[3] = { { area, 100 }, { area + PAGE, 100 }, { area + 2 * PAGE, 100 } };
	char drain[512];
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	while (read(fds[0], drain, sizeof(drain)) > 0)
		;
	expect(writev(fds[1], iov, 3) == 300 && read(fds[0], drain, 512) == 300, "writev over three pages");
	char vector[16];
	expect(mincore(area + 6 * PAGE, 10 * PAGE, (void *)vector) == 0 && !(vector[0] & 1),
	       "mincore of untouched pages");
	expect(madvise(area + 6 * PAGE, 10 * PAGE, MADV_POPULATE_WRITE) == 0 || errno == EINVAL,
	       "populate");
	munmap(area, 16 * PAGE);
	close(zero), close(fds[0]), close(fds[1]);
}

static void huge(void)
{
	size_t size = 8ul << 20;
	char *area = map(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(area, size, MADV_HUGEPAGE);
	fill(area, size);
	uint64_t sum = check_sum(area, size);
	mprotect(area + 3 * PAGE, PAGE, PROT_READ);
	expect(access_of(area + 3 * PAGE) == 'r' && access_of(area + 4 * PAGE) == 'w',
	       "one small page of a large one protected");
	mprotect(area, size, PROT_READ | PROT_WRITE);
	expect(check_sum(area, size) == sum, "a large page split and joined keeps its contents");
	madvise(area + (2ul << 20), 2ul << 20, MADV_DONTNEED);
	expect(area[(2ul << 20) + 5] == 0 && area[(4ul << 20) - 1] == 0, "a discarded large page is zero");
	munmap(area, size);
}

int main(void)
{
	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	model();
	aliases();
	remaps();
	by_kernel();
	huge();
	return check_result();
}
