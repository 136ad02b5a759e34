// SPDX-License-Identifier: MIT
/*
 * A small multitasking kernel: programs in address spaces of their own, preempted by a timer, with
 * demand-paged and copied-on-write memory, pages taken away at random, lazily used SIMD registers
 * and system calls in which the kernel writes to user memory.  Each program's checksum must be what
 * it is when it runs alone and undisturbed.  pcid=1: spaces are switched without flushing.
 */
#include "random.h"
#include "runtime.h"
#include "test.h"
#include "time.h"
#include "user.h"

#define TASKS		40
#define PAGES		8
#define HEAP		USER_FREE
#define TICK		0x50

/*
 * rdi: seed, rsi: rounds, rdx: heap.  Each round: scatter over the heap, a string copy inside it,
 * SSE sums, calls and returns, and a system call with which the kernel fills 64 bytes.
 */
user_program(u_task,
	"mov %rdi, %rbx; mov %rsi, %r12; mov %rdx, %r13; xor %ebp, %ebp; movq %rdi, %xmm6; pxor %xmm7, %xmm7\n"
	"1: mov $40, %r14d\n"
	"2: mov $6364136223846793005, %rax; imul %rax, %rbx; add $1442695040, %rbx\n"
	"mov %rbx, %rax; shr $33, %rax; and $0x7ff8, %eax; add %rbx, (%r13,%rax); mov (%r13,%rax), %rcx\n"
	"add %rcx, %rbp; movq %rcx, %xmm1; paddq %xmm1, %xmm6; pxor %xmm6, %xmm7\n"
	"call 5f; dec %r14d; jnz 2b\n"
	"mov %rbx, %rax; shr $40, %rax; and $0x3ff8, %eax; lea (%r13,%rax), %rsi; lea 0x4000(%r13), %rdi\n"
	"mov $200, %ecx; rep movsb\n"
	"mov $1, %eax; mov %rbx, %rdi; shr $35, %rdi; and $0x7f80, %edi; add %r13, %rdi; mov %rbp, %rsi; syscall\n"
	"add %rax, %rbp\n"
	"dec %r12; jnz 1b\n"
	"movq %xmm6, %rax; xor %rax, %rbp; movq %xmm7, %rax; add %rax, %rbp\n"
	"mov %rbp, %rdi; mov $2, %eax; syscall\n"
	"5: test $1, %bl; jz 6f; ror $7, %rbp; ret\n"
	"6: not %rbp; push %rbp; pop %rax; ret");

static struct task {
	uint64_t root, cr3, result, pages[PAGES];
	bool done, shared[PAGES];
	struct trap_frame frame;
	uint8_t fx[512] __attribute__((aligned(16)));
} tasks[TASKS];

static uint64_t template[PAGES], switches, faults, evictions;
static bool pcid;

static bool tick(struct trap_frame *f)
{
	lapic_eoi();
	return !(f->cs & 3);
}

static void flush(struct task *t, struct task *current, uint64_t va)
{
	if (t == current || !pcid)
		cpu_invlpg(va);
	else
		cpu_invpcid(0, (uint64_t)(t - tasks) + 1, va);
}

/* Page n of the heap: from the template while it is only read, its own when written. */
static void page_in(struct task *t, unsigned n, bool write)
{
	volatile uint64_t *e = page_entry_in(t->root, HEAP + n * PAGE_SIZE, 1);

	if (!write && t->shared[n]) {
		*e = template[n] | PTE_P | PTE_U;
		return;
	}
	if (t->shared[n]) {
		memcpy(phys_to_virt(t->pages[n]), phys_to_virt(template[n]), PAGE_SIZE);
		t->shared[n] = false;
	}
	*e = t->pages[n] | PTE_P | PTE_U | PTE_W;
}

static bool fault_in(struct task *t, uint64_t at, bool write)
{
	if (at - HEAP >= PAGES * PAGE_SIZE)
		return false;
	faults++;
	page_in(t, (unsigned)((at - HEAP) / PAGE_SIZE), write);
	cpu_invlpg(at);
	return true;
}

static struct task *running;

/* The kernel's own access to the heap, inside a system call. */
static bool kernel_fault(struct trap_frame *f)
{
	return !(f->cs & 3) && fault_in(running, trap_last.cr2, trap_last.error & PF_W);
}

static void evict(struct task *current)
{
	struct task *t = &tasks[random() % TASKS];
	unsigned n = (unsigned)(random() % PAGES);
	uint64_t va = HEAP + n * PAGE_SIZE;

	*(volatile uint64_t *)page_entry_in(t->root, va, 1) &= random() & 1 ? 0 : ~PTE_W;
	flush(t, current, va);
	evictions++;
}

static void system_call(struct task *t)
{
	struct trap_frame *f = &t->frame;

	if (f->rax == 2) {
		t->result = f->rdi;
		t->done = true;
		return;
	}
	uint64_t sum = 0, *to = (uint64_t *)f->rdi;

	for (unsigned i = 0; i < 8; i++) {
		to[i] ^= f->rsi + i;
		sum += to[i];
	}
	__asm__ volatile("rep movsb" : : "D"(f->rdi + 64), "S"(f->rdi), "c"(64ul) : "memory");
	f->rax = sum;
	/* As SYSRET leaves them. */
	f->rcx = f->rip;
	f->r11 = f->rflags;
}

/* One stay of a task at CPL3. */
static void run(struct task *t)
{
	running = t;
	switches++;
	cr3_write(t->cr3);
	__asm__ volatile("fxrstor64 %0" :: "m"(t->fx));
	user_frame = t->frame;

	int vector = user_enter();

	t->frame = user_frame;
	__asm__ volatile("fxsave64 %0" : "=m"(t->fx));
	if (vector == TRAP_SYSCALL)
		system_call(t);
	else if (vector == PF && fault_in(t, trap_last.cr2, trap_last.error & PF_W))
		;
	else if (vector != TICK)
		trap_crash(&t->frame, "a task's exception");
}

static void prepare(struct task *t, uint64_t rounds)
{
	unsigned i = (unsigned)(t - tasks);

	if (!t->root) {
		t->root = page_root_new();
		t->cr3 = t->root | (pcid ? (i + 1) | 1ul << 63 : 0);
		user_map_into(t->root);
		/* A stack of its own. */
		for (unsigned n = 0; n < 4; n++)
			*page_entry_in(t->root, USER_STACK - (n + 1) * PAGE_SIZE, 1) =
				page_alloc() | PTE_P | PTE_W | PTE_U;
		for (unsigned n = 0; n < PAGES; n++)
			t->pages[n] = page_alloc();
	}
	for (unsigned n = 0; n < PAGES; n++) {
		*page_entry_in(t->root, HEAP + n * PAGE_SIZE, 1) = 0;
		t->shared[n] = true;
	}
	if (pcid)
		cpu_invpcid(1, i + 1, 0);
	t->done = false;
	user_prepare(user_address(u_task));
	t->frame = user_frame;
	t->frame.rdi = i * 77 + 1;
	t->frame.rsi = rounds;
	t->frame.rdx = HEAP;
	__asm__ volatile("fninit; fxsave64 %0" : "=m"(t->fx));
}

void test_main(void)
{
	uint64_t rounds = test_option("rounds", 100), want[TASKS];
	unsigned left = TASKS;

	random_seed = 12345;
	user_init();
	pcid = test_option("pcid", 0);
	if (pcid && !(cpu_has_pcid() && cpu_has_invpcid()))
		test_skip("no PCID");
	if (pcid)
		cr4_write(cr4_read() | CR4_PCIDE);
	trap_handler[PF] = kernel_fault;
	for (unsigned n = 0; n < PAGES; n++) {
		template[n] = page_alloc();
		for (unsigned i = 0; i < 512; i++)
			((uint64_t *)phys_to_virt(template[n]))[i] = random();
	}
	for (unsigned i = 0; i < TASKS; i++) {
		prepare(&tasks[i], rounds);
		while (!tasks[i].done)
			run(&tasks[i]);
		want[i] = tasks[i].result;
		prepare(&tasks[i], rounds);
	}
	lapic_enable();
	trap_handler[TICK] = tick;
	switches = faults = 0;
	while (left) {
		struct task *t = &tasks[random() % TASKS];

		if (t->done)
			continue;
		if (random() % 4 == 0)
			evict(running);
		lapic_timer_in(TICK, 1 + random() % (time_tsc_khz() / 4));
		run(t);
		lapic_timer_stop();
		if (t->done) {
			left--;
			expect_equal(t->result, want[t - tasks], "task %lu", (uint64_t)(t - tasks));
		}
	}
	print("%lu switches, %lu page faults, %lu pages taken\n", switches, faults, evictions);
}
