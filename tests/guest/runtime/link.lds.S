/* SPDX-License-Identifier: MIT */
/* .boot at its physical address, everything else at GUEST_BASE + physical. */
OUTPUT_FORMAT("elf64-x86-64")
OUTPUT_ARCH(i386:x86-64)
ENTRY(start32)

PHDRS
{
	boot PT_LOAD FLAGS(7);
	image PT_LOAD FLAGS(7);
	note PT_NOTE FLAGS(4);
}

SECTIONS
{
	. = 0x100000;
	.boot : AT(ADDR(.boot)) { KEEP(*(.boot)) } :boot
	.note.Xen : AT(ADDR(.note.Xen)) { KEEP(*(.note.Xen)) } :boot :note
	. = ALIGN(4096);
	. += GUEST_BASE;
	.text : AT(ADDR(.text) - GUEST_BASE) { *(.text .text.*) } :image
	.rodata : AT(ADDR(.rodata) - GUEST_BASE) { *(.rodata .rodata.*) } :image
	.ex_table : AT(ADDR(.ex_table) - GUEST_BASE) {
		ex_table_start = .;
		KEEP(*(.ex_table))
		ex_table_end = .;
	} :image
	. = ALIGN(4096);
	.user : AT(ADDR(.user) - GUEST_BASE) {
		user_image_start = .;
		*(.user .user.*)
		. = ALIGN(4096);
		*(.user32)
		. = ALIGN(4096);
		user_image_end = .;
	} :image
	.data : AT(ADDR(.data) - GUEST_BASE) { *(.data .data.*) } :image
	.bss : AT(ADDR(.bss) - GUEST_BASE) { *(.bss .bss.* COMMON) } :image
	. = ALIGN(4096);
	image_end = .;
	/DISCARD/ : { *(.comment .note.GNU-stack .note.gnu.* .eh_frame) }
}
