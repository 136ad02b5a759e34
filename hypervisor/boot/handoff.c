// SPDX-License-Identifier: MIT
/*
 * Modules and the place for boot tables.
 *
 * Tables go below 640 KiB, where GRUB has them too; a kernel linked that low
 * gets them in the last pages of low RAM.  Modules start on the page behind
 * the kernel, in order.
 */
#include "boot/handoff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "boot/e820.h"
#include "memory/ram.h"

#define PLACE_START	0x9000ul
#define PLACE_SIZE	0x80000ul

static int handoff_add_module(struct handoff *h, const char *path, const char *what,
			      const char *command_line)
{
	struct handoff_module *m = &h->modules[h->module_count];
	uint64_t at = max_u64(align_up(h->modules_end, PAGE_SIZE), E820_FIRMWARE_END);
	struct image image;
	uint64_t limit = min_u64(ram_low_size(), h->end > ram_low_size() - PLACE_SIZE ?
						 ram_low_size() - PLACE_SIZE : ram_low_size());
	int r;

	if (h->module_count == HANDOFF_MODULES_MAX) {
		log_error("more than %u modules; give fewer --module", HANDOFF_MODULES_MAX);
		return -E2BIG;
	}
	r = image_open(&image, path, what);
	if (r)
		return r;
	if (at > limit || image.size > limit - at) {
		log_error("the %s \"%s\" (%lu MiB) does not fit into the guest's memory; give more --memory",
			  what, path, align_up(image.size, MIB) / MIB);
		r = -ENOMEM;
	} else {
		ram_write(GPA(at), image.data, image.size);
		m->start = at;
		m->end = h->modules_end = at + image.size;
		m->command_line = handoff_string(h, command_line);
		r = m->command_line ? 0 : -ENOMEM;
		h->module_count++;
	}
	image_close(&image);
	return r;
}

int handoff_init(struct handoff *h, const struct machine_config *config, uint64_t kernel_start,
		 uint64_t kernel_end)
{
	uint64_t low_end = ram_low_size();
	int r = 0;

	*h = (struct handoff){ .next = PLACE_START, .end = PLACE_START + PLACE_SIZE,
			       .modules_end = kernel_end };
	if (kernel_start < h->end) {
		if (low_end < E820_FIRMWARE_END + PLACE_SIZE || kernel_end > low_end - PLACE_SIZE) {
			log_error("the kernel leaves no memory for its boot tables; give more --memory");
			return -ENOMEM;
		}
		h->next = align_down(low_end - PLACE_SIZE, PAGE_SIZE);
		h->end = low_end;
	}
	if (config->initrd)
		r = handoff_add_module(h, config->initrd, "initrd", config->initrd);
	for (char **p = config->modules; !r && p && *p; p++) {
		char *path = strndup(*p, strcspn(*p, " "));

		r = path ? handoff_add_module(h, path, "module", *p) : -ENOMEM;
		free(path);
	}
	return r;
}

uint64_t handoff_put(struct handoff *h, const void *bytes, size_t size)
{
	uint64_t at = align_up(h->next, 16);

	if (at > h->end || size > h->end - at || !ram_write(GPA(at), bytes, size)) {
		log_error("the command lines do not fit into %lu KiB; shorten them", PLACE_SIZE / KIB);
		return 0;
	}
	h->next = at + size;
	return at;
}

uint64_t handoff_string(struct handoff *h, const char *string)
{
	return handoff_put(h, string, strlen(string) + 1);
}
