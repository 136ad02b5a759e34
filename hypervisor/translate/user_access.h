/* SPDX-License-Identifier: MIT */
/*
 * The form of a site whose operand is not ordinary memory of its own half: the
 * kernel's accesses to user memory, mostly, and device registers.
 */
#ifndef RING3_TRANSLATE_USER_ACCESS_H
#define RING3_TRANSLATE_USER_ACCESS_H

#include "decode/decode.h"
#include "translate/block.h"

/*
 * If the instruction is a plain load or store, what it does is noted in
 * site->insn and its handler returned; NULL: leave it to the interpreter.
 */
site_handler user_access_prepare(struct site *site, const struct insn *insn);

#endif
