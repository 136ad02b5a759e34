// SPDX-License-Identifier: MIT
/*
 * What a system call leaves alone: every register but rax, rcx and r11, the
 * flags (DF too), the stack below RSP (the red zone), vector and x87 state.
 * rcx must hold the address behind SYSCALL and r11 the flags.
 */
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

struct state {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, flags, rsp, rip;
	uint64_t red[16];
	unsigned char xmm[16][16];
};

/* Load the state, execute SYSCALL, store the state.  rsp and rip are outputs only. */
extern void state_syscall(const struct state *in, struct state *out);
__asm__(
	".text\n"
	"state_syscall:\n"
	"push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rsi\n"
	"mov %rsp, 16*8(%rsi)\n"
	"lea 1f(%rip), %rax; mov %rax, 17*8(%rsi)\n"
	".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
	"movups 34*8+\\i*16(%rdi), %xmm\\i\n"
	"mov 18*8+\\i*8(%rdi), %rax; mov %rax, -128+\\i*8(%rsp)\n"
	".endr\n"
	/* The flags go in below the red zone. */
	"lea -136(%rsp), %rsp; push 15*8(%rdi); popfq; lea 136(%rsp), %rsp\n"
	"mov 0(%rdi), %rax; mov 8(%rdi), %rbx; mov 16(%rdi), %rcx; mov 24(%rdi), %rdx; mov 32(%rdi), %rsi\n"
	"mov 48(%rdi), %rbp; mov 56(%rdi), %r8; mov 64(%rdi), %r9; mov 72(%rdi), %r10; mov 80(%rdi), %r11\n"
	"mov 88(%rdi), %r12; mov 96(%rdi), %r13; mov 104(%rdi), %r14; mov 112(%rdi), %r15; mov 40(%rdi), %rdi\n"
	"syscall\n"
	"1: lea -128(%rsp), %rsp; pushfq; cld; push %rax; mov 136+8(%rsp), %rax\n"
	"mov %rbx, 8(%rax); mov %rcx, 16(%rax); mov %rdx, 24(%rax); mov %rsi, 32(%rax); mov %rdi, 40(%rax)\n"
	"mov %rbp, 48(%rax); mov %r8, 56(%rax); mov %r9, 64(%rax); mov %r10, 72(%rax); mov %r11, 80(%rax)\n"
	"mov %r12, 88(%rax); mov %r13, 96(%rax); mov %r14, 104(%rax); mov %r15, 112(%rax)\n"
	"pop %rcx; mov %rcx, 0(%rax); pop %rcx; mov %rcx, 15*8(%rax)\n"
	"lea 128(%rsp), %rsp\n"
	".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
	"movups %xmm\\i, 34*8+\\i*16(%rax)\n"
	".endr\n"
	/* pushfq and push rax went below the red zone, so all of it is still there. */
	".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
	"mov -128+\\i*8(%rsp), %rcx; mov %rcx, 18*8+\\i*8(%rax)\n"
	".endr\n"
	"pop %rsi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n");

static uint64_t random_state = 88172645463325252ULL;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

#define FLAGS_STATUS 0x8d5u		/* OF SF ZF AF PF CF */
#define FLAG_DF 0x400u
#define FLAGS_FIXED 0x202u

static const char *difference(const struct state *in, const struct state *out, long result)
{
	if ((long)out->rax != result)
		return "rax";
	if (in->rbx != out->rbx || in->rdx != out->rdx || in->rsi != out->rsi || in->rdi != out->rdi ||
	    in->rbp != out->rbp || in->r8 != out->r8 || in->r9 != out->r9 || in->r10 != out->r10 ||
	    in->r12 != out->r12 || in->r13 != out->r13 || in->r14 != out->r14 || in->r15 != out->r15)
		return "a general register";
	if (out->rcx != out->rip)
		return "rcx";
	if (out->r11 != in->flags)
		return "r11";
	if (out->flags != in->flags)
		return "flags";
	if (memcmp(in->red, out->red, sizeof(in->red)))
		return "red zone";
	if (memcmp(in->xmm, out->xmm, sizeof(in->xmm)))
		return "xmm";
	return NULL;
}

static void try(const char *name, long number, const long *arguments, bool exact, long result, int rounds)
{
	struct state in, out;
	const char *wrong = NULL;

	for (int i = 0; i < rounds && !wrong; i++) {
		uint64_t *word = (uint64_t *)&in;

		for (size_t w = 0; w < sizeof(in) / 8; w++)
			word[w] = random_next();
		in.rax = (uint64_t)number;
		in.rdi = (uint64_t)arguments[0];
		in.rsi = (uint64_t)arguments[1];
		in.rdx = (uint64_t)arguments[2];
		in.r10 = (uint64_t)arguments[3];
		in.flags = FLAGS_FIXED | (random_next() & (FLAGS_STATUS | FLAG_DF));
		memset(&out, 0, sizeof(out));
		state_syscall(&in, &out);
		wrong = difference(&in, &out, exact ? result : (long)out.rax);
		if (!exact && (long)out.rax < 0)
			wrong = "the result";
	}
	if (wrong)
		printf("# flags in %#lx, out %#lx, r11 %#lx, rcx %#lx, rip %#lx\n", in.flags, out.flags, out.r11, out.rcx,
		       out.rip);
	expect(!wrong, "%s%s%s", name, wrong ? ": changed " : "", wrong ? wrong : "");
}

int main(void)
{
	struct timespec short_time = { 0, 1000 }, ts;
	static char buffer[4096];
	int fds[2];
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pipe(fds) || page == MAP_FAILED)
		check_abort("pipe");
	try("getpid", SYS_getpid, (long[4]){ 1, 2, 3, 4 }, true, getpid(), 5000);
	try("no such call", 9999, (long[4]){ 1, 2, 3, 4 }, true, -ENOSYS, 2000);
	try("call number -1", -1, (long[4]){ 1, 2, 3, 4 }, true, -ENOSYS, 2000);
	try("high half of rax set", 0x100000000L | SYS_getpid, (long[4]){ 0 }, true,
	    syscall(0x100000000L | SYS_getpid) < 0 ? -ENOSYS : getpid(), 100);
	try("bad descriptor", SYS_close, (long[4]){ -1 }, true, -EBADF, 1000);
	try("bad pointer", SYS_clock_gettime, (long[4]){ 1, 8 }, true, -EFAULT, 1000);
	try("kernel pointer", SYS_clock_gettime, (long[4]){ 1, (long)0xffffffff81000000 }, true, -EFAULT, 1000);
	try("non-canonical pointer", SYS_clock_gettime, (long[4]){ 1, (long)0x8000000000000000 }, true, -EFAULT, 1000);
	try("sched_yield", SYS_sched_yield, (long[4]){ 0 }, true, 0, 1000);
	try("clock_gettime", SYS_clock_gettime, (long[4]){ 1, (long)&ts }, true, 0, 1000);
	try("nanosleep", SYS_nanosleep, (long[4]){ (long)&short_time, 0 }, true, 0, 200);
	try("write", SYS_write, (long[4]){ fds[1], (long)buffer, 4096 }, true, 4096, 8);
	try("read", SYS_read, (long[4]){ fds[0], (long)buffer, 4096 }, true, 4096, 8);
	try("mprotect", SYS_mprotect, (long[4]){ (long)page, 4096, PROT_READ }, true, 0, 100);
	try("brk", SYS_brk, (long[4]){ 0 }, false, 0, 100);
	return check_result();
}
