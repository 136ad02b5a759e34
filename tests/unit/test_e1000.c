// SPDX-License-Identifier: MIT
/*
 * e1000: PCI, registers, EEPROM, PHY and interrupts (SDM 4, 5, 8, 13), as drivers and
 * their self-tests see them.
 */
#include "e1000_card.h"

static void setup(void)
{
	card_add();
}

START_TEST(test_on_the_bus)
{
	ck_assert_uint_eq(pci_config_read(card_pci, 8, 4) >> 8, 0x020000);
	ck_assert_uint_eq(pci_config_read(card_pci, 0x3d, 1), 1);
	pci_config_write(card_pci, 0x10, 4, ~0u);
	ck_assert_uint_eq(pci_config_read(card_pci, 0x10, 4), 0xfffe0000);
	pci_config_write(card_pci, 0x14, 4, ~0u);
	ck_assert_uint_eq(pci_config_read(card_pci, 0x14, 4) & 0xffff, 0xffc1);
}
END_TEST

START_TEST(test_values_after_reset)
{
	set(E1000_TDLEN, 4096);
	set(E1000_RAL, 0);
	set(E1000_MTA, 1);
	set(E1000_CTRL, CTRL_RST);
	ck_assert_uint_eq(get(E1000_TDLEN), 0);
	ck_assert_uint_eq(get(E1000_RAL), 0x12005452);
	ck_assert_uint_eq(get(E1000_RAL + 4), RAH_AV | 0x5634);
	ck_assert_uint_eq(get(E1000_MTA), 0);
	ck_assert_uint_eq(get(E1000_VET), 0x8100);
	ck_assert_uint_eq(get(E1000_PBA), 0x00100030);
	ck_assert_uint_eq(get(E1000_RCTL), 0);
	ck_assert_uint_eq(get(E1000_CTRL) & CTRL_RST, 0);
	ck_assert_uint_eq(get(E1000_CTRL_DUP), get(E1000_CTRL));
	ck_assert_uint_eq(fake_net.running, false);
}
END_TEST

/* The register test of ethtool -t: what is written of which bits must be read. */
START_TEST(test_register_bits)
{
	static const struct { unsigned reg; uint32_t mask, write; } rows[] = {
		{ E1000_FCAL, ~0u, ~0u }, { E1000_FCAH, 0xffff, ~0u }, { E1000_FCT, 0xffff, ~0u },
		{ E1000_VET, 0xffff, ~0u }, { E1000_RDTR, 0xffff, ~0u }, { E1000_RDBAH, ~0u, ~0u },
		{ E1000_RDLEN, 0xfff80, 0xfffff }, { E1000_RDH, 0xffff, 0xffff },
		{ E1000_RDT, 0xffff, 0xffff }, { E1000_FCRTH, 0xfff8, 0xfff8 },
		{ E1000_FCTTV, 0xffff, 0xffff }, { E1000_TIPG, 0x3fffffff, 0x3fffffff },
		{ E1000_TDBAH, ~0u, ~0u }, { E1000_TDLEN, 0xfff80, 0xfffff },
		{ E1000_RDBAL, 0xfffffff0, ~0u }, { E1000_TXCW, 0xc000ffff, 0xffff },
		{ E1000_TDBAL, 0xfffffff0, ~0u }, { E1000_TIDV, 0xffff, 0xffff },
		{ E1000_RAL + 4, 0x8003ffff, ~0u }, { E1000_RAL + 8 * 15 + 4, 0x8003ffff, ~0u },
		{ E1000_MTA, ~0u, ~0u }, { E1000_MTA + 4 * 127, ~0u, ~0u },
		{ E1000_VFTA + 4 * 127, ~0u, ~0u }, { E1000_RCTL, 0x06dfb3fe, ~0u },
	};
	static const uint32_t patterns[] = { 0x5a5a5a5a, 0xa5a5a5a5, 0, ~0u };

	for (unsigned i = 0; i < array_size(rows); i++) {
		for (unsigned n = 0; n < array_size(patterns); n++) {
			set(rows[i].reg, rows[i].write & patterns[n]);
			ck_assert_uint_eq(get(rows[i].reg), rows[i].write & patterns[n] & rows[i].mask);
		}
	}
	set(E1000_STATUS, 0xfffff833);
	ck_assert_uint_eq(get(E1000_STATUS) & STATUS_LU, 0);
	/* What is not there reads as nothing, and stays so. */
	set(0x5ff8, ~0u);
	set(0x9000, ~0u);
	set(0x1fffc, ~0u);
	ck_assert_uint_eq(get(0x5ff8) | get(0x9000) | get(0x1fffc), 0);
}
END_TEST

START_TEST(test_accesses_in_part)
{
	set(E1000_FCAL, 0x11223344);
	ck_assert_uint_eq(bus_mmio_read(GPA(card_base + E1000_FCAL + 1), 1), 0x33);
	ck_assert_uint_eq(bus_mmio_read(GPA(card_base + E1000_FCAL + 2), 2), 0x1122);
	ck_assert_uint_eq(bus_mmio_read(GPA(card_base + E1000_FCAL), 8) & ~0u, 0x11223344);
	bus_mmio_write(GPA(card_base + E1000_FCAL), 1, 0xff);
	ck_assert_uint_eq(get(E1000_FCAL), 0x11223344);
}
END_TEST

START_TEST(test_io_window)
{
	bus_pio_write(card_port, 4, E1000_FCT);
	bus_pio_write(card_port + 4, 4, 0x8808);
	ck_assert_uint_eq(get(E1000_FCT), 0x8808);
	ck_assert_uint_eq(bus_pio_read(card_port, 4), E1000_FCT);
	ck_assert_uint_eq(bus_pio_read(card_port + 4, 4), 0x8808);
	/* The driver resets the card here. */
	bus_pio_write(card_port, 4, E1000_CTRL);
	bus_pio_write(card_port + 4, 4, CTRL_RST);
	ck_assert_uint_eq(get(E1000_FCT), 0);
	bus_pio_write(card_port, 4, 0xfffffff0);
	bus_pio_write(card_port + 4, 4, ~0u);
	ck_assert_uint_eq(bus_pio_read(card_port + 4, 4), 0);
}
END_TEST

/* ---- EEPROM ---- */

static void clock_bit(unsigned bit)
{
	uint32_t eecd = EECD_REQ | EECD_CS | (bit ? EECD_DI : 0);

	set(E1000_EECD, eecd);
	set(E1000_EECD, eecd | EECD_SK);
	set(E1000_EECD, eecd);
}

static void shift_out(unsigned value, unsigned bits)
{
	while (bits--)
		clock_bit(value >> bits & 1);
}

static void deselect(void)
{
	set(E1000_EECD, EECD_REQ);
	set(E1000_EECD, EECD_REQ | EECD_SK);
	set(E1000_EECD, EECD_REQ);
}

static unsigned shift_in(void)
{
	unsigned value = 0;

	for (unsigned i = 0; i < 16; i++) {
		set(E1000_EECD, EECD_REQ | EECD_CS | EECD_SK);
		value = value << 1 | !!(get(E1000_EECD) & EECD_DO);
		set(E1000_EECD, EECD_REQ | EECD_CS);
	}
	return value;
}

static unsigned microwire_read(unsigned address)
{
	unsigned value;

	shift_out(6, 3);
	shift_out(address, 6);
	ck_assert_uint_eq(get(E1000_EECD) & EECD_DO, 0);	/* the zero before the data */
	value = shift_in();
	deselect();
	return value;
}

START_TEST(test_eeprom_bit_by_bit)
{
	uint16_t sum = 0;

	set(E1000_EECD, EECD_REQ);
	ck_assert(get(E1000_EECD) & EECD_GNT);
	ck_assert(get(E1000_EECD) & EECD_PRES);
	for (unsigned i = 0; i < 64; i++)
		sum = (uint16_t)(sum + microwire_read(i));
	ck_assert_uint_eq(sum, 0xbaba);
	ck_assert_uint_eq(microwire_read(0), 0x5452);
	ck_assert_uint_eq(microwire_read(1), 0x1200);
	ck_assert_uint_eq(microwire_read(2), 0x5634);
	ck_assert_uint_eq(microwire_read(0x0d), 0x100e);
	ck_assert_uint_eq(microwire_read(0x0e), 0x8086);
	/* Leading zeros are no command; words follow each other. */
	shift_out(0, 5);
	shift_out(6, 3);
	shift_out(0, 6);
	ck_assert_uint_eq(shift_in(), 0x5452);
	ck_assert_uint_eq(shift_in(), 0x1200);
	ck_assert_uint_eq(shift_in(), 0x5634);
	deselect();
}
END_TEST

static void microwire_write(unsigned address, unsigned value)
{
	shift_out(5, 3);
	shift_out(address, 6);
	shift_out(value, 16);
	deselect();
	set(E1000_EECD, EECD_REQ | EECD_CS);
	ck_assert(get(E1000_EECD) & EECD_DO);			/* ready */
	deselect();
}

START_TEST(test_eeprom_is_written_when_enabled)
{
	microwire_write(0x20, 0x1234);
	ck_assert_uint_ne(microwire_read(0x20), 0x1234);
	shift_out(0x13, 5);
	shift_out(0, 4);
	deselect();
	microwire_write(0x20, 0x1234);
	ck_assert_uint_eq(microwire_read(0x20), 0x1234);
	shift_out(7, 3);
	shift_out(0x20, 6);
	deselect();
	ck_assert_uint_eq(microwire_read(0x20), 0xffff);
	shift_out(0x10, 5);
	shift_out(0, 4);
	deselect();
	microwire_write(0x20, 0x1234);
	ck_assert_uint_eq(microwire_read(0x20), 0xffff);
	/* A written address is the card's after the next reset. */
	shift_out(0x13, 5);
	shift_out(0, 4);
	deselect();
	microwire_write(0, 0xaa02);
	set(E1000_CTRL, CTRL_RST);
	ck_assert_uint_eq(get(E1000_RAL), 0x1200aa02);
}
END_TEST

START_TEST(test_eerd)
{
	uint16_t sum = 0;

	for (unsigned i = 0; i < 64; i++) {
		set(E1000_EERD, EERD_START | i << 8);
		ck_assert(get(E1000_EERD) & EERD_DONE);
		sum = (uint16_t)(sum + (get(E1000_EERD) >> 16));
	}
	ck_assert_uint_eq(sum, 0xbaba);
}
END_TEST

/* ---- PHY and link ---- */

static unsigned phy_get(unsigned reg)
{
	set(E1000_MDIC, MDIC_READ | 1u << 21 | reg << 16);
	ck_assert((get(E1000_MDIC) & (MDIC_READY | MDIC_ERROR)) == MDIC_READY);
	return get(E1000_MDIC) & 0xffff;
}

static void phy_set(unsigned reg, unsigned value)
{
	set(E1000_MDIC, MDIC_WRITE | 1u << 21 | reg << 16 | value);
	ck_assert((get(E1000_MDIC) & (MDIC_READY | MDIC_ERROR)) == MDIC_READY);
}

START_TEST(test_phy_identity)
{
	ck_assert_uint_eq(phy_get(2), 0x0141);
	ck_assert_uint_eq(phy_get(3) & 0xfff0, 0x0c20);
	set(E1000_MDIC, MDIC_READ | 2u << 21 | 2u << 16);
	ck_assert(get(E1000_MDIC) & MDIC_ERROR);
	phy_set(2, 0x5555);
	ck_assert_uint_eq(phy_get(2), 0x0141);
}
END_TEST

START_TEST(test_link_up)
{
	ck_assert_uint_eq(get(E1000_STATUS) & STATUS_LU, 0);
	set(E1000_IMS, ICR_LSC);
	set(E1000_CTRL, CTRL_SLU);
	ck_assert(card_interrupts());
	ck_assert_uint_eq(get(E1000_ICR), ICR_LSC);
	ck_assert_uint_eq(get(E1000_STATUS) & 0xc3, 0x80 | STATUS_LU | STATUS_FD);
	ck_assert_uint_eq(phy_get(1) & 0x24, 0x24);
	ck_assert_uint_eq(phy_get(17) & 0xec00, 0xac00);
	ck_assert_uint_eq(phy_get(10) & 0x3000, 0x3000);
}
END_TEST

START_TEST(test_link_goes_and_comes)
{
	set(E1000_CTRL, CTRL_SLU);
	set(E1000_IMS, ICR_LSC);
	get(E1000_ICR);
	fake_net.client->link(fake_net.device, false);
	ck_assert(card_interrupts());
	ck_assert_uint_eq(get(E1000_ICR), ICR_LSC);
	ck_assert_uint_eq(get(E1000_STATUS) & STATUS_LU, 0);
	fake_net.client->link(fake_net.device, true);
	ck_assert_uint_eq(get(E1000_ICR), ICR_LSC);
	/* The PHY's status remembers that it was down, once. */
	ck_assert_uint_eq(phy_get(1) & 4, 0);
	ck_assert_uint_eq(phy_get(1) & 4, 4);
}
END_TEST

START_TEST(test_negotiation)
{
	set(E1000_CTRL, CTRL_SLU);
	phy_set(9, 0);
	phy_set(4, 0x101);
	phy_set(0, 0x1200);
	ck_assert_uint_eq(get(E1000_STATUS) & 0xc3, 0x40 | STATUS_LU | STATUS_FD);
	ck_assert_uint_eq(phy_get(0) & 0x200, 0);
	phy_set(4, 0x21);
	ck_assert_uint_eq(get(E1000_STATUS) & 0xc3, STATUS_LU);
	phy_set(4, 1);
	ck_assert_uint_eq(get(E1000_STATUS) & STATUS_LU, 0);
	phy_set(0, 0x2100);		/* 100 Mbit/s, not negotiated */
	ck_assert_uint_eq(get(E1000_STATUS) & 0xc3, 0x40 | STATUS_LU | STATUS_FD);
	ck_assert_uint_eq(phy_get(1) & 0x20, 0);
	set(E1000_CTRL, CTRL_SLU | CTRL_FRCSPD | CTRL_FRCDPLX | 2 << CTRL_SPEED_SHIFT);
	ck_assert_uint_eq(get(E1000_STATUS) & 0xc3, 0x80 | STATUS_LU);
	phy_set(0, 0x1940);		/* power down */
	ck_assert_uint_eq(get(E1000_STATUS) & STATUS_LU, 0);
	set(E1000_CTRL, CTRL_SLU | CTRL_PHY_RST);
	ck_assert_uint_eq(get(E1000_STATUS) & 0xc3, 0x80 | STATUS_LU | STATUS_FD);
}
END_TEST

/* ---- interrupts ---- */

START_TEST(test_causes_and_masks)
{
	for (unsigned bit = 0; bit < 10; bit++) {
		set(E1000_IMC, ~0u);
		set(E1000_ICS, 1u << bit);
		ck_assert(!card_interrupts());
		ck_assert_uint_eq(get(E1000_ICR), 1u << bit);
		ck_assert_uint_eq(get(E1000_ICR), 0);
		set(E1000_IMS, 1u << bit);
		ck_assert_uint_eq(get(E1000_IMS), 1u << bit);
		set(E1000_ICS, ~(1u << bit));
		ck_assert(!card_interrupts());
		set(E1000_ICS, 1u << bit);
		ck_assert(card_interrupts());
		ck_assert_uint_eq(get(E1000_ICR) & 1u << bit, 1u << bit);
		ck_assert(!card_interrupts());
	}
	set(E1000_IMC, ~0u);
	set(E1000_ICS, 6);
	set(E1000_IMS, 4);
	ck_assert(card_interrupts());
	set(E1000_ICR, 4);		/* writing 1 clears */
	ck_assert(!card_interrupts());
	ck_assert_uint_eq(get(E1000_ICR), 2);
	set(E1000_ICS, 4);
	ck_assert(card_interrupts());
	set(E1000_IMC, 4);
	ck_assert(!card_interrupts());
	ck_assert_uint_eq(get(E1000_IMC), 0);
	set(E1000_IMS, 4);
	ck_assert(card_interrupts());
	set(E1000_CTRL, CTRL_RST);
	ck_assert(!card_interrupts());
}
END_TEST

START_TEST(test_throttle_keeps_its_distance)
{
	set(E1000_ITR, 1000);		/* 256 us */
	set(E1000_IMS, ICR_RXT0);
	set(E1000_ICS, ICR_RXT0);
	ck_assert(card_interrupts());	/* nothing before it */
	get(E1000_ICR);
	set(E1000_ICS, ICR_RXT0);
	ck_assert(!card_interrupts());
	fake_sleep(255000);
	ck_assert(!card_interrupts());
	fake_sleep(1000);
	ck_assert(card_interrupts());
	ck_assert_uint_eq(irq_edges, 2);
	get(E1000_ICR);
	/* What is taken back before its time raises nothing. */
	set(E1000_ICS, ICR_RXT0);
	ck_assert_uint_eq(get(E1000_ICR), ICR_RXT0);
	fake_sleep(300000);
	ck_assert_uint_eq(irq_edges, 2);
	set(E1000_ICS, ICR_RXT0);
	ck_assert(card_interrupts());
	get(E1000_ICR);
	set(E1000_ICS, ICR_RXT0);
	set(E1000_ITR, 0);		/* throttling ends at once */
	ck_assert(card_interrupts());
}
END_TEST

START_TEST(test_statistics_are_cleared_by_reading)
{
	static const uint8_t multicast[6] = { 1, 0, 0x5e, 0, 0, 1 };
	static const struct { uint32_t bytes, reg; } sizes[] = {
		{ 64, 0 }, { 65, 4 }, { 127, 4 }, { 128, 8 }, { 255, 8 }, { 256, 12 }, { 511, 12 },
		{ 512, 16 }, { 1023, 16 }, { 1024, 20 }, { 1522, 20 }, { 9018, 20 },
	};

	for (unsigned i = 0; i < array_size(sizes); i++) {
		e1000_count_sent(card(), broadcast_mac, sizes[i].bytes, 3);
		ck_assert_uint_eq(get(E1000_PTC64 + sizes[i].reg), 3);
		ck_assert_uint_eq(get(E1000_PTC64 + sizes[i].reg), 0);
		e1000_count_received(card(), multicast, sizes[i].bytes);
		ck_assert_uint_eq(get(E1000_PRC64 + sizes[i].reg), 1);
	}
	ck_assert_uint_eq(get(E1000_GPTC), 36);
	ck_assert_uint_eq(get(E1000_BPTC), 36);
	ck_assert_uint_eq(get(E1000_GPRC), 12);
	ck_assert_uint_eq(get(E1000_MPRC), 12);
	ck_assert_uint_eq(get(E1000_BPRC) + get(E1000_MPTC), 0);
	get(E1000_GOTCL + 4);
	e1000_count_octets(card(), E1000_GOTCL, 0x123456789ull);
	ck_assert_uint_eq(get(E1000_GOTCL), 0x23456789);
	ck_assert_uint_eq(get(E1000_GOTCL), 0x23456789);
	ck_assert_uint_eq(get(E1000_GOTCL + 4), 1);
	ck_assert_uint_eq(get(E1000_GOTCL), 0);
	/* They stick at the end. */
	e1000_count(card(), E1000_MPC, ~0u);
	e1000_count(card(), E1000_MPC, 2);
	ck_assert_uint_eq(get(E1000_MPC), ~0u);
	e1000_count_octets(card(), E1000_TORL, ~0ull);
	e1000_count_octets(card(), E1000_TORL, 2);
	ck_assert_uint_eq(get(E1000_TORL), ~0u);
	ck_assert_uint_eq(get(E1000_TORL + 4), ~0u);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("e1000");
	TCase *t = tcase_create("registers");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, test_on_the_bus);
	tcase_add_test(t, test_values_after_reset);
	tcase_add_test(t, test_register_bits);
	tcase_add_test(t, test_accesses_in_part);
	tcase_add_test(t, test_io_window);
	tcase_add_test(t, test_eeprom_bit_by_bit);
	tcase_add_test(t, test_eeprom_is_written_when_enabled);
	tcase_add_test(t, test_eerd);
	tcase_add_test(t, test_phy_identity);
	tcase_add_test(t, test_link_up);
	tcase_add_test(t, test_link_goes_and_comes);
	tcase_add_test(t, test_negotiation);
	tcase_add_test(t, test_causes_and_masks);
	tcase_add_test(t, test_throttle_keeps_its_distance);
	tcase_add_test(t, test_statistics_are_cleared_by_reading);
	suite_add_tcase(s, t);
	return suite_run(s);
}
