// SPDX-License-Identifier: MIT
/*
 * Entering CPL3 and coming back.  The exit unwinds to user_enter(): traps do not nest here.
 */
#include "user.h"

#include "runtime.h"
#include "test.h"

uint8_t *user_data;
struct trap_frame user_frame;
bool (*volatile user_syscall)(struct trap_frame *f);

static uint64_t user_data_pa, user_stack_pa;

extern char syscall_entry[];
void user_enter_frame(struct trap_frame *f);
_Noreturn void user_leave(void);
void syscall_dispatch(struct trap_frame *f, uint64_t flags);

void user_map_into(uint64_t root)
{
	uint64_t text = virt_to_phys(user_image_start);
	uint64_t size = (uint64_t)(user_image_end - user_image_start);

	for (uint64_t o = 0; o < size; o += PAGE_SIZE)
		*page_entry_in(root, USER_TEXT + o, 1) = (text + o) | PTE_P | PTE_U;
	for (uint64_t o = 0; o < USER_DATA_PAGES * PAGE_SIZE; o += PAGE_SIZE)
		*page_entry_in(root, USER_DATA + o, 1) =
			(user_data_pa + o) | PTE_P | PTE_U | PTE_W | PTE_NX;
	for (uint64_t o = 0; o < 4 * PAGE_SIZE; o += PAGE_SIZE)
		*page_entry_in(root, USER_STACK - 4 * PAGE_SIZE + o, 1) =
			(user_stack_pa + o) | PTE_P | PTE_U | PTE_W | PTE_NX;
}

void user_init(void)
{
	if (!user_data) {
		user_data_pa = page_alloc_aligned(USER_DATA_PAGES * PAGE_SIZE, PAGE_SIZE);
		user_stack_pa = page_alloc_aligned(4 * PAGE_SIZE, PAGE_SIZE);
		user_data = phys_to_virt(user_data_pa);
		msr_write(MSR_STAR, (uint64_t)KERNEL_CS << 32 | (uint64_t)(USER_CS32) << 48);
		msr_write(MSR_LSTAR, (uint64_t)syscall_entry);
		msr_write(MSR_CSTAR, (uint64_t)syscall_entry);
		msr_write(MSR_SFMASK, FLAG_IF | FLAG_DF | FLAG_TF | FLAG_AC | FLAG_NT);
	}
	user_map_into(cr3_read());
	trap_set_dpl(0x80, 3);
}

void user_prepare(uint64_t rip)
{
	memset(&user_frame, 0, sizeof(user_frame));
	user_frame.rip = rip;
	user_frame.cs = USER_CS;
	user_frame.ss = USER_DS;
	user_frame.rsp = USER_STACK - 16;
	user_frame.rflags = FLAG_IF | 2;	/* as kernels run programs; nothing interrupts by itself */
}

int user_enter(void)
{
	struct trap_frame f = user_frame;

	user_enter_frame(&f);
	return (int)user_frame.vector;
}

int user_run(const void *symbol, uint64_t a, uint64_t b, uint64_t c)
{
	user_prepare(user_address(symbol));
	user_frame.rdi = a;
	user_frame.rsi = b;
	user_frame.rdx = c;
	return user_enter();
}

void user_exit(struct trap_frame *f)
{
	user_frame = *f;
	user_leave();
}

void syscall_dispatch(struct trap_frame *f, uint64_t flags)
{
	trap_last.vector = TRAP_SYSCALL;
	trap_last.rip = f->rip;
	trap_last.rflags = f->rflags;
	trap_last.rsp = f->rsp;
	trap_last.handler_flags = flags;
	if (user_syscall && user_syscall(f))
		return;
	user_exit(f);
}
