// SPDX-License-Identifier: MIT
/*
 * W, U and NX of the upper levels combine with the leaf's (AND, AND, OR); a reserved bit at any
 * level faults with RSVD; a not-present entry at any level faults without P; NX is reserved while
 * EFER.NXE is clear.
 */
#include "test.h"
#include "user.h"

user_program(u_read, "mov (%rdi), %al; syscall");

/* TCG reports a reserved bit without P. */
static uint64_t reserved_error(uint64_t more)
{
	return (test_on_tcg() ? 0 : PF_P) | PF_RSVD | more;
}

void test_main(void)
{
	uint64_t va = USER_FREE + (513ul << 30), pa = page_alloc();	/* tables of its own */
	volatile uint8_t *p = (void *)va;
	uint64_t *e[5];

	user_init();
	page_map(va, pa, PTE_P | PTE_W | PTE_U);
	for (unsigned l = 1; l <= 4; l++)
		e[l] = page_entry(va, l);
	*(uint8_t *)phys_to_virt(pa) = 0xc3;

	for (unsigned l = 1; l <= 4; l++) {
		uint64_t keep = *e[l];

		*e[l] = keep & ~PTE_P;
		cpu_invlpg(va);
		expect_equal(try_read(p), PF, "level %u not present", l);
		expect_equal(trap_last.error, 0, "level %u not present", l);

		*e[l] = keep & ~PTE_W;
		cpu_invlpg(va);
		expect_equal(try_read(p), TRAP_NONE, "level %u read-only", l);
		expect_equal(try_write(p + 8), PF, "level %u read-only", l);
		expect_equal(trap_last.error, PF_P | PF_W, "level %u read-only", l);

		*e[l] = keep & ~PTE_U;
		cpu_invlpg(va);
		expect_equal(try_read(p), TRAP_NONE, "level %u supervisor", l);
		expect_equal(user_run(u_read, va, 0, 0), PF, "level %u supervisor", l);
		expect_equal(trap_last.error, PF_P | PF_U, "level %u supervisor", l);

		*e[l] = keep | PTE_NX;
		cpu_invlpg(va);
		expect_equal(try_read(p), TRAP_NONE, "level %u NX", l);
		expect_equal(try_execute(p), PF, "level %u NX", l);
		expect_equal(trap_last.error, PF_P | PF_I, "level %u NX", l);

		*e[l] = keep | 1ul << 51;
		cpu_invlpg(va);
		if (try_read(p) == TRAP_NONE) {
			print("52 physical address bits: no reserved ones\n");
		} else {
			expect_equal(trap_last.vector, PF, "level %u reserved", l);
			expect_equal(trap_last.error, reserved_error(0), "level %u reserved", l);
			expect_equal(user_run(u_read, va, 0, 0), PF);
			expect_equal(trap_last.error, reserved_error(PF_U));
		}
		if (l == 4) {
			*e[l] = keep | PTE_PS;
			cpu_invlpg(va);
			expect_equal(try_read(p), PF, "PS in a PML4 entry");
			expect_equal(trap_last.error, reserved_error(0), "PS in a PML4 entry");
		}
		*e[l] = keep;
		cpu_invlpg(va);
		expect_equal(try_read(p), TRAP_NONE, "level %u as it was", l);
		expect_equal(try_execute(p), TRAP_NONE, "level %u as it was", l);
	}

	/* A reserved address bit below a large page's size. */
	*page_entry(va + (1ul << 21), 2) = (2ul << 20) | (1ul << 13) | PTE_P | PTE_W | PTE_PS;
	expect_equal(try_read(p + (1ul << 21)), PF);
	expect_equal(trap_last.error, reserved_error(0));

	*e[1] |= PTE_NX;
	msr_write(MSR_EFER, msr_read(MSR_EFER) & ~EFER_NXE);
	cpu_invlpg(va);
	expect_equal(try_read(p), PF, "NX without NXE");
	expect_equal(trap_last.error, reserved_error(0), "NX without NXE");
	*e[1] &= ~PTE_NX;
	cpu_invlpg(va);
	expect_equal(try_execute(p + 0x1000), PF);
	expect_equal(trap_last.error, 0, "without NXE and SMEP a fetch is not told");
	msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_NXE);
}
