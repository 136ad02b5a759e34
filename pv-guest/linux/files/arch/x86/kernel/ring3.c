// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring3 hypervisor: found at boot, asked for what it offers, and used for the beginning
 * and the end of the machine's life and for waiting.
 *
 * ring3_features holds what both sides agreed on and never changes afterwards; everything
 * else looks there, so that an older ring3, or one that is told to hide something, is
 * met by the code that runs on any PC.  What needs another feature that is missing is not
 * asked for.
 *
 * Only the boot CPU shares a page with ring3 and gets events.  Others work as on a PC.
 */
#define pr_fmt(fmt) "ring3: " fmt

#include <linux/export.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/kexec.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/panic_notifier.h>
#include <linux/reboot.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/hypervisor.h>
#include <asm/irqflags.h>
#include <asm/paravirt.h>
#include <asm/processor.h>
#include <asm/reboot.h>
#include <asm/x86_init.h>

#include "ring3.h"

#define FEATURE(name)	BIT_ULL(RING3_FEATURE_##name)

u64 ring3_features __ro_after_init;
EXPORT_SYMBOL_GPL(ring3_features);
u64 ring3_hints __ro_after_init;

static bool guest __ro_after_init;
static bool disabled __initdata;
static struct machine_ops native_machine __ro_after_init;

static union {
	struct ring3_vcpu_page page;
	u8 bytes[PAGE_SIZE];
} shared __aligned(PAGE_SIZE);
static bool have_page __ro_after_init;

/* What is of no use without the others, in an order in which one look suffices. */
struct ring3_dependency {
	u64 feature, needs;
};

static const struct ring3_dependency dependencies[] __initconst = {
	{ FEATURE(EVENTS), FEATURE(VCPU_PAGE) },
	{ FEATURE(CLOCK), FEATURE(VCPU_PAGE) },
	{ FEATURE(TIMER), FEATURE(EVENTS) | FEATURE(CLOCK) },
	{ FEATURE(DEVICES), FEATURE(EVENTS) },
	{ FEATURE(QUEUES), FEATURE(DEVICES) },
};

struct ring3_feature_name {
	u64 feature;
	const char *name;
};

static const struct ring3_feature_name names[] __initconst = {
	{ FEATURE(EVENTS), " events" },
	{ FEATURE(TIMER), " timer" },
	{ FEATURE(CLOCK), " clock" },
	{ FEATURE(MMU), " mmu" },
	{ FEATURE(MULTICALL), " multicall" },
	{ FEATURE(CPU), " cpu" },
	{ FEATURE(CONSOLE), " console" },
	{ FEATURE(DEVICES), " devices" },
	{ FEATURE(TRACE), " trace" },
};

bool ring3_guest(void)
{
	return guest;
}
EXPORT_SYMBOL_GPL(ring3_guest);

struct ring3_vcpu_page *ring3_vcpu_page(void)
{
	return have_page ? &shared.page : NULL;
}

static int __init parse_noring3(char *argument)
{
	disabled = true;
	return 0;
}
early_param("noring3", parse_noring3);

/* The base of ring3's CPUID leaves, 0: it is not there, or speaks nothing that we do. */
static u32 __init ring3_cpuid_base(void)
{
	static const u32 signature[3] = {
		RING3_CPUID_SIGNATURE_EBX, RING3_CPUID_SIGNATURE_ECX, RING3_CPUID_SIGNATURE_EDX,
	};
	u32 base, version, oldest, entry, edx;

	if (disabled || !boot_cpu_has(X86_FEATURE_HYPERVISOR))
		return 0;
	base = hypervisor_cpuid_base((const char *)signature, RING3_CPUID_FEATURES);
	if (!base)
		return 0;
	cpuid(base + RING3_CPUID_VERSION, &version, &oldest, &entry, &edx);
	if (version >> 16 < RING3_ABI_MAJOR || oldest > RING3_ABI_MAJOR) {
		pr_warn("speaks versions %u to %u, this kernel %u\n", oldest, version >> 16,
			RING3_ABI_MAJOR);
		return 0;
	}
	/* Until the alternatives are patched, VMCALL it is. */
	if (!(entry & RING3_ENTRY_VMCALL))
		return 0;
	if (!(entry & RING3_ENTRY_VMMCALL))
		setup_clear_cpu_cap(X86_FEATURE_VMMCALL);
	return base;
}

bool __init ring3_present(void)
{
	return ring3_cpuid_base() != 0;
}

static u32 __init ring3_detect(void)
{
	/* Others' leaves (KVM's clock) may be there as well: go before them wherever they are. */
	return ring3_present() ? U32_MAX : 0;
}

/* `features` without those, and those without what they need. */
static u64 __init ring3_without(u64 features, u64 unusable)
{
	int i;

	features &= ~unusable;
	for (i = 0; i < ARRAY_SIZE(dependencies); i++)
		if ((features & dependencies[i].needs) != dependencies[i].needs)
			features &= ~dependencies[i].feature;
	return features;
}

void __init ring3_give_up(unsigned int feature, const char *call, long error)
{
	pr_warn("%s fails with %ld: going on without\n", call, error);
	ring3_features = ring3_without(ring3_features, BIT_ULL(feature));
}

/* Agree on a version and features. */
static bool __init ring3_negotiate(u32 base)
{
	u32 version, low, high, ecx, edx;
	char list[128] = "";
	u64 features;
	long result;
	int i;

	version = cpuid_eax(base + RING3_CPUID_VERSION);
	if (version >> 16 > RING3_ABI_MAJOR || (version & 0xffff) > RING3_ABI_MINOR)
		version = RING3_ABI_VERSION;
	cpuid(base + RING3_CPUID_FEATURES, &low, &high, &ecx, &edx);
	features = ring3_without((u64)high << 32 | low, ~RING3_FEATURES_ALL);
	result = ring3_call2(RING3_CALL_VERSION, version, features);
	if (result) {
		pr_warn("does not agree to version %u.%u, features %llx: %ld\n", version >> 16,
			version & 0xffff, features, result);
		return false;
	}
	ring3_features = features;
	ring3_hints = (u64)edx << 32 | ecx;
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (features & names[i].feature)
			strlcat(list, names[i].name, sizeof(list));
	pr_info("version %u.%u, features %llx:%s\n", version >> 16, version & 0xffff, features, list);
	return true;
}

static void __init ring3_share_page(void)
{
	long result;

	if (!ring3_has(RING3_FEATURE_VCPU_PAGE))
		return;
	shared.page.size = sizeof(shared.page);
	shared.page.interrupts = 1;
	result = ring3_call1(RING3_CALL_VCPU_PAGE, __pa_symbol(&shared));
	if (result) {
		ring3_give_up(RING3_FEATURE_VCPU_PAGE, "vcpu_page", result);
		return;
	}
	have_page = true;
}

/* Does not return, but if ring3 refuses. */
static void ring3_shutdown(u32 reason, const char *text)
{
	size_t length = 0;

	/* Text that is not in one piece of physical memory is not worth the trouble. */
	if (text && virt_addr_valid(text))
		length = strnlen(text, PAGE_SIZE - offset_in_page(text));
	if (ring3_call3(RING3_CALL_SHUTDOWN, reason, length ? __pa(text) : 0, length))
		return;
	for (;;)
		native_halt();
}

static void ring3_restart(char *command)
{
	ring3_shutdown(RING3_SHUTDOWN_REBOOT, NULL);
	native_machine.restart(command);
}

static void ring3_emergency_restart(void)
{
	ring3_shutdown(RING3_SHUTDOWN_REBOOT, NULL);
	native_machine.emergency_restart();
}

static void ring3_power_off(void)
{
	ring3_shutdown(RING3_SHUTDOWN_POWER_OFF, NULL);
	native_machine.power_off();
}

static void ring3_halt(void)
{
	ring3_shutdown(RING3_SHUTDOWN_HALT, NULL);
	native_machine.halt();
}

static int ring3_panic(struct notifier_block *nb, unsigned long event, void *text)
{
	if (!kexec_crash_loaded())
		ring3_shutdown(RING3_SHUTDOWN_PANIC, text);
	return NOTIFY_DONE;
}

static struct notifier_block panic_block = {
	.notifier_call = ring3_panic,
	.priority = INT_MIN,	/* the others are heard first */
};

static void __init ring3_machine_init(void)
{
	native_machine = machine_ops;
	machine_ops.restart = ring3_restart;
	machine_ops.emergency_restart = ring3_emergency_restart;
	machine_ops.power_off = ring3_power_off;
	machine_ops.halt = ring3_halt;
	atomic_notifier_chain_register(&panic_notifier_list, &panic_block);
	/* There is one, but only for the reset line. */
	x86_platform.legacy.i8042 = X86_LEGACY_I8042_PLATFORM_ABSENT;
	x86_platform.legacy.no_vga = 1;
}

/*
 * The call waits with interrupts off and returns when there is one to take, so nothing is
 * missed between the look for work and the wait.
 */
static noinstr void ring3_safe_halt(void)
{
	if (unlikely(ring3_call1(RING3_CALL_HALT, 0)))
		native_safe_halt();
	else
		native_irq_enable();
}

static void __init ring3_init_platform(void)
{
	u32 base = ring3_cpuid_base();

	if (!base || !ring3_negotiate(base))
		return;
	guest = true;
	pv_info.name = "ring3";
	pv_ops.cpu.io_delay = paravirt_nop;
	ring3_machine_init();
	ring3_share_page();
	if (ring3_has(RING3_FEATURE_CPU))
		pv_ops.irq.safe_halt = ring3_safe_halt;
	ring3_event_init();
	ring3_time_init();
	if (ring3_has(RING3_FEATURE_MMU))
		ring3_mmu_init();
}

static bool __init ring3_x2apic_available(void)
{
	return true;
}

const __initconst struct hypervisor_x86 x86_hyper_ring3 = {
	.name			= "ring3",
	.detect			= ring3_detect,
	.type			= X86_HYPER_RING3,
	.init.init_platform	= ring3_init_platform,
	.init.x2apic_available	= ring3_x2apic_available,
};
