/* SPDX-License-Identifier: MIT */
/*
 * What the virtual CPU is: the host's CPUID, masked to what is virtualized.
 *
 * The tables are made once, by cpuid_init(), after machine.config is filled and
 * clock_init() was called.  What depends on the vCPU's state at the moment
 * (OSXSAVE, APIC enable, XSAVE size) is filled in by system_cpuid().
 */
#ifndef RING3_MACHINE_CPUID_H
#define RING3_MACHINE_CPUID_H

#include "base/types.h"

/* MAXPHYADDR of the guest: RAM, the PCI holes and all devices lie below 1 TiB. */
#define CPUID_PHYS_BITS		40

enum cpuid_vendor { CPUID_AMD, CPUID_INTEL };

struct cpuid_model {
	enum cpuid_vendor vendor;	/* Intel and its clones' behaviour, else AMD's */
	unsigned family, model, stepping;
	uint64_t xcr0_mask;		/* bits XSETBV may set */
	uint32_t xsave_size_max;	/* standard format, all of xcr0_mask */
	uint64_t cr4_mask;		/* bits MOV to CR4 may set */
	uint64_t efer_mask;		/* bits WRMSR to EFER may set */
	uint64_t arch_capabilities;	/* IA32_ARCH_CAPABILITIES, if enumerated */
	uint64_t spec_ctrl_mask;	/* bits WRMSR to SPEC_CTRL may set; 0: no such MSR */
	bool pred_cmd;			/* IBPB enumerated */
	bool mtrr, pat, tsc_deadline, tsc_adjust, x2apic, mce;
};

extern struct cpuid_model cpuid_model;

/* 0, or -ENODEV: the host CPU lacks something; *missing names it (static string). */
int cpuid_init(const char **missing);

/* The static part. */
void cpuid_read(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
/* XSAVE area bytes, standard format, for a value of XCR0. */
uint32_t cpuid_xsave_size(uint64_t xcr0);
/* The same in the compacted format. */
uint32_t cpuid_xsavec_size(uint64_t xcr0);

#endif
