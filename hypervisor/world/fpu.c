// SPDX-License-Identifier: MIT
/*
 * Where the guest's SIMD state is, and moving it: vcpu->xsave, this process's
 * registers, or a world's (in its registers, or in its last signal's frame).
 *
 * An image that comes from a world may be anything: the header and MXCSR are
 * made acceptable, because this process will execute XRSTOR on it.
 */
#include <string.h>

#include "base/log.h"
#include "world/area.h"

#define LEGACY_SIZE	512
#define HEADER_SIZE	64
#define COMPONENTS	63

static struct { uint32_t offset, size; } component[COMPONENTS];
static uint32_t mxcsr_mask;

static uint64_t header_get(const uint8_t *image)
{
	uint64_t bv;

	memcpy(&bv, image + LEGACY_SIZE, sizeof(bv));
	return bv;
}

void fpu_init(void)
{
	uint8_t legacy[LEGACY_SIZE] __attribute__((aligned(64)));
	uint32_t ebx, ecx, edx;

	__asm__ volatile("fxsave64 %0" : "=m"(legacy));
	memcpy(&mxcsr_mask, legacy + 28, sizeof(mxcsr_mask));
	if (!mxcsr_mask)
		mxcsr_mask = 0xffbf;
	for (unsigned i = 2; i < COMPONENTS; i++)
		if (world_xcr0 >> i & 1)
			__asm__ volatile("cpuid" : "=a"(component[i].size), "=b"(ebx), "=c"(ecx),
					 "=d"(edx) : "0"(13), "2"(i));
	for (unsigned i = 2; i < COMPONENTS; i++)
		if (world_xcr0 >> i & 1) {
			uint32_t size;

			__asm__ volatile("cpuid" : "=a"(size), "=b"(component[i].offset), "=c"(ecx),
					 "=d"(edx) : "0"(13), "2"(i));
			bug_on(component[i].offset + size > VCPU_XSAVE_SIZE);
		}
}

/* Copy what is not in its initial state. */
static void image_copy(uint8_t *to, const uint8_t *from)
{
	uint64_t bv;

	memcpy(to, from, LEGACY_SIZE + HEADER_SIZE);
	bv = header_get(to) & world_xcr0;
	memset(to + LEGACY_SIZE, 0, HEADER_SIZE);
	memcpy(to + LEGACY_SIZE, &bv, sizeof(bv));
	for (bv &= ~3ul; bv; bv &= bv - 1) {
		unsigned i = (unsigned)__builtin_ctzl(bv);

		memcpy(to + component[i].offset, from + component[i].offset, component[i].size);
	}
}

static void image_take(struct vcpu *vcpu, const uint8_t *from)
{
	uint32_t mxcsr;

	image_copy(vcpu->xsave, from);
	memcpy(&mxcsr, vcpu->xsave + 24, sizeof(mxcsr));
	mxcsr &= mxcsr_mask;
	memcpy(vcpu->xsave + 24, &mxcsr, sizeof(mxcsr));
	world_stats.fpu_moves++;
}

static void fpu_fetch_world(struct world *w, struct vcpu *vcpu)
{
	uint32_t command = CMD_SAVE | (w->proved ? 0 : CMD_PROVE);

	if (!w->signal_mode && !w->saved && !baton_pass(w, command, NULL))
		return;
	/* A kick may have moved it into the frame meanwhile. */
	image_take(vcpu, w->signal_mode ? w->fpstate : w->area->xsave);
}

void world_fpu_fetch(struct vcpu *vcpu)
{
	switch (vcpu->fpu_place) {
	case FPU_IN_MEMORY:
		return;
	case FPU_IN_KERNEL_WORLD:
		__asm__ volatile("xsave64 %0" : "+m"(vcpu->xsave) : "a"(-1), "d"(-1));
		break;
	case FPU_IN_USER_WORLD:
		fpu_fetch_world(vcpu->fpu_world, vcpu);
		break;
	}
	vcpu->fpu_place = FPU_IN_MEMORY;
}

void fpu_enter(struct world *w, struct vcpu *vcpu, uint32_t *command)
{
	if (vcpu->fpu_place == FPU_IN_USER_WORLD && vcpu->fpu_world == w)
		return;
	world_fpu_fetch(vcpu);
	/* Where to put it must be certain: it may belong to another program than the world's last. */
	world_prove(w);
	if (w->signal_mode) {
		image_copy(w->fpstate, vcpu->xsave);
	} else {
		image_copy(w->area->xsave, vcpu->xsave);
		*command |= CMD_LOAD;
	}
}
