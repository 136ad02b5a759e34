// SPDX-License-Identifier: GPL-2.0-only
/*
 * What ethtool shows and sets: driver, link, rings, copybreak, counters of both queues.
 */
#include "pvnet.h"

#include <linux/ethtool.h>

struct counter {
	char name[ETH_GSTRING_LEN];
	size_t offset;			/* in struct pvnet */
};

#define RX(name)	{ "rx0_" #name, offsetof(struct pvnet, rx.stats.name) }
#define TX(name)	{ "tx0_" #name, offsetof(struct pvnet, tx.stats.name) }

static const struct counter counters[] = {
	RX(packets), RX(bytes), RX(copied), RX(merged), RX(polls), RX(interrupts), RX(kicks),
	RX(kick_errors), RX(drops), RX(length_errors), RX(header_errors), RX(alloc_errors),
	TX(packets), TX(bytes), TX(deferred), TX(polls), TX(interrupts), TX(kicks),
	TX(kick_errors), TX(drops), TX(stops),
	{ "recoveries", offsetof(struct pvnet, recoveries) },
};

static int pvnet_get_sset_count(struct net_device *dev, int set)
{
	return set == ETH_SS_STATS ? ARRAY_SIZE(counters) : -EOPNOTSUPP;
}

static void pvnet_get_strings(struct net_device *dev, u32 set, u8 *data)
{
	unsigned int i;

	if (set != ETH_SS_STATS)
		return;
	for (i = 0; i < ARRAY_SIZE(counters); i++)
		ethtool_sprintf(&data, "%s", counters[i].name);
}

static void pvnet_get_ethtool_stats(struct net_device *dev, struct ethtool_stats *stats, u64 *data)
{
	const void *pn = netdev_priv(dev);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counters); i++)
		data[i] = READ_ONCE(*(const u64 *)(pn + counters[i].offset));
}

static void pvnet_get_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	struct pvnet *pn = netdev_priv(dev);

	strscpy(info->driver, KBUILD_MODNAME, sizeof(info->driver));
	strscpy(info->bus_info, dev_name(&pn->pdev->dev), sizeof(info->bus_info));
}

static void pvnet_get_ringparam(struct net_device *dev, struct ethtool_ringparam *ring,
				struct kernel_ethtool_ringparam *kernel_ring,
				struct netlink_ext_ack *extack)
{
	struct pvnet *pn = netdev_priv(dev);

	ring->rx_max_pending = pn->pdev->queue_size;
	ring->tx_max_pending = pn->pdev->queue_size;
	ring->rx_pending = pn->rx_entries;
	ring->tx_pending = pn->tx_entries;
}

static int pvnet_set_ringparam(struct net_device *dev, struct ethtool_ringparam *ring,
			       struct kernel_ethtool_ringparam *kernel_ring,
			       struct netlink_ext_ack *extack)
{
	struct pvnet *pn = netdev_priv(dev);
	unsigned int rx_old = pn->rx_entries, tx_old = pn->tx_entries;
	bool up = pn->up;
	int error, again;

	if (ring->rx_mini_pending || ring->rx_jumbo_pending)
		return -EINVAL;
	if (!is_power_of_2(ring->rx_pending) || !is_power_of_2(ring->tx_pending)) {
		NL_SET_ERR_MSG(extack, "sizes of rings are powers of two");
		return -EINVAL;
	}
	if (ring->rx_pending == rx_old && ring->tx_pending == tx_old)
		return 0;
	if (up)
		pvnet_down(pn);
	pn->rx_entries = ring->rx_pending;
	pn->tx_entries = ring->tx_pending;
	error = pvnet_rings_create(pn);
	if (error) {
		pn->rx_entries = rx_old;
		pn->tx_entries = tx_old;
	}
	again = up ? pvnet_up(pn) : 0;
	if (again)
		pvnet_broken(pn);
	return error ?: again;
}

static void pvnet_get_channels(struct net_device *dev, struct ethtool_channels *channels)
{
	channels->max_combined = 1;
	channels->combined_count = 1;
}

static int pvnet_get_link_ksettings(struct net_device *dev, struct ethtool_link_ksettings *cmd)
{
	struct pvnet *pn = netdev_priv(dev);

	cmd->base.speed = pn->speed;
	cmd->base.duplex = pn->duplex;
	cmd->base.port = PORT_OTHER;
	cmd->base.autoneg = AUTONEG_DISABLE;
	return 0;
}

static int pvnet_get_tunable(struct net_device *dev, const struct ethtool_tunable *tunable, void *data)
{
	struct pvnet *pn = netdev_priv(dev);

	if (tunable->id != ETHTOOL_RX_COPYBREAK)
		return -EOPNOTSUPP;
	*(u32 *)data = pn->copybreak;
	return 0;
}

static int pvnet_set_tunable(struct net_device *dev, const struct ethtool_tunable *tunable,
			     const void *data)
{
	struct pvnet *pn = netdev_priv(dev);

	if (tunable->id != ETHTOOL_RX_COPYBREAK)
		return -EOPNOTSUPP;
	if (*(const u32 *)data > PAGE_SIZE)
		return -EINVAL;
	WRITE_ONCE(pn->copybreak, *(const u32 *)data);
	return 0;
}

const struct ethtool_ops pvnet_ethtool_ops = {
	.get_drvinfo = pvnet_get_drvinfo,
	.get_link = ethtool_op_get_link,
	.get_link_ksettings = pvnet_get_link_ksettings,
	.get_ringparam = pvnet_get_ringparam,
	.set_ringparam = pvnet_set_ringparam,
	.get_channels = pvnet_get_channels,
	.get_tunable = pvnet_get_tunable,
	.set_tunable = pvnet_set_tunable,
	.get_sset_count = pvnet_get_sset_count,
	.get_strings = pvnet_get_strings,
	.get_ethtool_stats = pvnet_get_ethtool_stats,
	.get_ts_info = ethtool_op_get_ts_info,
};
