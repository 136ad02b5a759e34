/* SPDX-License-Identifier: MIT */
/*
 * Private to emulate/: the routines of alu_ops.S by size (index 0..3 for 1, 2,
 * 4, 8 bytes; NULL where the size does not exist) and the handlers using them.
 */
#ifndef RING3_EMULATE_ALU_H
#define RING3_EMULATE_ALU_H

#include "emulate/op.h"

extern alu_function *const alu_add[4], *const alu_or[4], *const alu_adc[4], *const alu_sbb[4],
	*const alu_and[4], *const alu_sub[4], *const alu_xor[4], *const alu_cmp[4],
	*const alu_test[4], *const alu_bt[4], *const alu_bts[4], *const alu_btr[4],
	*const alu_btc[4], *const alu_bsf[4], *const alu_bsr[4], *const alu_tzcnt[4],
	*const alu_lzcnt[4], *const alu_popcnt[4], *const alu_imul[4], *const alu_inc[4],
	*const alu_dec[4], *const alu_neg[4], *const alu_not[4], *const alu_rol[4],
	*const alu_ror[4], *const alu_rcl[4], *const alu_rcr[4], *const alu_shl[4],
	*const alu_shr[4], *const alu_sar[4], *const alu_shld[4], *const alu_shrd[4],
	*const alu_mul[4], *const alu_imul1[4], *const alu_div[4], *const alu_idiv[4],
	*const alu_adcx[4], *const alu_adox[4], *const alu_crc32[4];

op_handler op_binary, op_binary_registers, op_unary, op_not, op_shift, op_double_shift, op_scan,
	op_crc32, op_imul3, op_multiply, op_divide, op_bit, op_xadd, op_xchg, op_cmpxchg;

#endif
