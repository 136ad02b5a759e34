// SPDX-License-Identifier: MIT
/*
 * The counters alone, for tests that bring an I/O engine of their own.
 */
#include "hostio/io_stats.h"

struct io_stats io_stats;
