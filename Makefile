# SPDX-License-Identifier: MIT
# ring3: a hypervisor that lives entirely in ring 3.  `make help` lists what can be made.

CC		?= gcc
BUILD		?= build
WARNINGS	:= -Wall -Wextra -Werror -Wshadow -Wundef -Wvla -Wstrict-prototypes \
		   -Wmissing-prototypes
CFLAGS		?= -O2 -g
CPPFLAGS	:= -D_GNU_SOURCE -DZYDIS_STATIC_BUILD -DZYCORE_STATIC_BUILD \
		   -Ihypervisor -I. -Iabi -I$(BUILD)/gen -I$(BUILD)/source/zydis/include
# The guest owns the SIMD registers while the engine runs (docs/architecture.md).
ENGINE_CFLAGS	:= -std=gnu11 $(WARNINGS) -mgeneral-regs-only -mfsgsbase -mno-red-zone -fno-stack-protector \
		   -fno-pie -fcf-protection=none -fno-strict-aliasing -fno-common -fno-omit-frame-pointer \
		   -ffunction-sections
LDFLAGS_RING3	:= -static -no-pie -Wl,-Ttext-segment=0x10000000 -Wl,-z,noexecstack

ZYDIS_VERSION	:= 4.0.0-1
ZYDIS_DIR	:= $(BUILD)/source/zydis
ZYDIS_SOURCES	:= Decoder DecoderData MetaInfo Mnemonic Register Segment SharedData String Utils \
		   Zydis Formatter FormatterBase FormatterBuffer FormatterIntel FormatterATT Disassembler
ZYDIS_OBJECTS	:= $(ZYDIS_SOURCES:%=$(BUILD)/zydis/%.o)

MAIN		:= hypervisor/cli/main.c
SOURCES		:= $(filter-out $(MAIN),$(wildcard hypervisor/*/*.c hostio/*.c))
ASSEMBLY	:= $(wildcard hypervisor/*/*.S)
OBJECTS		:= $(SOURCES:%.c=$(BUILD)/obj/%.o) $(ASSEMBLY:%.S=$(BUILD)/obj/%.o)
LIB		:= $(BUILD)/libring3.a

.PHONY: all clean
all: $(BUILD)/ring3

$(BUILD)/ring3: $(BUILD)/obj/hypervisor/cli/main.o $(LIB)
	$(CC) $(LDFLAGS_RING3) -o $@ $^

$(LIB): $(OBJECTS) $(ZYDIS_OBJECTS)
	rm -f $@
	ar rcs $@ $^

$(ZYDIS_DIR)/src/%.c: $(ZYDIS_DIR)/.fetched ;
$(ZYDIS_DIR)/.fetched:
	.ci/fetch-source zydis $(ZYDIS_VERSION) $(BUILD)/source
	touch $@

$(BUILD)/zydis/%.o: $(ZYDIS_DIR)/src/%.c
	@mkdir -p $(@D)
	$(CC) -O2 -mgeneral-regs-only -fno-stack-protector -fno-pie -ffunction-sections \
		-fcf-protection=none $(CPPFLAGS) -I$(ZYDIS_DIR)/src -c -o $@ $<

$(BUILD)/obj/%.o: %.c | $(ZYDIS_DIR)/.fetched
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(ENGINE_CFLAGS) $(CPPFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.o: %.S
	@mkdir -p $(@D)
	$(CC) -g $(CPPFLAGS) -MMD -MP -c -o $@ $<

# Unit tests: tests/unit/test_*.c, each a program on libcheck and libring3.a.
UNIT_TESTS	:= $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
$(BUILD)/unit/%: tests/unit/%.c $(LIB)
	@mkdir -p $(@D)
	$(CC) -g -O1 -std=gnu11 -Wall -Wextra -no-pie -fno-pie $(CPPFLAGS) -MMD -MP -o $@ $< $(LIB) \
		$$(pkg-config --libs check)

.PHONY: unit
unit: $(UNIT_TESTS)
	set -e; for t in $(UNIT_TESTS); do $$t; done

clean:
	rm -rf $(BUILD)/obj $(BUILD)/unit $(BUILD)/zydis $(BUILD)/ring3 $(LIB)

-include $(shell find $(BUILD)/obj $(BUILD)/unit -name '*.d' 2>/dev/null)
