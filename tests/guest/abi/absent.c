// SPDX-License-Identifier: MIT
/*
 * Without --pv ring3 there is no sign of hypercalls: no CPUID leaf, and VMCALL and VMMCALL are
 * undefined at CPL0 and CPL3, as on a processor without virtualization.
 */
#include "ring3.h"
#include "test.h"
#include "trap.h"
#include "user.h"

user_program(user_vmcall, "vmcall\n\tsyscall");
user_program(user_vmmcall, "vmmcall\n\tsyscall");

void test_main(void)
{
	if (ring3_base())
		test_error("run this without --pv ring3");
	if (test_on_tcg())
		test_skip("TCG has SVM");
	expect_equal(TRY("vmcall", :: "a"(0), "D"(0), "S"(0) : "memory"), UD);
	expect_equal(TRY("vmmcall", :: "a"(0), "D"(0), "S"(0) : "memory"), UD);
	user_init();
	expect_equal(user_run(user_vmcall, 0, 0, 0), UD);
	expect_equal(user_run(user_vmmcall, 0, 0, 0), UD);
}
