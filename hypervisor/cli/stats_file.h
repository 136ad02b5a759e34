/* SPDX-License-Identifier: MIT */
/*
 * --stats=FILE: the machine's counters as JSON, for programs (ring3 bench).
 */
#ifndef RING3_CLI_STATS_FILE_H
#define RING3_CLI_STATS_FILE_H

#include "base/types.h"

/*
 * Write the counters as they are now to `path`, by way of a file beside it that is then renamed,
 * so that a reader finds the old or the new ones, whole.  final: the machine has ended.  Needs
 * stats_share() before the machine was started.  0, or -errno, said.
 */
int stats_file_write(const char *path, bool final);

#endif
