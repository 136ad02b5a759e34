/* SPDX-License-Identifier: MIT */
/*
 * Becoming the kernel world: start-up in the order that the parts need, the
 * move to the engine's own stack, the jail, the loop.
 */
#include "trap/run.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/hostcall.h"
#include "base/log.h"
#include "boot/boot.h"
#include "debug/dump.h"
#include "debug/gdb.h"
#include "debug/gdbmonitor.h"
#include "debug/recorder.h"
#include "debug/stats.h"
#include "debug/trace.h"
#include "device/platform.h"
#include "device/serial.h"
#include "device/virtio_pv.h"
#include "emulate/emulate.h"
#include "hostio/console.h"
#include "hostio/io.h"
#include "hypercall/hypercall.h"
#include "machine/cpuid.h"
#include "machine/steal.h"
#include "memory/ram.h"
#include "memory/vtlb.h"
#include "patch/patch.h"
#include "trap/hosttimer.h"
#include "trap/loop.h"
#include "trap/signal.h"
#include "translate/translate.h"
#include "world/jail.h"
#include "world/world.h"

#define WORLDS		24u
#define ALTSTACK_SIZE	0x40000UL

static struct vcpu *const vcpu = (struct vcpu *)LAYOUT_VCPU;

/* Not malloc: what the kernel hands out lies where guest addresses will be. */
static int map_fixed(uint64_t addr, uint64_t size)
{
	long r = hostcall_mmap(addr, size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);

	if (r < 0)
		log_error("the host does not give memory at %lx (error %ld)", addr, -r);
	return r < 0 ? (int)r : 0;
}

static int start_memory(const struct machine_config *config)
{
	int r;

	r = map_fixed(LAYOUT_VCPU, LAYOUT_VCPU_SIZE);
	if (!r)
		r = map_fixed(LAYOUT_STACK, LAYOUT_STACK_SIZE);
	if (!r)
		r = arena_init();
	if (r)
		return r;
	r = ram_init(config->memory);
	if (r)
		log_error("the host does not give %lu MiB for the guest (%s); give less --memory",
			  config->memory / MIB, strerror(-r));
	return r;
}

static void hypercall_start(void)
{
	steal_watch(hostcall1(SYS_getpid, 0));
	for (unsigned i = 0; i < worlds_count(); i++)
		steal_watch(world_pid(world_get(i)));
	hypercall_init(vcpu);
	gdb_unplug = virtio_pv_unplug;
}

static int start(const struct machine_config *config)
{
	bool translate = config->engine == MACHINE_ENGINE_TRANSLATE;
	const char *missing = NULL;
	int r;

	r = clock_init();
	if (r) {
		log_error("the host's time stamp counter is not usable (error %d)", -r);
		return r;
	}
	r = cpuid_init(&missing);
	if (r) {
		log_error("the host's CPU has no %s, which ring3 needs", missing);
		return r;
	}
	r = start_memory(config);
	if (r)
		return r;
	vcpu_reset(vcpu);
	vcpu->fast.engine_fs = __builtin_ia32_rdfsbase64();
	vcpu->fast.gs_host[0] = ~0ul;	/* none loaded yet */
	debug_init(vcpu);
	trace_set_mask(config->trace);
	stats.timed = config->stats;
	emulate_init(vcpu);
	emulate_fpu_fetch = world_fpu_fetch;
	emulate_fpu_resident = true;	/* the engine leaves vector registers alone */
	gdb_fpu_fetch = fpu_to_memory;
	gdb_idle = console_poll;
	r = platform_init(serial_init(), config);
	if (!r && config->pv == MACHINE_PV_RING3) {
		recorder_start(vcpu, config->stats, config->trace & TRACE_HYPERCALLS);
		hypercall_describe(config);
	}
	if (!r)
		r = boot_load(vcpu, config);
	if (!r)
		r = translate_init();
	if (!r)
		r = patch_init();
	if (!r)
		r = worlds_init(translate ? WORLDS : 0);
	if (!r && config->pv == MACHINE_PV_RING3)
		hypercall_start();
	if (!r)
		r = io_start(config->io);
	if (!r)
		r = vtlb_init();
	if (!r && config->gdb_port)
		r = gdb_init(config->gdb_port);
	if (!r)
		r = signal_init(vcpu, (void *)LAYOUT_STACK, ALTSTACK_SIZE);
	if (!r)
		r = hosttimer_init();
	if (!r && config->disks + config->nets)
		log_info("%u %s, %u %s; input and output by %s", config->disks,
			 config->disks == 1 ? "disk" : "disks", config->nets,
			 config->nets == 1 ? "network card" : "network cards", io_engine_name());
	return r;
}

/* On the engine's stack.  The old one, the vDSO and all that libc mapped go away. */
static _Noreturn void run_on_engine_stack(void)
{
	long r = hostcall2(SYS_munmap, LAYOUT_GUEST_HIGH, LAYOUT_TASK_END - LAYOUT_GUEST_HIGH);

	if (r < 0)
		log_error("the host does not give up memory (error %ld)", -r);
	else if (jail_kernel_world() == 0)
		loop_run(vcpu);
	if (machine.stop == MACHINE_TIMEOUT)
		debug_dump_all(vcpu, "where the guest was at the time limit");
	if (machine.config.stats)
		stats_print();
	worlds_exit();
	hostcall1(SYS_exit_group, 0);
	__builtin_unreachable();
}

int run_machine(const struct machine_config *config)
{
	uint64_t top = LAYOUT_STACK + LAYOUT_STACK_SIZE - 64;
	int r = start(config);

	if (r)
		return r;
	if (config->gdb_port && config->gdb_wait)
		gdb_stop(vcpu, GDB_STOP_START);
	__asm__ volatile("movq %0, %%rsp\n\txorl %%ebp, %%ebp\n\tcall *%1\n\tud2"
			 : : "r"(top), "r"(run_on_engine_stack) : "memory");
	__builtin_unreachable();
}
