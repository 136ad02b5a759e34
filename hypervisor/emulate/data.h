/* SPDX-License-Identifier: MIT */
/*
 * Private to emulate/: handlers of data.c, stack.c, branch.c, string.c, io.c
 * and control.c, named in the rules of lower.c.
 */
#ifndef RING3_EMULATE_DATA_H
#define RING3_EMULATE_DATA_H

#include "emulate/op.h"

op_handler op_mov, op_mov_register, op_load, op_store, op_movsx, op_lea, op_movbe, op_bswap,
	op_cmov, op_setcc, op_convert, op_convert_high, op_lahf, op_sahf, op_flag, op_xlat,
	op_salc, op_cmpxchg8b, op_cmpxchg16b, op_bcd, op_nop, op_touch, op_random, op_bound;

op_handler op_push, op_pop, op_push_all, op_pop_all, op_pushf, op_popf, op_enter, op_leave;

op_handler op_call, op_jmp, op_jcc, op_ret, op_loop, op_jcxz, op_call_far, op_jmp_far,
	op_ret_far, op_int, op_iret, op_syscall, op_sysret, op_sysenter, op_sysexit;

op_handler op_movs, op_stos, op_lods, op_cmps, op_scas;
op_handler op_in, op_out, op_ins, op_outs;

op_handler op_hlt, op_cli, op_sti, op_clac_stac, op_clts, op_lmsw, op_smsw, op_mov_cr, op_mov_dr,
	op_rdmsr, op_wrmsr, op_rdtsc, op_rdpmc, op_cpuid, op_xgetbv, op_xsetbv, op_invlpg,
	op_invpcid, op_wbinvd, op_swapgs, op_fsgsbase, op_rdpid, op_store_table, op_load_table,
	op_hypercall;

op_handler op_mov_segment, op_load_far_pointer, op_store_selector, op_lldt_ltr, op_lar_lsl,
	op_verr_verw, op_arpl;

op_handler op_ldmxcsr, op_stmxcsr, op_fxsave, op_fxrstor, op_xsave, op_xrstor;

#endif
