// SPDX-License-Identifier: MIT
/*
 * Fuzzes the loaders of bzImage, multiboot and PVH images.  Property: whatever
 * the file holds, it is loaded or refused, no byte outside the file is read and
 * none outside guest RAM written; what was accepted has its entry below 4 GiB.
 *
 * Input: the first byte chooses the bytes as they are, or a correct image of
 * some format, damaged by the rest: pairs of a 16-bit offset and a byte, so that
 * the fuzzer need not invent formats.
 */
#include <stdlib.h>
#include <string.h>

#include "boot/bzimage.h"
#include "boot/elf.h"
#include "boot/multiboot.h"
#include "boot/pvh.h"
#include "memory/ram.h"
#include "unit/boot_images.h"

#define GUEST_RAM	(4 * MIB)
#define TEMPLATE_MAX	8192u
#define INPUT_MAX	16384u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vcpu vcpu;

static void load(const struct image *image)
{
	struct image initrd = *image;
	struct machine_config config = { .kernel = "kernel", .append = "a b", .memory = GUEST_RAM };
	struct elf elf;
	int r = -1;

	if (bzimage_recognize(image))
		r = bzimage_load(&vcpu, image, image->data[0] & 1 ? &initrd : NULL, "console=ttyS0",
				 GPA(0xe0000));
	if (r)
		r = multiboot_load(&vcpu, image, &config);
	if (r && elf_recognize(image) && !elf_parse(image, &elf))
		r = pvh_load(&vcpu, &elf, &config, GPA(0xe0000));
	if (!r && vcpu.rip >= RAM_HIGH_BASE)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	struct image image = { .path = "fuzz" };
	size_t length = 0, at;
	uint8_t *bytes;

	if (!ready && ram_init(GUEST_RAM))
		abort();
	ready = true;
	if (size < 2 || size > INPUT_MAX)
		return 0;
	/* exactly as large as the file, so that a byte too far is seen */
	bytes = malloc(TEMPLATE_MAX + INPUT_MAX);
	switch (*data++ % 5) {
	case 1:
		bzimage_make(bytes);
		length = BZIMAGE_SIZE;
		break;
	case 2:
	case 3:
		elf64_make(bytes, data[-1] % 5 == 3);
		length = ELF_IMAGE_SIZE;
		break;
	case 4:
		raw_make(bytes);
		length = RAW_IMAGE_SIZE;
		break;
	}
	size--;
	if (length) {
		for (; size >= 3; data += 3, size -= 3) {
			at = data[0] | data[1] << 8;
			if (at < length)
				bytes[at] = data[2];
			else
				length -= at % 16 < length ? at % 16 : 0;
		}
	} else {
		memcpy(bytes, data, size);
		length = size;
	}
	bytes = realloc(bytes, length);
	if (length) {
		image.data = bytes;
		image.size = length;
		load(&image);
	}
	free(bytes);
	return 0;
}
