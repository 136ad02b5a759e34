// SPDX-License-Identifier: MIT
/*
 * Large and bounded memory: stacks that grow to their limit and guard pages,
 * brk, address-space limits, sparse mappings over the whole address space,
 * a few hundred megabytes written and read back, discarded and reused memory,
 * user-handled faults where permitted.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

#define PAGE 4096ul

static __attribute__((noinline)) unsigned recurse(unsigned depth)
{
	volatile unsigned char frame[1000];

	frame[0] = (unsigned char)depth;
	frame[999] = (unsigned char)(depth >> 8);
	unsigned below = depth ? recurse(depth - 1) : 0;

	return below + frame[0] + frame[999];
}

static void deep_stack(void) { _exit(recurse(6000) != 0 ? 4 : 1); /* some 6 MB of the usual 8 */ }

static void endless_stack(void)
{
	struct rlimit limit = { 1 << 20, 1 << 20 };

	setrlimit(RLIMIT_STACK, &limit);
	_exit((int)recurse(1000000));
}

static sigjmp_buf resume;
static void on_fault(int number) { siglongjmp(resume, number); }

static void overflow_handled(void)
{
	static char stack[65536];
	struct sigaction action = { .sa_handler = on_fault, .sa_flags = SA_ONSTACK };
	struct rlimit limit = { 1 << 20, 1 << 20 };
	volatile int overflows = 0;

	setrlimit(RLIMIT_STACK, &limit);
	sigaltstack(&(stack_t){ .ss_sp = stack, .ss_size = sizeof(stack) }, NULL);
	sigaction(SIGSEGV, &action, NULL);
	while (overflows < 5) {
		if (!sigsetjmp(resume, 1))
			recurse(1000000);
		overflows++;
	}
	_exit(overflows);
}

static void growth_by_kernel(void)
{
	/* The kernel's own write extends the stack. */
	char *low = (char *)__builtin_frame_address(0) - 300 * 1024;
	int fd = open("/dev/zero", O_RDONLY);

	__asm__ volatile("" : : : "memory");
	_exit(read(fd, low, 4096) == 4096 ? 6 : 1);
}

static void heap(void)
{
	char *begin = sbrk(0);
	unsigned wrong = 0;

	for (int i = 0; i < 100; i++) {
		char *p = sbrk(100000);

		if (p == (void *)-1)
			check_abort("sbrk");
		memset(p, i + 1, 100000);
	}
	for (int i = 0; i < 100; i++)
		wrong += begin[i * 100000] != i + 1 || begin[i * 100000 + 99999] != i + 1;
	sbrk(-5000000);
	sbrk(5000000);
	for (char *p = (char *)(((uintptr_t)begin + 5000000 + 4095) & ~4095ul); p < begin + 10000000;
	     p += 4096)
		wrong += *p != 0;
	expect_equal(wrong, 0, "brk grows, shrinks and grows with zeroes");
}

static void limited(void)
{
	struct rlimit limit = { 64 << 20, 64 << 20 };

	setrlimit(RLIMIT_AS, &limit);
	_exit(mmap(NULL, 128 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED &&
			      errno == ENOMEM
		      ? 3
		      : 1);
}

/* One page in each of many distant places. */
static void sparse(void)
{
	unsigned placed = 0, wrong = 0;
	static uintptr_t at[2000];

	for (uintptr_t i = 0; i < 2000; i++) {
		uintptr_t where = 0x10000000000ul + i * 0xfedcba000ul;
		void *p = mmap((void *)where, PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		if (p == MAP_FAILED)
			continue;
		at[placed++] = where;
		*(volatile uintptr_t *)p = where;
	}
	for (int round = 0; round < 5; round++)
		for (unsigned i = 0; i < placed; i++)
			wrong += *(volatile uintptr_t *)at[i] != at[i];
	expect(!wrong && placed >= 1990, "two thousand distant pages");
	for (unsigned i = 0; i < placed; i++)
		munmap((void *)at[i], PAGE);
	/* The lowest and the highest page a program may have. */
	void *low = mmap((void *)65536, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	void *high = mmap((void *)0x7fffffffe000, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	void *edges[2] = { low, high };
	for (int i = 0; i < 2; i++) {
		if (edges[i] == MAP_FAILED) {
			expect(false, "%s page mapped", i ? "highest" : "lowest");
			continue;
		}
		memcpy(edges[i], "\xb8\x07\x00\x00\x00\xc3", 6);
		expect(((int (*)(void))edges[i])() == 7, "code in the %s page", i ? "highest" : "lowest");
		munmap(edges[i], PAGE);
	}
}

static void large(void)
{
	size_t size = 256ul << 20;
	uint64_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), sum = 0,
		 want = 0;

	if (p == MAP_FAILED)
		check_abort("mmap");
	for (size_t i = 0; i < size / 8; i += 64) {
		p[i] = i * 0x9e3779b97f4a7c15ULL;
		want += p[i];
	}
	for (size_t i = size / 8; i > 0; i -= 64)
		sum += p[i - 64];
	expect(sum == want, "256 megabytes written and read in reverse");
	for (int round = 0; round < 4; round++) {
		madvise(p, size, MADV_DONTNEED);
		expect(p[12345 * 512] == 0, "discarded, round %d", round);
		for (size_t i = 0; i < (16u << 20) / 8; i += 512)
			p[i + (size_t)round * 1000000] = i;
	}
	munmap(p, size);
}

static int uffd = -1;
static unsigned handled;

static void *fault_handler(void *argument)
{
	char *area = argument, page[PAGE] __attribute__((aligned(4096)));

	for (;;) {
		struct uffd_msg message;

		if (read(uffd, &message, sizeof(message)) != sizeof(message))
			return NULL;
		if (message.event != UFFD_EVENT_PAGEFAULT)
			continue;
		uintptr_t at = message.arg.pagefault.address & ~(PAGE - 1);

		memset(page, (int)((at - (uintptr_t)area) / PAGE) + 1, PAGE);
		struct uffdio_copy copy = { .dst = at, .src = (uintptr_t)page, .len = PAGE };

		handled++;
		if (ioctl(uffd, UFFDIO_COPY, &copy))
			return NULL;
	}
}

static void user_faults(void)
{
	char *area = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)area, 64 * PAGE },
				       .mode = UFFDIO_REGISTER_MODE_MISSING };
	pthread_t t;
	unsigned wrong = 0;

	uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &reg)) {
		printf("# userfaultfd: %s\n", strerror(errno));
		expect(true, "faults handled by the program");
		return;
	}
	pthread_create(&t, NULL, fault_handler, area);
	for (int i = 63; i >= 0; i--)
		wrong += ((volatile char *)area)[(size_t)i * PAGE + 77] != i + 1;
	expect(!wrong && handled == 64, "faults handled by the program");
}

static void guards(void)
{
	char *area = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile unsigned hits = 0;

	mprotect(area, PAGE, PROT_NONE);
	mprotect(area + 2 * PAGE, PAGE, PROT_NONE);
	signal(SIGSEGV, on_fault);
	for (volatile int i = 0; i < 500; i++) {
		if (!sigsetjmp(resume, 1)) {
			if (i % 2)
				((volatile char *)area)[2 * PAGE] = 1;
			else
				((volatile char *)area)[PAGE - 1] = 1;
		} else {
			hits++;
		}
		((volatile char *)area)[PAGE + (size_t)i] = 1;
	}
	expect_equal(hits, 500, "guard pages on both sides");
}

int main(void)
{
	expect_equal(check_in_child(deep_stack), 4, "a deep stack");
	expect_equal(check_in_child(endless_stack), 1000 + SIGSEGV, "an endless one");
	expect_equal(check_in_child(overflow_handled), 5, "overflow handled five times");
	expect_equal(check_in_child(growth_by_kernel), 6, "the stack grows under the kernel's write");
	heap();
	expect_equal(check_in_child(limited), 3, "limit of the address space");
	sparse();
	large();
	guards();
	user_faults();
	return check_result();
}
