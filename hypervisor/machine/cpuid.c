/* SPDX-License-Identifier: MIT */
/*
 * The CPU model.  Each leaf is the host's value AND a mask of what works here,
 * OR what the virtual CPU has whatever the host has.
 *
 * Three rules decide what is shown:
 *  - an instruction that user code executes natively cannot be hidden from it,
 *    only from a kernel that asks; what the host executes and we cannot carry
 *    (PKU, CET, AMX, MPX, TSX, MONITOR, RDTSCP, RDPID) is hidden;
 *  - what the engine implements itself (PCID, INVPCID, SMEP, SMAP, UMIP, x2APIC,
 *    TSC deadline) is shown on every host;
 *  - speculation: CPL0 code never shares an address space with a guest user
 *    program, so the "not affected" bits are the truth here, and no IBPB, STIBP or
 *    SSBD is offered, which would only cost exits.
 */
#include "machine/cpuid.h"

#include <cpuid.h>
#include <errno.h>
#include <string.h>

#include "abi/ring3_abi.h"
#include "base/clock.h"
#include "base/log.h"
#include "machine/abi.h"
#include "machine/machine.h"
#include "machine/vcpu.h"

/* Not by <sys/auxv.h>: it brings elf.h, whose PF_W is another than vcpu.h's. */
unsigned long getauxval(unsigned long type);
#define AT_HWCAP2		26
#define HWCAP2_FSGSBASE		2

#define BIT(n)		(1u << (n))

#define LEAVES_MAX	96
#define ANY_SUBLEAF	UINT32_MAX

#define KVM_LEAF	0x40000000u
#define KVM_FEATURE_CLOCKSOURCE		BIT(0)
#define KVM_FEATURE_NOP_IO_DELAY	BIT(1)
#define KVM_FEATURE_CLOCKSOURCE2	BIT(3)
#define KVM_FEATURE_CLOCKSOURCE_STABLE	BIT(24)

#define INTEL_MAX_BASIC		0x16u
#define AMD_MAX_BASIC		0x0du
#define INTEL_MAX_EXTENDED	0x80000008u
#define AMD_MAX_EXTENDED	0x80000021u

/* 1.ECX */
#define L1C_PASS	(BIT(0) | BIT(1) | BIT(9) | BIT(12) | BIT(13) | BIT(19) | BIT(20) | BIT(22) | \
			 BIT(23) | BIT(25) | BIT(26) | BIT(28) | BIT(29) | BIT(30))
#define L1C_FORCE	(BIT(17) /* PCID */ | BIT(21) /* x2APIC */ | BIT(24) /* TSC deadline */ | \
			 BIT(31) /* hypervisor */)
#define L1C_AVX_ONLY	(BIT(12) | BIT(28) | BIT(29))
/* 1.EDX: all of the classic PC but VME, DS, ACPI clock, HTT, TM, PBE */
#define L1D_PASS	(BIT(0) | BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(8) | BIT(11) | BIT(13) | \
			 BIT(15) | BIT(17) | BIT(19) | BIT(23) | BIT(24) | BIT(25) | BIT(26) | BIT(27))
#define L1D_FORCE	(BIT(7) | BIT(9) | BIT(12) | BIT(14) | BIT(16)) /* MCE APIC MTRR MCA PAT */
/* 7.0 */
#define L7B_PASS	(BIT(0) | BIT(3) | BIT(5) | BIT(6) | BIT(8) | BIT(9) | BIT(13) | BIT(16) | BIT(17) | \
			 BIT(18) | BIT(19) | BIT(21) | BIT(23) | BIT(24) | BIT(28) | BIT(29) | BIT(30) | \
			 BIT(31))
#define L7B_FORCE	(BIT(1) /* TSC_ADJUST */ | BIT(7) /* SMEP */ | BIT(10) /* INVPCID */ | \
			 BIT(20) /* SMAP */)
#define L7B_AVX_ONLY	BIT(5)
#define L7B_AVX512	(BIT(16) | BIT(17) | BIT(21) | BIT(28) | BIT(30) | BIT(31))
#define L7C_PASS	(BIT(0) | BIT(1) | BIT(6) | BIT(8) | BIT(9) | BIT(10) | BIT(11) | BIT(12) | BIT(14))
#define L7C_FORCE	BIT(2) /* UMIP */
#define L7C_AVX_ONLY	(BIT(9) | BIT(10))
#define L7C_AVX512	(BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14))
#define L7D_PASS	(BIT(4) | BIT(8) | BIT(23))
#define L7D_AVX512	(BIT(8) | BIT(23))
#define L7D_INTEL	(BIT(26) /* SPEC_CTRL, for IBRS_ALL */ | BIT(29) /* ARCH_CAPABILITIES */)
/* 7.1 */
#define L71A_PASS	(BIT(4) | BIT(5) | BIT(10) | BIT(11) | BIT(12))
#define L71A_AVX	(BIT(4) | BIT(5))
#define L71A_AVX512	BIT(5)
/* 0x80000001 */
#define E1C_PASS	(BIT(0) | BIT(5) | BIT(6) | BIT(7) | BIT(8))
#define E1C_AMD		BIT(22) /* TOPOEXT */
#define E1D_PASS	(BIT(11) | BIT(20) | BIT(22) | BIT(29))
#define E1D_FORCE	BIT(26) /* 1 GiB pages */
/* Repeated from 1.EDX on AMD, all but SEP, SSE and the like. */
#define E1D_ALIASES	0x0183f3ffu

/* 0x80000008.EBX (AMD) */
#define E8B_PASS	(BIT(0) /* CLZERO */ | BIT(2) /* XSAVEERPTR */)
#define E8B_FORCE	(BIT(26) /* SSB_NO */ | BIT(29) /* BTC_NO */)
/* 0x80000021 (AMD) */
#define E21A_PASS	(BIT(0) | BIT(6) | BIT(10) | BIT(11))
#define E21A_FORCE	(BIT(2) /* LFENCE serializes: host kernels see to it */ | \
			 BIT(8) /* AutoIBRS */ | BIT(29) | BIT(30) /* SRSO_NO */)
#define E21C_FORCE	(BIT(1) | BIT(2)) /* TSA_SQ_NO, TSA_L1_NO */

#define XCR0_AVX512	0xe0u
#define XCR0_KNOWN	(0x7u | XCR0_AVX512)

/* RDCL_NO IBRS_ALL SKIP_L1DFL SSB_NO MDS_NO PSCHANGE_NO TAA_NO SBDR_SSDP_NO FBSDP_NO PSDP_NO
 * BHI_NO PBRSB_NO GDS_NO RFDS_NO ITS_NO */
#define ARCH_CAPABILITIES ((1ull << 0) | (1ull << 1) | (1ull << 3) | (1ull << 4) | (1ull << 5) | \
			   (1ull << 6) | (1ull << 8) | (1ull << 13) | (1ull << 14) | (1ull << 15) | \
			   (1ull << 20) | (1ull << 24) | (1ull << 26) | (1ull << 27) | (1ull << 62))
#define SPEC_CTRL_IBRS	1ull
#define EFER_AUTOIBRS	(1ull << 21)

struct cpuid_leaf {
	uint32_t leaf, subleaf;
	uint32_t regs[4];
};

struct cpuid_model cpuid_model;

static struct cpuid_leaf leaves[LEAVES_MAX];
static unsigned leaf_count;
static uint32_t max_basic, max_extended, max_hypervisor;

enum { A, B, C, D };

static void host_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t r[4])
{
	uint32_t max;

	__cpuid(leaf & 0x80000000u, max, r[B], r[C], r[D]);
	memset(r, 0, 4 * sizeof(r[0]));
	if (leaf <= max)
		__cpuid_count(leaf, subleaf, r[A], r[B], r[C], r[D]);
}

static void leaf_add(uint32_t leaf, uint32_t subleaf, const uint32_t r[4])
{
	struct cpuid_leaf *entry = &leaves[leaf_count++];

	bug_on(leaf_count > LEAVES_MAX);
	entry->leaf = leaf;
	entry->subleaf = subleaf;
	memcpy(entry->regs, r, sizeof(entry->regs));
}

static void leaf_pass(uint32_t leaf, uint32_t subleaf)
{
	uint32_t r[4];

	host_cpuid(leaf, subleaf == ANY_SUBLEAF ? 0 : subleaf, r);
	leaf_add(leaf, subleaf, r);
}

/* What the host's operating system lets its programs save and use. */
static uint64_t host_xcr0(void)
{
	uint32_t r[4], low, high;

	host_cpuid(1, 0, r);
	if (!(r[C] & BIT(27)))
		return 0;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static bool has_avx(void)
{
	return cpuid_model.xcr0_mask & 4;
}

static bool has_avx512(void)
{
	return (cpuid_model.xcr0_mask & XCR0_AVX512) == XCR0_AVX512;
}

static void leaves_identity(void)
{
	struct cpuid_model *m = &cpuid_model;
	uint32_t r[4];

	host_cpuid(0, 0, r);
	/* Hygon follows AMD; Zhaoxin and Centaur follow Intel. */
	m->vendor = (r[B] == 0x68747541 || r[B] == 0x6f677948) ? CPUID_AMD : CPUID_INTEL;
	max_basic = m->vendor == CPUID_AMD ? AMD_MAX_BASIC : INTEL_MAX_BASIC;
	max_extended = m->vendor == CPUID_AMD ? AMD_MAX_EXTENDED : INTEL_MAX_EXTENDED;
	r[A] = max_basic;
	leaf_add(0, ANY_SUBLEAF, r);
	r[A] = max_extended;
	if (m->vendor == CPUID_INTEL)
		r[B] = r[C] = r[D] = 0;
	leaf_add(0x80000000, ANY_SUBLEAF, r);
	for (uint32_t leaf = 0x80000002; leaf <= 0x80000006; leaf++)
		leaf_pass(leaf, ANY_SUBLEAF);
	if (m->vendor == CPUID_INTEL)
		leaf_pass(2, ANY_SUBLEAF);
}

static void leaves_features(void)
{
	struct cpuid_model *m = &cpuid_model;
	bool amd = m->vendor == CPUID_AMD;
	uint32_t r[4], l1d;

	host_cpuid(1, 0, r);
	m->stepping = r[A] & 15;
	m->model = r[A] >> 4 & 15;
	m->family = r[A] >> 8 & 15;
	if (m->family == 6 || m->family == 15)
		m->model |= r[A] >> 12 & 0xf0;
	if (m->family == 15)
		m->family += r[A] >> 20 & 0xff;
	r[B] = (r[B] & 0xff00) | 1u << 16;	/* CLFLUSH line; one logical CPU, APIC id 0 */
	r[C] = (r[C] & L1C_PASS) | L1C_FORCE;
	if (!has_avx())
		r[C] &= ~L1C_AVX_ONLY;
	r[D] = l1d = (r[D] & L1D_PASS) | L1D_FORCE;
	leaf_add(1, ANY_SUBLEAF, r);

	host_cpuid(7, 0, r);
	r[A] = 1;
	r[B] = (r[B] & L7B_PASS) | L7B_FORCE;
	r[C] = (r[C] & L7C_PASS) | L7C_FORCE;
	r[D] = (r[D] & L7D_PASS) | (amd ? 0 : L7D_INTEL);
	if (!has_avx()) {
		r[B] &= ~L7B_AVX_ONLY;
		r[C] &= ~L7C_AVX_ONLY;
	}
	if (!has_avx512()) {
		r[B] &= ~L7B_AVX512;
		r[C] &= ~L7C_AVX512;
		r[D] &= ~L7D_AVX512;
	}
	leaf_add(7, 0, r);
	host_cpuid(7, 1, r);
	r[A] &= L71A_PASS & ~(has_avx() ? 0 : L71A_AVX) & ~(has_avx512() ? 0 : L71A_AVX512);
	r[B] = r[C] = r[D] = 0;
	leaf_add(7, 1, r);

	host_cpuid(0x80000001, 0, r);
	if (!amd)
		r[A] = r[B] = 0;
	r[C] &= E1C_PASS | (amd ? E1C_AMD : 0);
	r[D] = (r[D] & E1D_PASS) | E1D_FORCE | (amd ? l1d & E1D_ALIASES : 0);
	leaf_add(0x80000001, ANY_SUBLEAF, r);

	leaf_add(6, ANY_SUBLEAF, (uint32_t[4]){ BIT(2) /* ARAT */ });
	leaf_add(0x80000007, ANY_SUBLEAF, (uint32_t[4]){ 0, 0, 0, BIT(8) /* invariant TSC */ });
	host_cpuid(0x80000008, 0, r);
	r[A] = CPUID_PHYS_BITS | 48 << 8;
	r[B] = amd ? (r[B] & E8B_PASS) | E8B_FORCE : 0;
	r[C] = r[D] = 0;
	leaf_add(0x80000008, ANY_SUBLEAF, r);
	if (!amd)
		return;
	leaf_pass(0x80000019, ANY_SUBLEAF);
	leaf_pass(0x8000001a, ANY_SUBLEAF);
	host_cpuid(0x80000021, 0, r);
	r[A] = (r[A] & E21A_PASS) | E21A_FORCE;
	r[B] = r[D] = 0;
	r[C] = E21C_FORCE;
	leaf_add(0x80000021, ANY_SUBLEAF, r);
}

/* One package of one core of one thread. */
static void leaves_topology(void)
{
	bool amd = cpuid_model.vendor == CPUID_AMD;
	uint32_t cache_leaf = amd ? 0x8000001d : 4;

	leaf_add(0xb, 0, (uint32_t[4]){ 0, 1, 1 << 8 | 0, 0 });
	leaf_add(0xb, 1, (uint32_t[4]){ 0, 1, 2 << 8 | 1, 0 });
	for (uint32_t i = 0; i < 8; i++) {
		uint32_t r[4];

		host_cpuid(cache_leaf, i, r);
		r[A] &= amd ? ~0x03ffc000u : ~0xffffc000u;	/* sharing; cores per package */
		leaf_add(cache_leaf, i, r);
		if (!(r[A] & 31))
			break;
	}
	if (amd)
		leaf_add(0x8000001e, ANY_SUBLEAF, (uint32_t[4]){ 0 });
}

static void leaves_xsave(void)
{
	struct cpuid_model *m = &cpuid_model;
	uint32_t r[4];

	m->xsave_size_max = 576;
	for (uint32_t i = 2; i < 8; i++) {
		if (!(m->xcr0_mask >> i & 1))
			continue;
		host_cpuid(0xd, i, r);
		m->xsave_size_max = (uint32_t)max_u64(m->xsave_size_max, r[A] + r[B]);
		leaf_add(0xd, i, (uint32_t[4]){ r[A], r[B], r[C] & 2, 0 });
	}
	leaf_add(0xd, 0, (uint32_t[4]){ (uint32_t)m->xcr0_mask, 0, m->xsave_size_max, 0 });
	host_cpuid(0xd, 1, r);
	leaf_add(0xd, 1, (uint32_t[4]){ r[A] & 7 });	/* XSAVEOPT, XSAVEC, XGETBV(1) */
}

/*
 * TSC and LAPIC clocks as Intel states them: TSC = crystal * numerator / denominator, where
 * the crystal feeds the LAPIC timer (1 GHz here).  Linux computes crystal_khz * numerator in 32
 * bits, so the numerator has to stay below 4295: the best fraction with such a one.
 */
static void leaves_frequency(void)
{
	uint64_t khz = clock_tsc_khz(), n = khz, d = 1000000, p0 = 0, q0 = 1, p1 = 1, q1 = 0;

	if (cpuid_model.vendor == CPUID_AMD)
		return;
	while (d) {
		uint64_t whole = n / d, rest = n % d, p2 = whole * p1 + p0, q2 = whole * q1 + q0;

		if (p2 > 4294)
			break;
		p0 = p1;
		q0 = q1;
		p1 = p2;
		q1 = q2;
		n = d;
		d = rest;
	}
	leaf_add(0x15, ANY_SUBLEAF, (uint32_t[4]){ (uint32_t)q1, (uint32_t)p1, 1000000000u, 0 });
	leaf_add(0x16, ANY_SUBLEAF, (uint32_t[4]){ (uint32_t)(khz / 1000), (uint32_t)(khz / 1000),
						   100, 0 });
}

/* docs/abi.md: beside KVM's leaves, which stay where guests of today look first. */
static void leaves_ring3(void)
{
	const struct machine_config *config = &machine.config;
	uint64_t features = abi_features(abi_version() & 0xffff);
	uint32_t devices = 0;

	for (unsigned i = 0; i < config->disks; i++)
		devices += config->disk[i].device == DISK_PV;
	for (unsigned i = 0; i < config->nets; i++)
		devices += config->net[i].device == NET_DEVICE_PV;
	leaf_add(RING3_CPUID_BASE, ANY_SUBLEAF, (uint32_t[4]){
		RING3_CPUID_BASE + RING3_CPUID_LIMITS, RING3_CPUID_SIGNATURE_EBX,
		RING3_CPUID_SIGNATURE_ECX, RING3_CPUID_SIGNATURE_EDX });
	leaf_add(RING3_CPUID_BASE + RING3_CPUID_VERSION, ANY_SUBLEAF, (uint32_t[4]){
		abi_version(), RING3_ABI_OLDEST, RING3_ENTRY_VMCALL | RING3_ENTRY_VMMCALL });
	leaf_add(RING3_CPUID_BASE + RING3_CPUID_FEATURES, ANY_SUBLEAF, (uint32_t[4]){
		(uint32_t)features, (uint32_t)(features >> 32), (uint32_t)abi_hints(),
		(uint32_t)(abi_hints() >> 32) });
	leaf_add(RING3_CPUID_BASE + RING3_CPUID_LIMITS, ANY_SUBLEAF, (uint32_t[4]){ 0, 0, devices, 1 });
}

static void leaves_hypervisor(void)
{
	if (machine.config.pv == MACHINE_PV_NONE)
		return;
	max_hypervisor = KVM_LEAF + 1;
	leaf_add(KVM_LEAF, ANY_SUBLEAF, (uint32_t[4]){ max_hypervisor, 0x4b4d564b, 0x564b4d56, 0x4d });
	leaf_add(KVM_LEAF + 1, ANY_SUBLEAF, (uint32_t[4]){
		KVM_FEATURE_CLOCKSOURCE | KVM_FEATURE_NOP_IO_DELAY | KVM_FEATURE_CLOCKSOURCE2 |
		KVM_FEATURE_CLOCKSOURCE_STABLE });
	if (machine.config.pv == MACHINE_PV_RING3)
		leaves_ring3();
}

/* What the engine itself cannot do without. */
static const char *host_lacks(void)
{
	uint32_t r[4];

	host_cpuid(1, 0, r);
	if (!(r[C] & BIT(27)))
		return "XSAVE";
	if (!(r[C] & BIT(13)))
		return "CMPXCHG16B";
	host_cpuid(7, 0, r);
	if (!(r[B] & BIT(0)) || !(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE))
		return "FSGSBASE (an Ivy Bridge or newer CPU, and Linux 5.9 or newer)";
	host_cpuid(0x80000001, 0, r);
	if (!(r[D] & BIT(20)))
		return "NX";
	if (!(r[C] & BIT(0)))
		return "LAHF in 64-bit mode";
	return NULL;
}

int cpuid_init(const char **missing)
{
	struct cpuid_model *m = &cpuid_model;
	const char *lacks = host_lacks();

	if (lacks) {
		*missing = lacks;
		return -ENODEV;
	}
	leaf_count = 0;
	max_hypervisor = 0;
	*m = (struct cpuid_model){ .mtrr = true, .pat = true, .tsc_deadline = true,
				   .tsc_adjust = true, .x2apic = true, .mce = true };
	m->xcr0_mask = host_xcr0() & XCR0_KNOWN;
	if ((m->xcr0_mask & XCR0_AVX512) != XCR0_AVX512)
		m->xcr0_mask &= 7;
	m->cr4_mask = CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE |
		      CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_UMIP | CR4_FSGSBASE | CR4_PCIDE |
		      CR4_OSXSAVE | CR4_SMEP | CR4_SMAP;
	leaves_identity();
	leaves_features();
	leaves_topology();
	leaves_xsave();
	leaves_frequency();
	leaves_hypervisor();
	m->efer_mask = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
	if (m->vendor == CPUID_AMD) {
		m->efer_mask |= EFER_AUTOIBRS;
	} else {
		m->arch_capabilities = ARCH_CAPABILITIES;
		m->spec_ctrl_mask = SPEC_CTRL_IBRS;
	}
	bug_on(m->xsave_size_max > VCPU_XSAVE_SIZE);
	return 0;
}

void cpuid_read(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	memset(out, 0, 4 * sizeof(out[0]));
	/* Beyond the end Intel answers with the highest basic leaf, AMD with zeros. */
	if (cpuid_model.vendor == CPUID_INTEL && leaf > max_basic &&
	    (leaf < KVM_LEAF || leaf > max_extended))
		leaf = max_basic;
	for (unsigned i = 0; i < leaf_count; i++) {
		const struct cpuid_leaf *entry = &leaves[i];

		if (entry->leaf == leaf &&
		    (entry->subleaf == subleaf || entry->subleaf == ANY_SUBLEAF)) {
			memcpy(out, entry->regs, sizeof(entry->regs));
			return;
		}
	}
	if (leaf == 0xb)	/* levels that do not exist: only the request comes back */
		out[C] = subleaf & 0xff;
}

uint32_t cpuid_xsave_size(uint64_t xcr0)
{
	uint32_t size = 576, r[4];

	for (uint32_t i = 2; i < 8; i++) {
		if (!(xcr0 >> i & 1))
			continue;
		cpuid_read(0xd, i, r);
		size = (uint32_t)max_u64(size, r[A] + r[B]);
	}
	return size;
}

uint32_t cpuid_xsavec_size(uint64_t xcr0)
{
	uint32_t size = 576, r[4];

	for (uint32_t i = 2; i < 8; i++) {
		if (!(xcr0 >> i & 1))
			continue;
		cpuid_read(0xd, i, r);
		if (r[C] & 2)
			size = (uint32_t)align_up(size, 64);
		size += r[A];
	}
	return size;
}
