/* SPDX-License-Identifier: MIT */
/*
 * The reference: the host's CPU.  A signal handler loads the case's state into
 * the context it returns to; the INT3 behind the instruction, or its fault, is
 * the next signal, whose context is the outcome.
 */
#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "diff.h"

#define XSAVE_HEADER	512
#define SW_RESERVED	464
#define SW_SIZE		48

static const struct diff_case *current;
static struct diff_outcome *outcome;
static sigjmp_buf back;
static volatile bool running;

bool (*diff_foreign_fault)(uint64_t *rip, uint8_t vector);

static const int greg_of[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

unsigned diff_component(unsigned nr, unsigned *size)
{
	unsigned a, b, c, d;

	__cpuid_count(13, nr, a, b, c, d);
	if (size)
		*size = a;
	return a ? b : 0;
}

uint64_t diff_xfeatures(void)
{
	unsigned a, b, c, d;

	__cpuid_count(13, 0, a, b, c, d);
	return a & DIFF_XFEATURES;
}

/* Copy the components in DIFF_XFEATURES, leaving the rest of `to` alone. */
static void xsave_copy(uint8_t *to, const uint8_t *from)
{
	uint64_t features = diff_xfeatures(), bv_to, bv_from;

	memcpy(to, from, SW_RESERVED - 48);	/* legacy region without the reserved end */
	for (unsigned i = 2; i < 8; i++) {
		unsigned size, offset = diff_component(i, &size);

		if ((features >> i & 1) && offset && offset + size <= DIFF_XSAVE_SIZE)
			memcpy(to + offset, from + offset, size);
	}
	memcpy(&bv_to, to + XSAVE_HEADER, 8);
	memcpy(&bv_from, from + XSAVE_HEADER, 8);
	bv_to = (bv_to & ~features) | (bv_from & features);
	memcpy(to + XSAVE_HEADER, &bv_to, 8);
}

static void load(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *g = uc->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	for (unsigned i = 0; i < 16; i++)
		g[greg_of[i]] = (greg_t)current->regs[i];
	g[REG_RIP] = (greg_t)(DIFF_CODE + current->offset);
	g[REG_EFL] = (greg_t)current->rflags;
	g[REG_CSGSFS] = (g[REG_CSGSFS] & ~0xffffll) | (current->compat ? 0x23 : 0x33);
	xsave_copy((uint8_t *)uc->uc_mcontext.fpregs, current->xsave);
	running = true;
}

static void finish(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *g = uc->uc_mcontext.gregs;

	(void)info;
	if (!running) {		/* a fault of another executor's */
		uint64_t rip = (uint64_t)g[REG_RIP];

		if (diff_foreign_fault && diff_foreign_fault(&rip, (uint8_t)g[REG_TRAPNO]))
			g[REG_RIP] = (greg_t)rip;
		else {
			dprintf(2, "diff: signal %d (vector %d) at %llx\n", sig,
				(int)g[REG_TRAPNO], g[REG_RIP]);
			signal(sig, SIG_DFL);
		}
		return;
	}
	running = false;
	for (unsigned i = 0; i < 16; i++)
		outcome->regs[i] = (uint64_t)g[greg_of[i]];
	outcome->rip = (uint64_t)g[REG_RIP];
	outcome->rflags = (uint64_t)g[REG_EFL];
	outcome->vector = (unsigned)g[REG_TRAPNO];
	outcome->error = (uint32_t)g[REG_ERR];
	outcome->address = (uint64_t)g[REG_CR2];
	outcome->fault = outcome->vector != 3;
	if (!outcome->fault)
		outcome->rip--;
	memset(outcome->xsave, 0, sizeof(outcome->xsave));
	xsave_copy(outcome->xsave, (const uint8_t *)uc->uc_mcontext.fpregs);
	siglongjmp(back, 1);
}

static bool map(uint64_t addr, uint64_t size, int prot)
{
	return mmap((void *)addr, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		    0) == (void *)addr;
}

static bool native_init(void)
{
	static uint8_t stack[256 * 1024];
	static const int faults[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE };
	stack_t alternative = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };

	if (!map(DIFF_CODE, DIFF_PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) ||
	    !map(DIFF_DATA, DIFF_DATA_SIZE, PROT_READ | PROT_WRITE) ||
	    !map(DIFF_CONST, DIFF_PAGE, PROT_READ | PROT_WRITE) ||
	    !map(DIFF_STACK, DIFF_PAGE, PROT_READ | PROT_WRITE))
		return false;
	/* Compatibility mode needs data segments, which 64-bit processes start without. */
	__asm__ volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(0x2b));
	sigaltstack(&alternative, NULL);
	action.sa_sigaction = load;
	sigaction(SIGUSR1, &action, NULL);
	action.sa_sigaction = finish;
	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigaction(faults[i], &action, NULL);
	return true;
}

static void native_run(const struct diff_case *c, struct diff_outcome *out)
{
	static bool constants_loaded;

	if (!constants_loaded) {
		memcpy((void *)DIFF_CONST, c->constants, DIFF_PAGE);
		mprotect((void *)DIFF_CONST, DIFF_PAGE, PROT_READ);
		constants_loaded = true;
	}
	memcpy((void *)DIFF_DATA, c->memory->data, DIFF_DATA_SIZE);
	memcpy((void *)DIFF_STACK, c->memory->stack, DIFF_PAGE);
	memset((void *)DIFF_CODE, 0xcc, DIFF_PAGE);
	memcpy((void *)(DIFF_CODE + c->offset), c->code, c->length);
	current = c;
	outcome = out;
	out->unsupported = false;
	if (!sigsetjmp(back, 0))
		raise(SIGUSR1);
	memcpy(out->memory.data, (void *)DIFF_DATA, DIFF_DATA_SIZE);
	memcpy(out->memory.stack, (void *)DIFF_STACK, DIFF_PAGE);
}

const struct diff_executor diff_native = { "native", native_init, native_run };
