// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control queue (virtio 1.2, 5.1.6.5): which frames are wanted, addresses, offloads.
 *
 * One command at a time, in memory of its own, waited for where it is given: the stack asks for
 * receive modes under a spinlock, and ring3 answers within the kick.  A device that does not
 * answer gets no more commands until it was reset, which is asked for at once.
 */
#include "pvnet.h"

#include <linux/delay.h>
#include <linux/slab.h>

#define PVNET_ANSWER_US	100000u

/* 5.1.6.5.2: a table of addresses; two of them behind each other are one command. */
struct pvnet_macs {
	__virtio32 count;
	u8 mac[][ETH_ALEN];
};

#define PVNET_DATA	(2 * (sizeof(struct pvnet_macs) + PVNET_MACS * ETH_ALEN))

struct pvnet_command {
	struct vring_desc table[2];
	struct virtio_net_ctrl_hdr header;
	u8 data[PVNET_DATA];		/* behind the header, without a gap */
	u8 answer;
};

/* Under control.lock.  The command's data is in place. */
static int command_run(struct pvnet *pn, u8 class, u8 number, unsigned int length)
{
	struct pvnet_command *command = pn->control.command;
	struct pvring *ring = pn->control.ring;
	unsigned int waited = 0;
	u32 written;
	int slot;

	BUILD_BUG_ON(offsetof(struct pvnet_command, data) !=
		     offsetofend(struct pvnet_command, header));
	if (!pn->control.live)
		return 0;
	command->header = (struct virtio_net_ctrl_hdr){ .class = class, .cmd = number };
	command->answer = VIRTIO_NET_ERR;
	pvring_desc_set(&command->table[0], virt_to_phys(&command->header),
			sizeof(command->header) + length, VRING_DESC_F_NEXT, 1);
	pvring_desc_set(&command->table[1], virt_to_phys(&command->answer), 1, VRING_DESC_F_WRITE, 0);
	pvring_put(ring, 0, virt_to_phys(command->table), sizeof(command->table),
		   VRING_DESC_F_INDIRECT);
	slot = pvring_kick(ring);
	while (!slot && (slot = pvring_next(ring, &written)) == -EAGAIN && waited++ < PVNET_ANSWER_US) {
		udelay(1);
		slot = 0;
	}
	if (likely(slot >= 0 && waited < PVNET_ANSWER_US))
		return READ_ONCE(command->answer) == VIRTIO_NET_OK ? 0 : -EINVAL;
	netdev_err(pn->dev, "no answer to command %u.%u (%d)\n", class, number, slot);
	pn->control.live = false;
	pvnet_broken(pn);
	return slot < 0 ? slot : -ETIMEDOUT;
}

static int command_give(struct pvnet *pn, u8 class, u8 number, const void *data, unsigned int length)
{
	int error;

	if (!pn->control.ring)
		return 0;
	spin_lock_bh(&pn->control.lock);
	memcpy(pn->control.command->data, data, length);
	error = command_run(pn, class, number, length);
	spin_unlock_bh(&pn->control.lock);
	return error;
}

int pvnet_control_mac(struct pvnet *pn, const u8 *mac)
{
	if (!pv_has(pn->pdev, VIRTIO_NET_F_CTRL_MAC_ADDR))
		return 0;
	return command_give(pn, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, mac, ETH_ALEN);
}

int pvnet_control_vlan(struct pvnet *pn, u16 id, bool add)
{
	__virtio16 data = cpu_to_pv16(id);

	if (!pv_has(pn->pdev, VIRTIO_NET_F_CTRL_VLAN))
		return 0;
	return command_give(pn, VIRTIO_NET_CTRL_VLAN,
			    add ? VIRTIO_NET_CTRL_VLAN_ADD : VIRTIO_NET_CTRL_VLAN_DEL,
			    &data, sizeof(data));
}

int pvnet_control_offloads(struct pvnet *pn, netdev_features_t features)
{
	__virtio64 data;
	u64 offloads = 0;

	if (!pv_has(pn->pdev, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))
		return 0;
	if (features & NETIF_F_RXCSUM)
		offloads |= BIT_ULL(VIRTIO_NET_F_GUEST_CSUM);
	if (features & NETIF_F_GRO_HW)
		offloads |= BIT_ULL(VIRTIO_NET_F_GUEST_TSO4) | BIT_ULL(VIRTIO_NET_F_GUEST_TSO6) |
			    BIT_ULL(VIRTIO_NET_F_GUEST_ECN);
	data = cpu_to_pv64(offloads & pn->pdev->features);
	return command_give(pn, VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET,
			    &data, sizeof(data));
}

/* ---- what is received ---- */

static int mode_set(struct pvnet *pn, u8 number, bool on)
{
	pn->control.command->data[0] = on;
	return command_run(pn, VIRTIO_NET_CTRL_RX, number, 1);
}

/* The addresses of a list, or none if there are too many; where the next table begins. */
static void *macs_write(struct pvnet_macs *table, const struct netdev_hw_addr_list *list)
{
	const struct netdev_hw_addr *address;
	unsigned int count = 0;

	if (list->count <= PVNET_MACS)
		list_for_each_entry(address, &list->list, list)
			ether_addr_copy(table->mac[count++], address->addr);
	table->count = cpu_to_pv32(count);
	return &table->mac[count];
}

void pvnet_control_rx_mode(struct net_device *dev)
{
	struct pvnet *pn = netdev_priv(dev);
	bool promiscuous, all_multicast;
	void *end;
	int error;

	if (!pv_has(pn->pdev, VIRTIO_NET_F_CTRL_RX) || !pn->control.ring)
		return;
	promiscuous = dev->flags & IFF_PROMISC || netdev_uc_count(dev) > PVNET_MACS;
	all_multicast = dev->flags & IFF_ALLMULTI || netdev_mc_count(dev) > PVNET_MACS;
	spin_lock_bh(&pn->control.lock);
	error = mode_set(pn, VIRTIO_NET_CTRL_RX_PROMISC, promiscuous);
	if (!error)
		error = mode_set(pn, VIRTIO_NET_CTRL_RX_ALLMULTI, all_multicast);
	end = macs_write((void *)pn->control.command->data, &dev->uc);
	end = macs_write(end, &dev->mc);
	if (!error)
		error = command_run(pn, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET,
				    end - (void *)pn->control.command->data);
	spin_unlock_bh(&pn->control.lock);
	if (error)
		netdev_warn(dev, "receive modes were not set (%d)\n", error);
}

/* ---- life ---- */

void pvnet_control_start(struct pvnet *pn)
{
	struct net_device *dev = pn->dev;
	unsigned int id;
	int error;

	if (!pn->control.ring)
		return;
	spin_lock_bh(&pn->control.lock);
	pn->control.live = true;
	spin_unlock_bh(&pn->control.lock);
	error = pvnet_control_mac(pn, dev->dev_addr);
	for_each_set_bit(id, pn->vlans, VLAN_N_VID)
		error = error ?: pvnet_control_vlan(pn, id, true);
	if (~dev->features & (NETIF_F_RXCSUM | NETIF_F_GRO_HW))
		error = error ?: pvnet_control_offloads(pn, dev->features);
	if (error)
		netdev_warn(dev, "settings were not restored (%d)\n", error);
	netif_addr_lock_bh(dev);
	pvnet_control_rx_mode(dev);
	netif_addr_unlock_bh(dev);
}

void pvnet_control_stop(struct pvnet *pn)
{
	spin_lock_bh(&pn->control.lock);
	pn->control.live = false;
	spin_unlock_bh(&pn->control.lock);
}

int pvnet_control_create(struct pvnet *pn)
{
	const struct pvring_config config = { .index = PVNET_QUEUE_CONTROL, .entries = 1 };
	struct pvring *ring;

	spin_lock_init(&pn->control.lock);
	if (!pv_has(pn->pdev, VIRTIO_NET_F_CTRL_VQ))
		return 0;
	pn->control.command = kzalloc(sizeof(*pn->control.command), GFP_KERNEL);
	if (!pn->control.command)
		return -ENOMEM;
	ring = pvring_create(pn->pdev, &config);
	if (IS_ERR(ring)) {
		kfree(pn->control.command);
		return PTR_ERR(ring);
	}
	pn->control.ring = ring;
	return 0;
}

void pvnet_control_destroy(struct pvnet *pn)
{
	pvring_destroy(pn->control.ring);
	if (pn->control.ring)
		kfree(pn->control.command);
	pn->control.ring = NULL;
}
