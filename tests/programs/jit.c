// SPDX-License-Identifier: MIT
/*
 * Code that changes: writable and executable pages, pages flipped between
 * writing and executing, two mappings of one file, code written by the kernel
 * (read, process_vm_writev, ptrace is elsewhere), code that rewrites itself and
 * the very next instructions, functions across a page boundary, code replaced
 * under another thread or another process, and code in a page that was data.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "check.h"

#define PAGE 4096

typedef int (*function)(void);

/* mov eax, value; ret */
static void emit_return(unsigned char *p, int value)
{
	p[0] = 0xb8;
	memcpy(p + 1, &value, 4);
	p[5] = 0xc3;
}

static unsigned char *map(size_t size, int prot, int flags, int fd)
{
	void *p = mmap(NULL, size, prot, flags, fd, 0);

	if (p == MAP_FAILED)
		check_abort("mmap");
	return p;
}

static int call(void *p) { return ((function)p)(); }

static void writable_and_executable(void)
{
	unsigned char *p = map(4 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1);
	int wrong = 0;

	for (int i = 0; i < 3000; i++) {
		emit_return(p + 100, i);
		wrong += call(p + 100) != i;
	}
	expect_equal(wrong, 0, "rewritten and called in place");
	wrong = 0;
	for (int i = 0; i < 500; i++) {
		int at = PAGE - 5 + i % 5; /* across the boundary in every way */

		emit_return(p + at, i);
		wrong += call(p + at) != i;
		p[PAGE] ^= 0;
	}
	expect_equal(wrong, 0, "across a page boundary");
	/* Data beside the code is written all the time. */
	emit_return(p + 2 * PAGE, 5);
	wrong = 0;
	for (int i = 0; i < 5000; i++) {
		*(volatile int *)(void *)(p + 2 * PAGE + 512) = i;
		wrong += call(p + 2 * PAGE) != 5 || *(volatile int *)(void *)(p + 2 * PAGE + 512) != i;
	}
	expect_equal(wrong, 0, "data beside code");
	/* The code increments its own immediate, then runs it:
	 * inc dword [rip+1]; mov eax, imm; ret */
	static const unsigned char self[] = { 0xff, 0x05, 0x01, 0, 0, 0, 0xb8, 0, 0, 0, 0, 0xc3 };
	memcpy(p + 3 * PAGE, self, sizeof(self));
	wrong = 0;
	for (int i = 1; i <= 3000; i++)
		wrong += call(p + 3 * PAGE) != i;
	expect_equal(wrong, 0, "an instruction changes the next one");
	/* rep movsb over the code that follows it. */
	static const unsigned char over[] = {
		0x48, 0x8d, 0x3d, 0x10, 0, 0, 0, /* lea rdi, [rip+16]: the mov below */
		0x48, 0x8d, 0x35, 0x19, 0, 0, 0, /* lea rsi, [rip+25]: its replacement */
		0xb9, 6, 0, 0, 0,		 /* mov ecx, 6 */
		0xf3, 0xa4, 0x90, 0x90,		 /* rep movsb; nop; nop */
		0xb8, 1, 0, 0, 0, 0xc3,		 /* mov eax, 1; ret */
	};
	memset(p, 0x90, PAGE);
	memcpy(p, over, sizeof(over));
	emit_return(p + 39, 77);
	expect_equal(call(p), 77, "rep movsb over what comes next");
	munmap(p, 4 * PAGE);
}

static void flipped(void)
{
	unsigned char *p = map(2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	int wrong = 0;

	for (int i = 0; i < 300; i++) {
		mprotect(p, 2 * PAGE, PROT_READ | PROT_WRITE);
		emit_return(p + i, i);
		emit_return(p + PAGE - 3, i * 2);
		mprotect(p, 2 * PAGE, PROT_READ | PROT_EXEC);
		wrong += call(p + i) != i;
		wrong += call(p + PAGE - 3) != i * 2;
	}
	expect_equal(wrong, 0, "flipped between writing and executing");
	wrong = 0;
	for (int i = 0; i < 100; i++) {
		/* Unmapped and mapped again at the same place. */
		munmap(p, PAGE);
		if (mmap(p, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
		    p)
			check_abort("mmap");
		emit_return(p, 1000 + i);
		mprotect(p, PAGE, PROT_EXEC | PROT_READ);
		wrong += call(p) != 1000 + i;
	}
	expect_equal(wrong, 0, "another page at the same address");
	munmap(p, 2 * PAGE);
}

static void dual(void)
{
	int fd = memfd_create("code", 0), wrong = 0;

	if (fd < 0 || ftruncate(fd, 2 * PAGE))
		check_abort("memfd");
	unsigned char *w = map(2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	unsigned char *x = map(2 * PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd);

	for (int i = 0; i < 3000; i++) {
		emit_return(w + 64, i);
		wrong += call(x + 64) != i;
		if (i % 10 == 0) {
			emit_return(w + PAGE - 2, i);
			wrong += call(x + PAGE - 2) != i;
		}
	}
	expect_equal(wrong, 0, "written by one mapping, executed by another");
	wrong = 0;
	for (int i = 0; i < 300; i++) {
		unsigned char code[6];

		emit_return(code, -i);
		if (pwrite(fd, code, 6, 512) != 6)
			check_abort("pwrite");
		wrong += call(x + 512) != -i;
	}
	expect_equal(wrong, 0, "written by write()");
	wrong = 0;
	for (int i = 0; i < 40; i++) {
		int status;
		pid_t pid = fork();

		if (!pid) {
			emit_return(w + 1024, i);
			_exit(call(x + 1024) == i ? 0 : 1);
		}
		waitpid(pid, &status, 0);
		wrong += status != 0 || call(x + 1024) != i;
	}
	expect_equal(wrong, 0, "written by another process");
	munmap(w, 2 * PAGE);
	munmap(x, 2 * PAGE);
	close(fd);
}

static void by_kernel(void)
{
	unsigned char *p = map(PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1),
		      code[6];
	int fds[2], wrong = 0;

	if (pipe(fds))
		check_abort("pipe");
	for (int i = 0; i < 500; i++) {
		emit_return(code, i * 3);
		if (write(fds[1], code, 6) != 6 || read(fds[0], p + 8, 6) != 6)
			check_abort("pipe");
		wrong += call(p + 8) != i * 3;
	}
	expect_equal(wrong, 0, "read() into executable memory");
	wrong = 0;
	for (int i = 0; i < 200; i++) {
		struct iovec from = { code, 6 }, to = { p + 16, 6 };

		emit_return(code, i * 5);
		if (process_vm_writev(getpid(), &from, 1, &to, 1, 0) != 6)
			break;
		wrong += call(p + 16) != i * 5;
	}
	expect_equal(wrong, 0, "process_vm_writev into executable memory");
	/* Private copies: a child's change is not the parent's. */
	emit_return(p, 1);
	wrong = call(p) != 1;
	for (int i = 2; i < 30; i++) {
		int status;
		pid_t pid = fork();

		if (!pid) {
			emit_return(p, i);
			_exit(call(p));
		}
		waitpid(pid, &status, 0);
		wrong += WEXITSTATUS(status) != i || call(p) != 1;
	}
	expect_equal(wrong, 0, "copy on write of code");
	munmap(p, PAGE);
	close(fds[0]), close(fds[1]);
}

static unsigned char *shared_code;
static volatile int published, accepted, thread_wrong;

static void *executor(void *argument)
{
	(void)argument;
	for (int i = 1; i <= 300; i++) {
		while (published != i)
			sched_yield();
		unsigned leaf = 0, b, c = 0, d;

		__asm__ volatile("cpuid"
				 : "+a"(leaf), "=b"(b), "+c"(c), "=d"(d)
				 :
				 : "memory"); /* serialize */
		if (call(shared_code) != i * 7)
			thread_wrong = 1;
		accepted = i;
	}
	return NULL;
}

static void across_threads(void)
{
	pthread_t t;

	shared_code = map(PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	pthread_create(&t, NULL, executor, NULL);
	for (int i = 1; i <= 300; i++) {
		emit_return(shared_code, i * 7);
		published = i;
		while (accepted != i)
			sched_yield();
	}
	pthread_join(t, NULL);
	expect(!thread_wrong, "written by one thread, executed by another");
	munmap(shared_code, PAGE);
}

/* Sensitive bytes come and go in a page that is being executed. */
static void sensitive_bytes(void)
{
	unsigned char *p = map(2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1);
	/* push rbx; xor eax,eax; cpuid; mov eax,ebx; pop rbx; ret */
	static const unsigned char cpuid[] = { 0x53, 0x31, 0xc0, 0x0f, 0xa2, 0x89, 0xd8, 0x5b, 0xc3 };
	unsigned vendor;
	int wrong = 0;

	__asm__ volatile("cpuid" : "=b"(vendor) : "a"(0) : "ecx", "edx");
	for (int i = 0; i < 200; i++) {
		int at = i % 3 ? 32 : PAGE - 4; /* 0f | a2 across the boundary */

		emit_return(p + at, i);
		wrong += call(p + at) != i;
		memcpy(p + at, cpuid, sizeof(cpuid));
		wrong += (unsigned)call(p + at) != vendor;
		/* A syscall, getpid, in its place. */
		memcpy(p + at, (unsigned char[]){ 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3 }, 8);
		wrong += call(p + at) != getpid();
	}
	expect_equal(wrong, 0, "cpuid and syscall come and go");
	munmap(p, 2 * PAGE);
}

/* A larger generated program: a chain of 2000 calls and jumps over 16 pages. */
static void chain(void)
{
	unsigned char *p = map(32 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1), *q = p;
	int count = 2000;

	/* add eax, i; jmp over 1-15 bytes of trap */
	memcpy(q, (unsigned char[]){ 0x31, 0xc0 }, 2);
	q += 2;
	for (int i = 0; i < count; i++) {
		int gap = i % 15 + 1;

		*q++ = 0x05;
		memcpy(q, &i, 4);
		q += 4;
		*q++ = 0xeb;
		*q++ = (unsigned char)gap;
		memset(q, 0xcc, (size_t)gap);
		q += gap;
	}
	*q = 0xc3;
	mprotect(p, 32 * PAGE, PROT_READ | PROT_EXEC);
	int wrong = 0;

	for (int i = 0; i < 50; i++)
		wrong += call(p) != count * (count - 1) / 2;
	expect_equal(wrong, 0, "a chain of two thousand blocks");
	munmap(p, 32 * PAGE);
}

int main(void)
{
	writable_and_executable();
	flipped();
	dual();
	by_kernel();
	across_threads();
	sensitive_bytes();
	chain();
	return check_result();
}
