/* SPDX-License-Identifier: MIT */
/* What the user asks of the back-ends; filled by cli/, strings stay its. */
#ifndef RING3_HOSTIO_CONFIG_H
#define RING3_HOSTIO_CONFIG_H

#include "base/types.h"

enum io_engine { IO_AUTO, IO_URING, IO_THREADS };

enum block_cache { BLOCK_CACHE_NONE, BLOCK_CACHE_WRITEBACK };	/* O_DIRECT; host's page cache */

struct block_config {
	const char *path;	/* "null" with null_size set: no file at all */
	enum block_cache cache;
	bool readonly;
	uint64_t offset;	/* the window, bytes, multiples of 512; size 0: to the end */
	uint64_t size;
	uint64_t iops, bps;	/* limits per second; 0: none */
	uint64_t null_size;	/* bytes, for "null" */
};

struct net_config {
	enum net_kind { NET_TAP, NET_USER, NET_SOCKET, NET_SWITCH, NET_NULL } kind;
	const char *where;	/* interface, path or name of the switch; NULL: none */
	const char **hostfwd;	/* NET_USER: "tcp|udp:[HOSTADDR]:PORT-[GUESTADDR]:PORT", NULL-terminated */
};

#endif
