/* SPDX-License-Identifier: MIT */
/*
 * `ring3 bench`: starts the program ring3-bench (tests/bench/), which measures.
 */
#ifndef RING3_CLI_BENCH_H
#define RING3_CLI_BENCH_H

/* argv[0] is "bench".  Returns only if the program cannot be started: an exit status, said. */
int bench_main(int argc, char **argv);

#endif
