/* SPDX-License-Identifier: MIT */
/*
 * --abi: words of the form KEY=VALUE,KEY=VALUE...
 */
#ifndef RING3_CLI_HYPERCALL_OPTIONS_H
#define RING3_CLI_HYPERCALL_OPTIONS_H

#include "machine/machine.h"

/*
 * One --abi, added to those before: version=MAJOR.MINOR, hide=FEATURE[+FEATURE...],
 * fail=CALL:ERRNO:RATE, seed=N, in any order.  0, or -EINVAL or -ENOMEM with one sentence said.
 */
int options_add_abi(struct machine_config *config, const char *value);

/* All options are known.  0, or -EINVAL, said. */
int options_check_abi(const struct machine_config *config);

/* For --help: the lines about this option. */
extern const char options_abi_help[];

#endif
