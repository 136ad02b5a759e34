// SPDX-License-Identifier: MIT
/*
 * Intel 82540EM: its place on the PCI bus and its registers by address (SDM 4, 13).
 *
 * Most registers are storage with some bits that exist (`writable`, made from a
 * table); the few that do something are cases of register_read() and
 * register_write().  What is not known reads as zero.  The I/O BAR is a window on the
 * same registers (13.2.2): the Linux driver resets the card through it.
 *
 * Called on the vCPU thread.  Knows nothing of back-ends but hostio/net.h.
 */
#include "device/e1000.h"

#include <string.h>

#include "base/arena.h"
#include "device/e1000_device.h"

#define PCI_INTEL		0x8086
#define PCI_82540EM		0x100e
#define PCI_SUBSYSTEM		0x001e		/* PRO/1000 MT Desktop Adapter */
#define PCI_CLASS_ETHERNET	0x020000
#define PCI_REVISION		2
#define PCI_COMMAND		4
#define BAR_MEMORY		0
#define BAR_IO			1
#define BAR_IO_SIZE		64
#define IOADDR			0
#define IODATA			4
#define PACKET_BUFFER_KIB	64u

static const struct stored {
	uint16_t offset, count;
	uint32_t writable;
} stored[] = {
	{ E1000_CTRL, 1, 0x7bffffff },
	{ E1000_CTRL_EXT, 1, ~CTRL_EXT_EE_RST },
	{ E1000_FCAL, 1, ~0u },
	{ E1000_FCAH, 1, 0xffff },
	{ E1000_FCT, 1, 0xffff },
	{ E1000_VET, 1, 0xffff },
	{ E1000_ITR, 1, 0xffff },
	{ E1000_RCTL, 1, 0x06dfb3fe },
	{ E1000_FCTTV, 1, 0xffff },
	{ E1000_TXCW, 1, 0xc000ffff },
	{ E1000_TCTL, 1, 0x03bffffa },
	{ E1000_TIPG, 1, 0x3fffffff },
	{ E1000_AIT, 1, 0xffff },
	{ E1000_LEDCTL, 1, 0xcfcfcfcf },
	{ E1000_PBA, 1, 0xffff },
	{ E1000_FCRTL, 1, 0x8000fff8 },
	{ E1000_FCRTH, 1, 0x0000fff8 },
	{ E1000_RDFH, 5, 0x1fff },
	{ E1000_RDBAL, 1, 0xfffffff0 },
	{ E1000_RDBAH, 1, ~0u },
	{ E1000_RDLEN, 1, 0x000fff80 },
	{ E1000_RDH, 1, 0xffff },
	{ E1000_RDT, 1, 0xffff },
	{ E1000_RDTR, 1, 0xffff },
	{ E1000_RXDCTL, 1, 0x013f3f3f },
	{ E1000_RADV, 1, 0xffff },
	{ E1000_RSRPD, 1, 0x0fff },
	{ E1000_TDFH, 5, 0x1fff },
	{ E1000_TDBAL, 1, 0xfffffff0 },
	{ E1000_TDBAH, 1, ~0u },
	{ E1000_TDLEN, 1, 0x000fff80 },
	{ E1000_TDH, 1, 0xffff },
	{ E1000_TDT, 1, 0xffff },
	{ E1000_TIDV, 1, 0xffff },
	{ E1000_TXDCTL, 1, 0xff3f3f3f },
	{ E1000_TADV, 1, 0xffff },
	{ E1000_TSPMT, 1, ~0u },
	{ E1000_RXCSUM, 1, 0x07ff },
	{ E1000_MTA, 128, ~0u },
	{ E1000_RAL, 32, ~0u },
	{ E1000_VFTA, 128, ~0u },
	{ E1000_WUC, 1, 0x0f },
	{ E1000_WUFC, 1, 0x000f80ff },
	{ E1000_MANC, 1, ~0u },
	{ E1000_IPAV, 1, 0x0001000f },
	{ E1000_IP4AT, 7, ~0u },
	{ E1000_IP6AT, 4, ~0u },
	{ E1000_WUPL, 1, 0x0fff },
	{ E1000_WUPM, 32, ~0u },
	{ E1000_FFLT, 7, 0x07ff },
};

static uint32_t writable[E1000_STORED / 4];

static void writable_init(void)
{
	for (unsigned i = 0; i < array_size(stored); i++)
		for (unsigned n = 0; n < stored[i].count; n++)
			writable[stored[i].offset / 4 + n] = stored[i].writable;
	for (unsigned i = 0; i < 16; i++)
		writable[(E1000_RAL + 4 + 8 * i) / 4] = RAH_AV | RAH_AS | 0xffff;
}

/* ---- link ---- */

static bool is_up(struct e1000 *d)
{
	return *e1000_reg(d, E1000_CTRL) & CTRL_SLU && e1000_phy_link(&d->phy);
}

static uint32_t status_read(struct e1000 *d)
{
	uint32_t ctrl = *e1000_reg(d, E1000_CTRL), status = d->phy.speed << STATUS_ASDV_SHIFT;
	unsigned speed = ctrl & CTRL_FRCSPD ? ctrl >> CTRL_SPEED_SHIFT & 3 : d->phy.speed;

	status |= speed << STATUS_SPEED_SHIFT;
	if (ctrl & CTRL_FRCDPLX ? ctrl & CTRL_FD : d->phy.full_duplex)
		status |= STATUS_FD;
	if (is_up(d))
		status |= STATUS_LU;
	if (d->tx.blocked)
		status |= STATUS_TXOFF;
	return status;
}

static void link_changed(struct e1000 *d, bool before)
{
	if (is_up(d) == before)
		return;
	e1000_cause(d, ICR_LSC);
	e1000_interrupt_update(d);
}

static void wire_changed(void *device, bool up)
{
	struct e1000 *d = device;
	bool before = is_up(d);

	e1000_phy_wire(&d->phy, up);
	link_changed(d, before);
}

/* ---- reset ---- */

/* CTRL.RST (13.4.1): all but PCI configuration, PHY and EEPROM. */
static void reset(struct e1000 *d)
{
	const uint16_t *mac = d->eeprom.word;

	e1000_transmit_reset(d);
	e1000_receive_reset(d);
	memset(d->reg, 0, sizeof(d->reg));
	memset(&d->tx.context, 0, sizeof(d->tx.context));
	memset(&d->tx.tso_context, 0, sizeof(d->tx.tso_context));
	*e1000_reg(d, E1000_CTRL) = CTRL_FD | 2 << CTRL_SPEED_SHIFT;
	*e1000_reg(d, E1000_VET) = 0x8100;
	*e1000_reg(d, E1000_LEDCTL) = 0x07068302;
	*e1000_reg(d, E1000_PBA) = 48;
	*e1000_reg(d, E1000_RXDCTL) = 0x00010000;
	*e1000_reg(d, E1000_RXCSUM) = RXCSUM_IPV6OFL;
	*e1000_reg(d, E1000_RAL) = mac[0] | (uint32_t)mac[1] << 16;
	*e1000_reg(d, E1000_RAL + 4) = mac[2] | RAH_AV;
	e1000_eecd_write(&d->eeprom, 0);
	e1000_interrupt_reset(d);
}

/* ---- registers ---- */

static uint32_t register_read(struct e1000 *d, unsigned offset)
{
	if (offset >= E1000_STORED)
		return 0;
	switch (offset) {
	case E1000_CTRL_DUP:
		return *e1000_reg(d, E1000_CTRL);
	case E1000_STATUS:
		return status_read(d);
	case E1000_EECD:
		return e1000_eecd_read(&d->eeprom);
	case E1000_ICR:
		return e1000_interrupt_read(d);
	case E1000_PBA:
		return *e1000_reg(d, offset) | (PACKET_BUFFER_KIB - *e1000_reg(d, offset)) << 16;
	}
	if (offset >= E1000_STATS && offset < E1000_STATS_END)
		return e1000_statistic_read(d, offset);
	return *e1000_reg(d, offset);
}

static void ctrl_write(struct e1000 *d, uint32_t value)
{
	bool before = is_up(d);

	if (value & CTRL_RST) {
		reset(d);
		return;
	}
	*e1000_reg(d, E1000_CTRL) = value & writable[E1000_CTRL / 4];
	if (value & CTRL_PHY_RST)
		e1000_phy_reset(&d->phy);
	link_changed(d, before);
}

static void mdic_write(struct e1000 *d, uint32_t value)
{
	bool before = is_up(d);

	*e1000_reg(d, E1000_MDIC) = e1000_mdic_write(&d->phy, value);
	link_changed(d, before);
	if (value & MDIC_IRQ) {
		e1000_cause(d, ICR_MDAC);
		e1000_interrupt_update(d);
	}
}

/* Registers with side effects, after their bits are stored. */
static void stored_effect(struct e1000 *d, unsigned offset, uint32_t value)
{
	switch (offset) {
	case E1000_TDT:
		e1000_transmit(d);
		break;
	case E1000_RDT:
		e1000_receive_wake(d);
		break;
	case E1000_ITR:
		e1000_interrupt_update(d);
		break;
	case E1000_CTRL_EXT:
		if (value & CTRL_EXT_EE_RST) {
			*e1000_reg(d, E1000_RAL) = d->eeprom.word[0] | (uint32_t)d->eeprom.word[1] << 16;
			*e1000_reg(d, E1000_RAL + 4) = d->eeprom.word[2] | RAH_AV;
		}
		break;
	case E1000_RCTL:
		if (value & RCTL_EN)
			e1000_receive_wake(d);
		else
			e1000_receive_reset(d);
		break;
	case E1000_TCTL:
		/* What it had of a frame is gone; rings may be moved only in this state. */
		if (value & TCTL_EN)
			e1000_transmit(d);
		else
			e1000_transmit_reset(d);
		break;
	case E1000_RDTR:
		if (value & RDTR_FPD) {
			e1000_delay_flush(d, &d->rx_delay);
			e1000_interrupt_update(d);
		}
		break;
	case E1000_TIDV:
		if (value & RDTR_FPD) {
			e1000_delay_flush(d, &d->tx_delay);
			e1000_interrupt_update(d);
		}
		break;
	}
}

static void register_write(struct e1000 *d, unsigned offset, uint32_t value)
{
	if (offset >= E1000_STORED)
		return;
	switch (offset) {
	case E1000_CTRL:
	case E1000_CTRL_DUP:
		ctrl_write(d, value);
		return;
	case E1000_EECD:
		e1000_eecd_write(&d->eeprom, value);
		return;
	case E1000_EERD:
		*e1000_reg(d, offset) = e1000_eerd_write(&d->eeprom, value);
		return;
	case E1000_MDIC:
		mdic_write(d, value);
		return;
	case E1000_ICR:
		*e1000_reg(d, offset) &= ~value;
		e1000_interrupt_update(d);
		return;
	case E1000_ICS:
		e1000_cause(d, value & ICR_KNOWN);
		e1000_interrupt_update(d);
		return;
	case E1000_IMS:
		*e1000_reg(d, offset) |= value & ICR_KNOWN;
		e1000_interrupt_update(d);
		return;
	case E1000_IMC:
		*e1000_reg(d, E1000_IMS) &= ~value;
		e1000_interrupt_update(d);
		return;
	}
	if (!writable[offset / 4])
		return;
	*e1000_reg(d, offset) = value & writable[offset / 4];
	stored_effect(d, offset, value);
}

/* ---- the bus ---- */

/* Registers are accessed as a whole (13.2); parts are readable, but nothing is written in part. */
static uint64_t memory_read(void *device, uint64_t offset, unsigned size)
{
	unsigned shift = (unsigned)offset % 4 * 8;

	return (register_read(device, (unsigned)offset & ~3u) >> shift) & (~0ull >> (64 - 8 * size));
}

static void memory_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	if (size == 4 && offset % 4 == 0)
		register_write(device, (unsigned)offset, (uint32_t)value);
}

/* The window's own base is its `device`, so that it is another than the memory BAR's. */
static struct e1000 *of_window(void *device)
{
	return container_of(device, struct e1000, io_address);
}

static uint64_t io_read(void *device, uint64_t offset, unsigned size)
{
	struct e1000 *d = of_window(device);

	if (size == 4 && offset == IOADDR)
		return d->io_address;
	if (size == 4 && offset == IODATA && d->io_address < E1000_SPACE)
		return register_read(d, d->io_address & ~3u);
	return 0;
}

static void io_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct e1000 *d = of_window(device);

	if (size == 4 && offset == IOADDR)
		d->io_address = (uint32_t)value;
	else if (size == 4 && offset == IODATA && d->io_address < E1000_SPACE)
		register_write(d, d->io_address & ~3u, (uint32_t)value);
}

static const struct bus_ops memory_ops = { .read = memory_read, .write = memory_write, .width = 4 };
static const struct bus_ops io_ops = { .read = io_read, .write = io_write, .width = 4 };

static void config_written(struct pci_function *f, unsigned offset, unsigned size)
{
	struct e1000 *d = container_of(f, struct e1000, pci);

	(void)size;
	if (offset != PCI_COMMAND || !pci_bus_master(f))
		return;
	e1000_transmit(d);
	e1000_receive_wake(d);
}

static const struct net_client client = {
	.room = e1000_room,
	.received = e1000_received,
	.batch_end = e1000_batch_end,
	.link = wire_changed,
};

int e1000_add(const struct machine_net *config, struct net *n)
{
	struct e1000 *d = arena_alloc(sizeof(*d), 64);

	writable_init();
	d->net = n;
	d->tx.staged = arena_alloc(E1000_TX_BYTES, PAGE_SIZE);
	d->rx.sink = arena_alloc(NET_FRAME_MAX, PAGE_SIZE);
	d->pci.name = "e1000";
	pci_identify(&d->pci, PCI_INTEL, PCI_82540EM, PCI_CLASS_ETHERNET, PCI_REVISION);
	pci_subsystem(&d->pci, PCI_INTEL, PCI_SUBSYSTEM);
	pci_use_intx(&d->pci, 1);
	d->pci.bar[BAR_MEMORY] = (struct pci_bar){ .size = E1000_SPACE, .ops = &memory_ops, .device = d };
	d->pci.bar[BAR_IO] = (struct pci_bar){ .size = BAR_IO_SIZE, .io = true, .ops = &io_ops,
					       .device = &d->io_address };
	d->pci.config_written = config_written;
	net_attach(n, &client, d);
	net_set_rx(n, 0);		/* what a wire brings: complete frames */
	e1000_interrupt_init(d);
	e1000_eeprom_init(&d->eeprom, config->mac);
	e1000_phy_init(&d->phy, net_link(n));
	reset(d);
	return pci_add(&d->pci, -1, 0);
}
