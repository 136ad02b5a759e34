/* SPDX-License-Identifier: MIT */
/*
 * One virtual machine: its configuration, and how it ends.
 */
#ifndef RING3_MACHINE_MACHINE_H
#define RING3_MACHINE_MACHINE_H

#include "base/types.h"
#include "hostio/config.h"

enum machine_pv { MACHINE_PV_NONE, MACHINE_PV_KVM, MACHINE_PV_RING3 /* and the KVM clock */ };
enum machine_engine { MACHINE_ENGINE_TRANSLATE, MACHINE_ENGINE_EMULATE };

enum disk_device { DISK_VIRTIO, DISK_IDE, DISK_PV };
enum net_device { NET_DEVICE_VIRTIO, NET_DEVICE_E1000, NET_DEVICE_PV };

#define MACHINE_DISKS	8u
#define MACHINE_DISK_QUEUES	16u
#define MACHINE_NETS	4u

struct machine_disk {
	struct block_config backend;
	enum disk_device device;
	char *serial;			/* at most 20 characters; NULL: one of ring3's */
	unsigned queues;		/* 0: as many as the device thinks good */
};

struct machine_net {
	struct net_config backend;
	enum net_device device;
	uint8_t mac[6];
};

#define MACHINE_ABI_FAILURES	16u

/* --abi: how the hypercall ABI is presented (machine/abi.h). */
struct machine_abi {
	uint32_t version;		/* major << 16 | minor; 0: the newest */
	uint64_t hidden;		/* features, by their bits */
	struct machine_abi_failure {
		uint8_t call;		/* number */
		uint16_t error;		/* errno */
		uint64_t rate;		/* how many of 2^32 calls */
	} failure[MACHINE_ABI_FAILURES];
	unsigned failures;
	uint64_t seed;			/* of the sequence that decides which */
};

/* Filled by cli/, read by all.  Strings are owned by the configuration (strdup). */
struct machine_config {
	char *kernel;
	char *initrd;			/* NULL: none */
	char *append;			/* NULL: empty */
	char **modules;			/* multiboot modules "file args", NULL-terminated, or NULL */
	uint64_t memory;		/* bytes, page multiple */
	enum machine_pv pv;
	struct machine_abi abi;
	bool abi_given;
	enum machine_engine engine;
	char *serial;			/* "stdio", "file:PATH", "unix:PATH" */
	struct machine_disk disk[MACHINE_DISKS];	/* in the order given */
	unsigned disks;
	struct machine_net net[MACHINE_NETS];
	unsigned nets;
	bool rng;			/* virtio-rng */
	enum io_engine io;
	bool no_reboot;
	unsigned timeout;		/* seconds, 0: none */
	bool stats;
	char *stats_file;		/* NULL: none */
	uint32_t trace;			/* TRACE_* of debug/trace.h */
	char *record;			/* file for hypercalls; NULL: none */
	uint64_t record_bytes;
	unsigned gdb_port;		/* 0: none */
	bool gdb_wait;			/* do not start before gdb attaches */
};

/* Why the machine stopped; cli/ maps these to exit statuses (see the man page). */
enum machine_stop {
	MACHINE_RUNNING,
	MACHINE_POWER_OFF,	/* ACPI S5 or the like */
	MACHINE_REBOOT,		/* reset asked for; cli/ starts again unless --no-reboot */
	MACHINE_PANIC,		/* guest said so (pvpanic) */
	MACHINE_TRIPLE_FAULT,
	MACHINE_DEBUG_EXIT,	/* port 0xf4; code = (value << 1) | 1 */
	MACHINE_TIMEOUT,
	MACHINE_HUNG,		/* HLT with interrupts off and no NMI possible */
	MACHINE_QUIT,		/* the user: Ctrl-a x, SIGTERM, SIGINT */
	MACHINE_WORLD_DIED,	/* a host process of the machine was killed from outside */
	MACHINE_ERROR,		/* ring3's own error, said already */
};

/* Shared with the supervisor (cli/supervise.c), hence pages of its own. */
struct machine {
	struct machine_config config;
	volatile enum machine_stop stop;
	int stop_code;			/* MACHINE_DEBUG_EXIT: exit status */
	const char *stop_reason;	/* static string, one clause, or NULL */
} __attribute__((aligned(PAGE_SIZE)));

extern struct machine machine;

/* Ask for the end; the first caller's reason stays.  Callable from signal handlers. */
void machine_stop(enum machine_stop why, int code, const char *reason);

#endif
