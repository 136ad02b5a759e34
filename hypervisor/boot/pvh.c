// SPDX-License-Identifier: MIT
/*
 * The PVH loader.
 */
#include "boot/pvh.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "boot/e820.h"
#include "boot/entry.h"
#include "boot/handoff.h"
#include "memory/ram.h"

#define XEN_ELFNOTE_PHYS32_ENTRY	18u
#define HVM_START_MAGIC			0x336ec578u
#define HVM_START_VERSION		1u

struct hvm_start_info {
	uint32_t magic, version;
	uint32_t flags, nr_modules;
	uint64_t modlist_paddr, cmdline_paddr, rsdp_paddr;
	uint64_t memmap_paddr;
	uint32_t memmap_entries, reserved;
};

struct hvm_modlist_entry {
	uint64_t paddr, size, cmdline_paddr, reserved;
};

struct hvm_memmap_entry {
	uint64_t addr, size;
	uint32_t type, reserved;	/* type: as in E820 */
};

bool pvh_find_entry(const struct elf *elf, uint32_t *entry)
{
	const uint8_t *contents;
	uint64_t value = 0;
	size_t size;

	contents = elf_note(elf, "Xen", XEN_ELFNOTE_PHYS32_ENTRY, &size);
	/* Four bytes by the letter; kernels built as ELF64 have eight. */
	if (!contents || (size != sizeof(uint32_t) && size != sizeof(uint64_t)))
		return false;
	memcpy(&value, contents, size);
	*entry = (uint32_t)value;
	return value <= UINT32_MAX;
}

static uint64_t pvh_put_memmap(struct handoff *h, uint32_t *entries)
{
	struct hvm_memmap_entry memmap[E820_MAX];
	struct e820_entry map[E820_MAX];

	*entries = e820_build(map);
	for (unsigned i = 0; i < *entries; i++)
		memmap[i] = (struct hvm_memmap_entry){ .addr = map[i].addr, .size = map[i].size,
						       .type = map[i].type };
	return handoff_put(h, memmap, *entries * sizeof(memmap[0]));
}

static uint64_t pvh_put_modlist(struct handoff *h)
{
	struct hvm_modlist_entry list[HANDOFF_MODULES_MAX] = { 0 };

	for (unsigned i = 0; i < h->module_count; i++)
		list[i] = (struct hvm_modlist_entry){
			.paddr = h->modules[i].start,
			.size = h->modules[i].end - h->modules[i].start,
			.cmdline_paddr = h->modules[i].command_line,
		};
	return handoff_put(h, list, max_u64(h->module_count, 1) * sizeof(list[0]));
}

int pvh_load(struct vcpu *vcpu, const struct elf *elf, const struct machine_config *config,
	     gpa_t rsdp)
{
	static struct handoff h;	/* start-up only, one thread */
	uint64_t start, end, at, gdt;
	struct hvm_start_info info = {
		.magic = HVM_START_MAGIC, .version = HVM_START_VERSION, .rsdp_paddr = rsdp.v,
	};
	uint32_t entry;
	int r;

	if (!pvh_find_entry(elf, &entry))
		return -ENOEXEC;
	r = elf_load(elf, &start, &end);
	if (!r)
		r = handoff_init(&h, config, start, end);
	if (r)
		return r;
	if (h.module_count) {
		info.nr_modules = h.module_count;
		info.modlist_paddr = pvh_put_modlist(&h);
		if (!info.modlist_paddr)
			return -ENOMEM;
	}
	info.cmdline_paddr = handoff_string(&h, config->append ? config->append : "");
	info.memmap_paddr = pvh_put_memmap(&h, &info.memmap_entries);
	gdt = handoff_put(&h, (const uint8_t[ENTRY_GDT_SIZE]){ 0 }, ENTRY_GDT_SIZE);
	at = handoff_put(&h, &info, sizeof(info));
	if (!info.cmdline_paddr || !info.memmap_paddr || !gdt || !at)
		return -ENOMEM;
	entry_protected_mode(vcpu, GPA(gdt), entry, 0, (uint32_t)at);
	return 0;
}
