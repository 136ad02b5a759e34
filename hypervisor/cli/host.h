/* SPDX-License-Identifier: MIT */
/*
 * What the host must have before anything starts.
 */
#ifndef RING3_CLI_HOST_H
#define RING3_CLI_HOST_H

#include "base/types.h"

/* CPU features and kernel interfaces that there is no way without.  0, or -ENOSYS with one
 * sentence said that names the thing and what to do. */
int host_check_features(void);

/* Has the host this much memory for the guest (free memory, control group, limits)?  0, or
 * -ENOMEM with one sentence said. */
int host_check_memory(uint64_t size);

#endif
