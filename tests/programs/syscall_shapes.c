// SPDX-License-Identifier: MIT
/*
 * The SYSCALL instruction in every shape a compiler, an assembler programmer
 * or an attacker may write it, each executed often enough to be worth patching:
 * after each kind of number load, jumped to directly, in loops, followed by
 * what a patch would have to displace, at every offset around a page boundary.
 */
#include <sys/mman.h>
#include <sys/syscall.h>

#include "check.h"

#define ROUNDS 3000

/* Each returns in rax what getpid does unless said otherwise. */
__asm__(".text\n"
	"shape_mov_eax:	mov $39, %eax; syscall; ret\n"
	"shape_mov_rax:	mov $39, %rax; syscall; ret\n"
	"shape_movabs:	movabs $39, %rax; syscall; ret\n"
	"shape_push_pop:	push $39; pop %rax; syscall; ret\n"
	"shape_lea:	xor %ecx, %ecx; lea 39(%rcx), %eax; syscall; ret\n"
	"shape_add:	xor %eax, %eax; add $39, %al; syscall; ret\n"
	"shape_memory:	mov shape_number(%rip), %eax; syscall; ret\n"
	"shape_r10:	mov $39, %eax; mov %rcx, %r10; syscall; ret\n"
	"shape_nop:	mov $39, %eax; nop; nopl 0(%rax); syscall; ret\n"
	"shape_rex:	mov $39, %eax; .byte 0x48, 0x0f, 0x05; ret\n"
	"shape_jump:	mov $39, %eax; jmp 1f; ud2; 1: syscall; ret\n"
	"shape_cond:	mov $39, %eax; syscall; cmp $-4095, %rax; jae 1f; ret; 1: ud2\n"
	"shape_rip:	mov $39, %eax; syscall; mov shape_mask(%rip), %edx; and %rdx, %rax; ret\n"
	"shape_call:	mov $39, %eax; syscall; call shape_nothing; ret\n"
	"shape_pop:	push %rbx; mov $39, %eax; syscall; pop %rbx; ret\n"
	"shape_jmp_after:	mov $39, %eax; syscall; jmp 1f; ud2; 1: ret\n"
	"shape_test:	mov $39, %eax; syscall; test %rax, %rax; js 1f; ret; 1: ud2\n"
	"shape_nothing:	ret\n"
	/* rdi times: the loop re-enters at the number load / at SYSCALL itself. */
	"shape_loop:	1: mov $39, %eax; syscall; dec %rdi; jnz 1b; ret\n"
	"shape_loop_direct: mov $39, %eax; 1: syscall; mov %rax, %rdx; mov $39, %eax; dec %rdi; jnz 1b; mov %rdx, %rax; ret\n"
	/* One site, any number: enter with the number in edi. */
	"shape_any:	mov %edi, %eax; syscall; ret\n"
	/* Three entries to one site: before the load, on SYSCALL, behind it. */
	"shape_entry:	mov $39, %eax\n"
	"shape_direct:	syscall\n"
	"shape_behind:	lea 1(%rax), %rax; lea -1(%rax), %rax; ret\n"
	"shape_call_direct: mov %edi, %eax; jmp shape_direct\n"
	"shape_call_behind: mov %rdi, %rax; jmp shape_behind\n"
	/* The second SYSCALL follows at once, with what the first returned (-ENOSYS). */
	"shape_twice:	mov $-1, %rax; syscall; syscall; ret\n"
	/* read(rdi, rsi, 0) by the shortest load there is. */
	"shape_xor:	xor %edx, %edx; xor %eax, %eax; syscall; ret\n"
	/* rcx must be the address behind SYSCALL. */
	"shape_rcx:	mov $39, %eax; syscall; 1: lea 1b(%rip), %rax; sub %rcx, %rax; ret\n"
	/* The 32-bit gate, from 64-bit code. */
	"shape_int80:	push %rbx; mov $20, %eax; int $0x80; pop %rbx; ret\n"
	".section .rodata\n"
	"shape_number:	.long 39\n"
	"shape_mask:	.long 0xffffffff\n"
	".text\n");

#define SHAPES(x) \
	x(mov_eax) x(mov_rax) x(movabs) x(push_pop) x(lea) x(add) x(memory) x(r10) x(nop) x(rex) x(jump) \
		x(cond) x(rip) x(call) x(pop) x(jmp_after) x(test) x(int80)
#define DECLARE(name) extern long shape_##name(void);
SHAPES(DECLARE)
extern long shape_loop(long), shape_loop_direct(long), shape_any(long), shape_entry(void),
	shape_call_direct(long), shape_call_behind(long), shape_twice(void), shape_xor(long fd, void *p),
	shape_rcx(void);

static long pid;

static void simple_shapes(void)
{
#define ENTRY(name) { #name, shape_##name },
	static const struct {
		const char *name;
		long (*call)(void);
	} shapes[] = { SHAPES(ENTRY) };

	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
		long wrong = 0;

		for (int i = 0; i < ROUNDS; i++)
			wrong += shapes[s].call() != pid;
		expect_equal(wrong, 0, shapes[s].name);
	}
}

static void entries(void)
{
	long wrong = 0, parent = getppid(), user = getuid();

	for (int i = 0; i < ROUNDS; i++) {
		wrong += shape_entry() != pid;
		wrong += shape_call_direct(SYS_getppid) != parent;
		wrong += shape_call_behind(i) != i;
		wrong += shape_call_direct(SYS_getuid) != user;
	}
	expect_equal(wrong, 0, "three entries to one site");
	wrong = 0;
	for (int i = 0; i < ROUNDS; i++) {
		wrong += shape_any(SYS_getpid) != pid;
		wrong += shape_any(SYS_getppid) != parent;
		wrong += shape_any(9999) != -ENOSYS;
		wrong += shape_any(-1) != -ENOSYS;
		wrong += shape_any(SYS_dup) != -EBADF;
	}
	expect_equal(wrong, 0, "one site, many numbers");
}

/* Code at every offset around a page boundary; the pages are read and execute only. */
static void page_boundary(void)
{
	static const unsigned char code[] = { 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3 };
	unsigned char *area = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				   0);
	long wrong = 0;

	if (area == MAP_FAILED)
		check_abort("mmap");
	for (int offset = 4096 - 9; offset <= 4096 + 1; offset++) {
		mprotect(area, 3 * 4096, PROT_READ | PROT_WRITE);
		memset(area, 0xcc, 3 * 4096);
		memcpy(area + offset, code, sizeof(code));
		mprotect(area, 3 * 4096, PROT_READ | PROT_EXEC);
		for (int i = 0; i < 300; i++)
			wrong += ((long (*)(void))(void *)(area + offset))() != pid;
	}
	expect_equal(wrong, 0, "every offset around a page boundary");

	/* SYSCALL ends the last mapped page: the call works, what follows faults or is supplied. */
	mprotect(area, 3 * 4096, PROT_READ | PROT_WRITE);
	memset(area, 0xcc, 3 * 4096);
	memcpy(area + 4096 - 7, code, 7);
	area[4096] = 0xc3;
	mprotect(area, 4096, PROT_READ | PROT_EXEC);
	mprotect(area + 4096, 4096, PROT_READ | PROT_EXEC);
	wrong = 0;
	for (int i = 0; i < 300; i++)
		wrong += ((long (*)(void))(void *)(area + 4096 - 7))() != pid;
	expect_equal(wrong, 0, "SYSCALL as a page's last bytes");

	/* Different pages behind the boundary, changed while the first is hot. */
	wrong = 0;
	for (int i = 0; i < 50; i++) {
		mprotect(area + 4096, 4096, PROT_READ | PROT_WRITE);
		memcpy(area + 4096, (unsigned char[]){ 0x48, 0x83, 0xc0, (unsigned char)(i & 0x7f), 0xc3 },
		       5);
		mprotect(area + 4096, 4096, PROT_READ | PROT_EXEC);
		wrong += ((long (*)(void))(void *)(area + 4096 - 7))() != pid + i;
	}
	expect_equal(wrong, 0, "the page behind SYSCALL changes");
	munmap(area, 3 * 4096);
}

/* Bytes 0f 05 that are not an instruction. */
static void false_sites(void)
{
	unsigned value;
	long wrong = 0;

	for (int i = 0; i < ROUNDS; i++) {
		__asm__ volatile("mov $0x050f050f, %0" : "=r"(value));
		wrong += value != 0x050f050f;
		__asm__ volatile("mov $0x0f050f39, %0; xor $0x050f39b8, %0" : "=r"(value) : : "cc");
		wrong += value != (0x0f050f39 ^ 0x050f39b8);
	}
	expect_equal(wrong, 0, "0f 05 inside immediates");
}

int main(void)
{
	char byte;
	int fds[2];
	long wrong = 0;

	pid = getpid();
	simple_shapes();
	entries();
	expect_equal(shape_loop(ROUNDS), pid, "loop over load and SYSCALL");
	expect_equal(shape_loop_direct(ROUNDS), pid, "loop to SYSCALL itself");
	for (int i = 0; i < ROUNDS; i++)
		wrong += shape_twice() != -ENOSYS;
	expect_equal(wrong, 0, "two SYSCALLs in a row");
	wrong = 0;
	if (pipe(fds))
		check_abort("pipe");
	for (int i = 0; i < ROUNDS; i++)
		wrong += shape_xor(fds[0], &byte) != 0;
	expect_equal(wrong, 0, "xor eax, eax");
	wrong = 0;
	for (int i = 0; i < ROUNDS; i++)
		wrong += shape_rcx() != 0;
	expect_equal(wrong, 0, "rcx is the address behind SYSCALL");
	page_boundary();
	false_sites();
	return check_result();
}
