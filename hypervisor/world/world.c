// SPDX-License-Identifier: MIT
/*
 * User worlds: the processes, their queues of map requests, and their end.
 */
#include "world/world.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/wait.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/hostcall.h"
#include "base/layout.h"
#include "base/log.h"
#include "debug/trace.h"
#include "machine/machine.h"
#include "patch/patch.h"
#include "world/area.h"
#include "world/hostsignal.h"

struct world *worlds;
unsigned worlds_number;
unsigned world_xsave_size;
uint64_t world_xcr0;
struct world_stats world_stats;

static struct stub_const stub_constants;

extern const uint8_t stub_start[], stub_end[];

_Static_assert(FILTER_MAX * sizeof(struct sock_filter) <= STUB_BATCH * REQUEST_SIZE,
	       "the filter travels in the requests' place");

/* Numbers nobody can guess, by the handful. */
uint64_t world_random(void)
{
	static uint64_t pool[64];
	static unsigned left;

	if (!left) {
		bug_on(hostcall3(SYS_getrandom, (long)pool, sizeof(pool), 0) != sizeof(pool));
		left = array_size(pool);
	}
	return pool[--left];
}

void world_died(struct world *w)
{
	if (!w->started)
		return;
	w->started = false;
	log_error("user world %u (process %d) was killed", w->index, w->pid);
	machine_stop(MACHINE_WORLD_DIED, 0, "a user world's process was killed");
}

static int features_check(void)
{
	uint32_t eax, ebx, ecx, edx;

	__asm__ volatile("cpuid" : "=a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx) : "0"(1), "2"(0));
	if (!(ecx & (1u << 27)))
		return -ENOSYS;
	__asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
	world_xcr0 = (uint64_t)edx << 32 | eax;
	__asm__ volatile("cpuid" : "=a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx) : "0"(13), "2"(0));
	world_xsave_size = ebx;
	return ebx <= VCPU_XSAVE_SIZE ? 0 : -E2BIG;
}

static int shared_prepare(void)
{
	uint8_t *text = mmap(NULL, STUB_TEXT_SIZE + STUB_CONST_SIZE, PROT_READ | PROT_WRITE,
			     MAP_SHARED, patch_fd(), PATCH_TEXT);

	if (text == MAP_FAILED)
		return -errno;
	memcpy(text, stub_start, (size_t)(stub_end - stub_start));
	memcpy(text + STUB_TEXT_SIZE, &stub_constants, sizeof(stub_constants));
	munmap(text, STUB_TEXT_SIZE + STUB_CONST_SIZE);
	return 0;
}

static int world_start(struct world *w, int area_fd)
{
	uint64_t offset = (uint64_t)w->index * STUB_AREA_SIZE;
	int err;

	w->area = (struct world_area *)(LAYOUT_CONTROL + offset);
	w->frame = (void *)((uint64_t)w->area + (stub_constants.frame - STUB_AREA));
	w->fpstate = (uint8_t *)w->area + (stub_constants.fpstate - STUB_AREA);
	w->cookie = world_random();
	w->proof_fd = memfd_create("ring3-proof", MFD_CLOEXEC);
	if (w->proof_fd < 0)
		return -errno;
	w->fs_base = w->gs_base = BASE_UNKNOWN;
	w->area->turn = TURN_WORLD;
	w->area->done = BATCH_PENDING;
	err = world_spawn(w, area_fd, offset);
	if (err)
		return err;
	w->started = true;
	return 0;
}

static int world_await(struct world *w)
{
	int status;

	while (w->area->turn == TURN_WORLD) {
		if (hostcall6(SYS_wait4, w->pid, (long)&status, WNOHANG, 0, 0, 0) == w->pid) {
			w->started = false;
			return -ECHILD;
		}
		usleep(200);
	}
	if (w->area->error)
		return (int)w->area->error;
	/* The cookie stood in the filter. */
	memset(w->area->requests, 0, sizeof(w->area->requests));
	memset(w->area->xsave, 0, sizeof(w->area->xsave));
	return 0;
}

/* Does the host look away from the bits in which map requests carry the cookie? */
static int requests_try(struct world *w)
{
	static const uint8_t ops[] = { WORLD_MAP, WORLD_PROTECT, WORLD_UNMAP };
	int err = 0;

	/* One at a time: together they would come to nothing. */
	for (unsigned i = 0; i < array_size(ops) && !err; i++) {
		struct world_request r = { .gva = STUB_END, .length = PAGE_SIZE, .op = ops[i],
					   .source = WORLD_RAM, .prot = WORLD_PROT_R };

		world_request(w, &r);
		err = world_sync(w);
	}
	if (err)
		log_error("the host refuses the map requests of user worlds (error %d)", -err);
	return err;
}

int worlds_init(unsigned count)
{
	int area_fd, err;

	if (!count)
		return 0;
	err = features_check();
	if (!err)
		fpu_init();
	if (!err)
		err = world_frame_learn(&stub_constants);
	if (!err)
		err = shared_prepare();
	if (err) {
		log_error("user worlds cannot be made here: %s",
			  err == -ENOSYS ? "the host lacks XSAVE or alternate signal stacks"
					 : "the host's signal frames are too large");
		return err;
	}
	if (count > LAYOUT_CONTROL_SIZE / STUB_AREA_SIZE)
		return -EINVAL;
	area_fd = memfd_create("ring3-control", MFD_CLOEXEC);
	if (area_fd < 0 || ftruncate(area_fd, (off_t)count * STUB_AREA_SIZE))
		return -errno;
	if (mmap((void *)LAYOUT_CONTROL, (size_t)count * STUB_AREA_SIZE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED_NOREPLACE, area_fd, 0) != (void *)LAYOUT_CONTROL)
		return -errno;
	baton_init();
	worlds = arena_alloc(count * sizeof(*worlds), 64);
	for (unsigned i = 0; i < count && !err; i++) {
		worlds[i].index = i;
		err = world_start(&worlds[i], area_fd);
		if (!err)
			worlds_number = i + 1;
	}
	for (unsigned i = 0; i < worlds_number && !err; i++)
		err = world_await(&worlds[i]);
	close(area_fd);
	if (!err)
		err = requests_try(&worlds[0]);
	if (err) {
		log_error("starting user worlds failed (%d): is seccomp allowed here?", -err);
		worlds_exit();
	}
	return err;
}

unsigned worlds_count(void)
{
	return worlds_number;
}

int world_pid(const struct world *w)
{
	return (int)w->pid;
}

struct world *world_get(unsigned index)
{
	bug_on(index >= worlds_number);
	return &worlds[index];
}

unsigned world_index(const struct world *w)
{
	return w->index;
}

void worlds_exit(void)
{
	for (unsigned i = 0; i < worlds_number; i++) {
		worlds[i].started = false;
		hostcall2(SYS_kill, worlds[i].pid, HOST_SIGKILL);
	}
	for (unsigned i = 0; i < worlds_number; i++)
		hostcall6(SYS_wait4, worlds[i].pid, 0, 0, 0, 0, 0);
	worlds_number = 0;
}

void worlds_check(void)
{
	for (unsigned i = 0; i < worlds_number; i++)
		if (worlds[i].started &&
		    hostcall6(SYS_wait4, worlds[i].pid, 0, WNOHANG, 0, 0, 0) == worlds[i].pid)
			world_died(&worlds[i]);
}

void world_stub_range(uint64_t *start, uint64_t *end)
{
	*start = STUB_BASE;
	*end = STUB_END;
}

bool world_reserved(uint64_t gva, uint64_t length)
{
	uint64_t end = gva + length;

	return (gva < STUB_END && end > STUB_BASE) ||
	       (gva < STUB_TABLE + STUB_TABLE_SIZE && end > STUB_TABLE);
}
