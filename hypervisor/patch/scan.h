/* SPDX-License-Identifier: MIT */
/*
 * What a user page shows before it may execute: sensitive unprivileged
 * instructions are looked for at every byte offset, across the page's end too.
 */
#ifndef RING3_PATCH_SCAN_H
#define RING3_PATCH_SCAN_H

#include "base/types.h"
#include "decode/decode.h"

/*
 * Byte offset of the first suspicious sequence at or after `from` in page[0..4096) continued
 * by up to 3 bytes of `tail` (NULL: unknown, assume the worst), or -1.  The offset is that of
 * the opcode's 0x0f: prefixes may precede it.  wide: 64-bit code.
 */
int scan_next(const uint8_t *page, const uint8_t *tail, unsigned from, bool wide);

/* Must this instruction not be executed directly? */
bool scan_sensitive(const struct insn *insn, bool wide);

#endif
