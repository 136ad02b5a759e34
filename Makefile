# SPDX-License-Identifier: MIT
# ring3: a hypervisor that lives entirely in ring 3.  `make help` lists what can be made.
#
#   BUILD=DIR  where everything goes (build)     V=1  show commands
#   CC=...     gcc or clang                      SANITIZE=address,undefined

BUILD		?= build
ifeq ($(origin CC),default)
CC		:= gcc
endif
PREFIX		?= /usr/local
Q		:= $(if $(V),,@)
PARALLEL	= $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
say		= $(if $(V),,@echo "  $(1)	$(2)")
WARNINGS	:= -Wall -Wextra -Werror -Wshadow -Wundef -Wvla -Wstrict-prototypes \
		   -Wmissing-prototypes
ifneq ($(findstring clang,$(CC)),)
WARNINGS	+= -Wconditional-uninitialized -Wno-missing-field-initializers
endif
SANITIZE_FLAGS	:= $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all)
CFLAGS		?= -O2 -g
CPPFLAGS	:= -D_GNU_SOURCE -DZYDIS_STATIC_BUILD -DZYCORE_STATIC_BUILD \
		   -Ihypervisor -I. -Iabi -I$(BUILD)/gen -I$(BUILD)/source/zydis/include
# The guest owns the SIMD registers while the engine runs (docs/architecture.md).
ENGINE_CFLAGS	:= -std=gnu11 $(WARNINGS) -mgeneral-regs-only -mfsgsbase -mno-red-zone -fno-stack-protector \
		   -fno-pie -fcf-protection=none -fno-strict-aliasing -fno-common -fno-omit-frame-pointer \
		   -ffunction-sections $(SANITIZE_FLAGS)
LIBS		:= -l:liburing.a
LDFLAGS_RING3	:= -static -no-pie -Wl,-Ttext-segment=0x10000000 -Wl,-z,noexecstack

ZYDIS_VERSION	:= 4.0.0-1
ZYDIS_DIR	:= $(BUILD)/source/zydis
ZYDIS_SOURCES	:= Decoder DecoderData MetaInfo Mnemonic Register Segment SharedData String Utils \
		   Zydis Formatter FormatterBase FormatterBuffer FormatterIntel FormatterATT Disassembler
ZYDIS_OBJECTS	:= $(ZYDIS_SOURCES:%=$(BUILD)/zydis/%.o)

MAIN		:= hypervisor/cli/main.c
# Compiled to text only: build/gen/asm_offsets.h is made of it.
ASM_OFFSETS	:= hypervisor/machine/asm_offsets.c
SOURCES		:= $(filter-out $(MAIN) $(ASM_OFFSETS),$(wildcard hypervisor/*/*.c hostio/*.c))
ASSEMBLY	:= $(wildcard hypervisor/*/*.S)
OBJECTS		:= $(SOURCES:%.c=$(BUILD)/obj/%.o) $(ASSEMBLY:%.S=$(BUILD)/obj/%.o)
LIB		:= $(BUILD)/libring3.a

.PHONY: all help run run-debian pv-guest install man bench bench-io check unit fuzz clean
all: $(BUILD)/ring3 $(BUILD)/ring3-bench

help:
	@echo 'make            build $(BUILD)/ring3, one static executable'
	@echo 'make run        install what is needed, build, boot a stock Debian kernel to a shell'
	@echo '                (MEMORY=512M KERNEL=cloud|generic|rt|6.12-cloud|6.12-generic|6.12-rt)'
	@echo 'make run-debian the same with a Debian system on a disk, and a network'
	@echo 'make pv-guest   build the paravirtual Linux into $(BUILD)/pv-guest (about ten minutes, once)'
	@echo 'make check      everything that proves it; SUITES="unit guest ..." for a part'
	@echo 'make bench      compare native, ring3, PV, QEMU TCG: table and report; BENCH="options of ring3 bench"'
	@echo 'make bench-io   the same for disks and networks'
	@echo 'make unit       the unit tests alone'
	@echo 'make fuzz       each fuzzer for FUZZ_SECONDS=15'
	@echo 'make man        show the manual page'
	@echo 'make install    to $$(DESTDIR)$$(PREFIX), /usr/local'
	@echo 'make clean      remove what was built, keep what was fetched'

# What an object depends on, in a file that holds whether BUILD is given relative or absolute.
DEPENDENCIES	= -MMD -MP -MT '$$(BUILD)/$(@:$(BUILD)/%=%)'

$(BUILD)/ring3: $(BUILD)/obj/hypervisor/cli/main.o $(LIB)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_RING3) -o $@ $^ $(LIBS)

# User-mode networking where there is no recent passt: a program of its own, if libslirp is there.
SLIRP_SOURCES	:= hostio/slirp/main.c hostio/background.c hostio/confine.c
HAVE_SLIRP	:= $(shell echo '\#include <slirp/libslirp.h>' | $(CC) -E - >/dev/null 2>&1 && echo yes)
ifneq ($(HAVE_SLIRP),)
all: $(BUILD)/ring3-slirp
endif
$(BUILD)/ring3-slirp: $(SLIRP_SOURCES) hostio/background.h hostio/confine.h
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CFLAGS) -std=gnu11 $(WARNINGS) -fPIE -pie -fstack-protector-strong -Wl,-z,relro,-z,now \
		$(CPPFLAGS) -o $@ $(SLIRP_SOURCES) -lslirp

# What `ring3 bench` starts: where the sources are, by a link; it is a program of theirs.
$(BUILD)/ring3-bench:
	@mkdir -p $(@D)
	$(Q)ln -sf $(CURDIR)/tests/bench/ring3-bench $@

$(LIB): $(OBJECTS) $(ZYDIS_OBJECTS)
	$(call say,AR,$@)
	$(Q)rm -f $@
	$(Q)ar rcs $@ $^

# (Not intermediate files, which make would remove.)
.PRECIOUS: $(ZYDIS_DIR)/src/%.c
$(ZYDIS_DIR)/src/%.c: $(ZYDIS_DIR)/.fetched ;
$(ZYDIS_DIR)/.fetched:
	$(call say,FETCH,zydis $(ZYDIS_VERSION))
	$(Q).ci/fetch-source zydis $(ZYDIS_VERSION) $(BUILD)/source
	$(Q)touch $@

$(BUILD)/zydis/%.o: $(ZYDIS_DIR)/src/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -O2 -mgeneral-regs-only -fno-stack-protector -fno-pie -ffunction-sections \
		-fcf-protection=none $(CPPFLAGS) -I$(ZYDIS_DIR)/src -c -o $@ $<

$(BUILD)/obj/%.o: %.c | $(ZYDIS_DIR)/.fetched
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) $(ENGINE_CFLAGS) $(CPPFLAGS) $(DEPENDENCIES) -c -o $@ $<

$(BUILD)/gen/asm_offsets.h: $(ASM_OFFSETS) hypervisor/machine/vcpu.h hypervisor/base/layout.h
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(ENGINE_CFLAGS) $(CPPFLAGS) -fno-sanitize=all -S -o - $< | \
		sed -n 's/^.*->\([A-Z_]*\) \$$*\([0-9-]*\).*$$/#define \1 \2/p' >$@

# The hypercall ABI: abi/ring3.abi is the source of all.
ABI_SOURCES	:= abi/ring3.abi abi/generate abi/generate.awk abi/matrix.awk abi/decoder.awk
ABI_HEADERS	:= $(BUILD)/gen/abi/ring3_abi.h $(BUILD)/gen/abi/hypercall_table.h \
		   $(BUILD)/gen/abi/hypercall_decode.h
$(BUILD)/gen/abi/ring3_abi.h: $(ABI_SOURCES)
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)abi/generate header >$@.new && mv $@.new $@
$(BUILD)/gen/abi/hypercall_table.h: $(ABI_SOURCES)
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)abi/generate table >$@.new && mv $@.new $@
$(BUILD)/gen/abi/hypercall_decode.h: $(ABI_SOURCES)
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)abi/generate decoder >$@.new && mv $@.new $@
$(OBJECTS) $(BUILD)/obj/$(MAIN:.c=.o): | $(ABI_HEADERS)
$(BUILD)/gen/abi/abi_grammar.h: $(ABI_SOURCES)
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)abi/generate grammar >$@.new && mv $@.new $@
docs/abi-reference.md: $(ABI_SOURCES)
	$(Q)abi/generate reference >$@.new && mv $@.new $@

$(ASSEMBLY:%.S=$(BUILD)/obj/%.o): $(BUILD)/gen/asm_offsets.h

$(BUILD)/obj/%.o: %.S
	@mkdir -p $(@D)
	$(call say,AS,$<)
	$(Q)$(CC) -g $(CPPFLAGS) $(DEPENDENCIES) -c -o $@ $<

# Unit tests: tests/unit/test_*.c, each a program on libcheck and libring3.a.
UNIT_TESTS	:= $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
$(BUILD)/unit/%: tests/unit/%.c $(LIB)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -g -O1 -std=gnu11 -Wall -Wextra -no-pie -fno-pie $(SANITIZE_FLAGS) $(CPPFLAGS) -Itests/unit \
		$(DEPENDENCIES) -o $@ $< $(LIB) $(LIBS) $$(pkg-config --libs check)

unit: $(UNIT_TESTS)
	$(Q)tests/unit/run $(BUILD)/unit

# The differential test of instructions: tests/diff/run.
DIFF_SOURCES	:= $(wildcard tests/diff/*.c)
$(BUILD)/diff: $(DIFF_SOURCES) tests/diff/diff.h $(LIB)
	$(call say,CC,$@)
	$(Q)$(CC) -g -O1 -std=gnu11 -Wall -Wextra -no-pie -fno-pie $(CPPFLAGS) -Itests/diff \
		-o $@ $(DIFF_SOURCES) $(LIB) $(LIBS)

# Fuzzers: tests/fuzz/fuzz_*.c with libFuzzer, built by a make of its own that instruments the
# library too (tests/fuzz/run).  Some take heap_ram.c in memory/ram.c's place, and
# the address sanitizer for the code they are about: its shadow lies where guest RAM is otherwise.
FUZZERS		:= $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS	?= 15
# (libFuzzer intercepts memcmp and the like, which base/memory_ops.c defines too: the first wins.)
FUZZ_FLAGS	:= -g -O1 -std=gnu11 -Wall -Wextra -no-pie -fno-pie -Itests -Wl,-z,muldefs
FUZZ_ADDRESS	:= $(BUILD)/fuzz/fuzz_boot $(BUILD)/fuzz/fuzz_gdb
$(BUILD)/fuzz/fuzz_boot: $(wildcard hypervisor/boot/*.c)
$(BUILD)/fuzz/fuzz_gdb: $(wildcard hypervisor/debug/gdb*.c)
$(FUZZ_ADDRESS): $(BUILD)/fuzz/%: tests/fuzz/%.c tests/fuzz/heap_ram.c $(LIB)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(FUZZ_FLAGS) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
		$(CPPFLAGS) -o $@ $(filter %.c,$^) $(LIB) $(LIBS)

$(BUILD)/fuzz/fuzz_hypercall: | $(BUILD)/gen/abi/abi_grammar.h
$(BUILD)/fuzz/fuzz_emulate: tests/fuzz/fuzz_emulate.c tests/fuzz/native_signal.c $(LIB)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(FUZZ_FLAGS) -Itests/fuzz -fsanitize=fuzzer,undefined -fno-sanitize-recover=undefined \
		$(CPPFLAGS) -o $@ $(filter %.c,$^) $(LIB) $(LIBS)

$(BUILD)/fuzz/%: tests/fuzz/%.c $(LIB)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(FUZZ_FLAGS) -fsanitize=fuzzer,undefined -fno-sanitize-recover=undefined \
		$(CPPFLAGS) $(DEPENDENCIES) -o $@ $< $(LIB) $(LIBS)

.PHONY: fuzzers
fuzzers: $(FUZZERS)

fuzz:
	$(Q)tests/fuzz/run $(FUZZ_SECONDS)

# Boot a stock kernel in this terminal, from nothing.
KERNEL		?= cloud
MEMORY		?= 512M
APPEND		?= console=ttyS0 quiet panic=-1
run:
	$(Q).ci/install-packages run
	$(Q)$(MAKE) --no-print-directory $(PARALLEL) all
	$(Q)kernel=$$(tests/boot/fetch-kernel $(KERNEL)) && \
		tests/boot/make-initramfs $(BUILD)/initramfs.cpio && \
		exec $(BUILD)/ring3 run --kernel "$$kernel" --initrd $(BUILD)/initramfs.cpio \
			--append "$(APPEND)" --memory $(MEMORY) --no-reboot

# A Debian system on a disk of its own, kept from one run to the next, with a network.
run-debian:
	$(Q).ci/install-packages check
	$(Q)$(MAKE) --no-print-directory $(PARALLEL) all
	$(Q)tests/boot/make-debian $(BUILD)/debian/debian.img
	$(Q)[ -e $(BUILD)/debian/run.img ] || \
		cp --sparse=always $(BUILD)/debian/debian.img $(BUILD)/debian/run.img
	$(Q)exec $(BUILD)/ring3 run --kernel $(BUILD)/debian/debian.vmlinuz \
		--initrd $(BUILD)/debian/debian.initrd --append "root=LABEL=root console=ttyS0 quiet" \
		--memory $(MEMORY) --disk $(BUILD)/debian/run.img --net user --rng

# The paravirtual Linux; nothing is done if it is up to date.
pv-guest:
	$(Q).ci/install-packages check
	$(Q)pv-guest/linux/build $(BUILD)/pv-guest

check:
	$(Q).ci/install-packages check
	$(Q)$(MAKE) --no-print-directory $(PARALLEL) all
	$(Q)tests/run $(SUITES)

# With the PV kernel where it can be built: the same kernel in all rows, and PV rows.
BENCH_KERNEL	= $(MAKE) --no-print-directory pv-guest || echo 'bench: no PV kernel, so no PV rows' >&2
bench: all
	$(Q).ci/install-packages check
	$(Q)$(BENCH_KERNEL)
	$(Q)$(BUILD)/ring3 bench boot cpu io --out $(BUILD)/bench $(BENCH)

bench-io: all
	$(Q).ci/install-packages check
	$(Q)$(BENCH_KERNEL)
	$(Q)$(BUILD)/ring3 bench io --out $(BUILD)/bench-io $(BENCH)

man:
	man -l docs/ring3.1

install: all
	install -D -m 755 $(BUILD)/ring3 $(DESTDIR)$(PREFIX)/bin/ring3
	$(if $(HAVE_SLIRP),install -D -m 755 $(BUILD)/ring3-slirp $(DESTDIR)$(PREFIX)/libexec/ring3/ring3-slirp)
	install -D -m 644 docs/ring3.1 $(DESTDIR)$(PREFIX)/share/man/man1/ring3.1
	tests/bench/install $(BUILD)/ring3 $(BUILD) $(DESTDIR)$(PREFIX)/libexec/ring3

clean:
	rm -rf $(BUILD)/obj $(BUILD)/unit $(BUILD)/fuzz $(BUILD)/zydis $(BUILD)/ring3 $(BUILD)/ring3-slirp $(LIB)

-include $(shell find $(BUILD)/obj $(BUILD)/unit $(BUILD)/fuzz -name '*.d' 2>/dev/null)
