// SPDX-License-Identifier: GPL-2.0-only
/*
 * The network front-end: what the card can, the interface's life, its link.
 *
 * The device runs only while the interface is up: pvnet_up() and pvnet_down() are the only ways
 * in and out, also of recovery, suspend and new ring sizes, so there is one order of starting
 * and stopping.  A device that refuses to be reset keeps its memory (`stuck`): it may still
 * write there.
 *
 * Failures.  Kicks and allocations that failed are tried again by the nudge, a timer that only
 * schedules both NAPIs.  A broken ring, or a device that wants it, has everything started again by
 * the recovery, ever later if that does not help.  A device that is gone loses its carrier,
 * and the bus calls remove() soon.
 */
#include "pvnet.h"

#include <linux/ethtool.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>

#define PVNET_NUDGE	(HZ / 50 ?: 1)
#define PVNET_CALM	(60 * HZ)	/* after so long a recovery has helped */
#define PVNET_RECOVERIES 8u		/* more in a row are not tried */

#define FEATURES ( \
	BIT_ULL(VIRTIO_NET_F_MAC) | BIT_ULL(VIRTIO_NET_F_STATUS) | BIT_ULL(VIRTIO_NET_F_MTU) | \
	BIT_ULL(VIRTIO_NET_F_SPEED_DUPLEX) | BIT_ULL(VIRTIO_NET_F_MRG_RXBUF) | \
	BIT_ULL(VIRTIO_NET_F_CSUM) | BIT_ULL(VIRTIO_NET_F_HOST_TSO4) | \
	BIT_ULL(VIRTIO_NET_F_HOST_TSO6) | BIT_ULL(VIRTIO_NET_F_HOST_ECN) | \
	BIT_ULL(VIRTIO_NET_F_GUEST_CSUM) | BIT_ULL(VIRTIO_NET_F_GUEST_TSO4) | \
	BIT_ULL(VIRTIO_NET_F_GUEST_TSO6) | BIT_ULL(VIRTIO_NET_F_GUEST_ECN) | \
	BIT_ULL(VIRTIO_NET_F_CTRL_VQ) | BIT_ULL(VIRTIO_NET_F_CTRL_RX) | \
	BIT_ULL(VIRTIO_NET_F_CTRL_VLAN) | BIT_ULL(VIRTIO_NET_F_CTRL_MAC_ADDR) | \
	BIT_ULL(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))

#define GUEST_TSO ( \
	BIT_ULL(VIRTIO_NET_F_GUEST_TSO4) | BIT_ULL(VIRTIO_NET_F_GUEST_TSO6) | \
	BIT_ULL(VIRTIO_NET_F_GUEST_ECN))

/* ---- failures ---- */

void pvnet_nudge(struct pvnet *pn)
{
	if (!timer_pending(&pn->nudge))
		mod_timer(&pn->nudge, jiffies + PVNET_NUDGE);
}

static void pvnet_nudged(struct timer_list *timer)
{
	struct pvnet *pn = from_timer(pn, timer, nudge);

	napi_schedule(&pn->rx.napi);
	napi_schedule(&pn->tx.napi);
}

void pvnet_broken(struct pvnet *pn)
{
	unsigned int failures = READ_ONCE(pn->failures);

	if (time_after(jiffies, READ_ONCE(pn->failed) + PVNET_CALM))
		failures = 0;
	queue_delayed_work(system_freezable_wq, &pn->recovery, (HZ / 10 ?: 1) << failures);
}

static void pvnet_recover(struct work_struct *work)
{
	struct pvnet *pn = container_of(to_delayed_work(work), struct pvnet, recovery);

	rtnl_lock();
	if (!netif_running(pn->dev) || pv_device_gone(pn->pdev))
		goto out;
	if (time_after(jiffies, pn->failed + PVNET_CALM))
		pn->failures = 0;
	pn->failed = jiffies;
	if (pn->failures++ == PVNET_RECOVERIES) {
		netdev_err(pn->dev, "stays broken; take it down and up to try again\n");
		if (pn->up)
			pvnet_down(pn);
		goto out;
	}
	pn->recoveries++;
	if (pn->up)
		pvnet_down(pn);
	if (pvnet_up(pn))
		pvnet_broken(pn);
	else
		netdev_info(pn->dev, "started again\n");
out:
	rtnl_unlock();
}

/* ---- the link ---- */

/* What the device does not have reads as 0. */
static int pvnet_config(struct pvnet *pn, struct virtio_net_config *config)
{
	unsigned int length = min_t(unsigned int, sizeof(*config), pn->pdev->config_size);

	memset(config, 0, sizeof(*config));
	return pv_config_read(pn->pdev, 0, config, length);
}

/* RTNL, while up. */
static void pvnet_link(struct pvnet *pn)
{
	struct virtio_net_config config;
	bool up = true;
	int error;

	error = pvnet_config(pn, &config);
	if (error) {
		netdev_warn(pn->dev, "the state of its link cannot be read (%d)\n", error);
		queue_delayed_work(system_freezable_wq, &pn->changed, HZ);
		return;
	}
	if (pv_has(pn->pdev, VIRTIO_NET_F_STATUS))
		up = pv_to_cpu16(config.status) & VIRTIO_NET_S_LINK_UP;
	if (pv_has(pn->pdev, VIRTIO_NET_F_SPEED_DUPLEX)) {
		u32 speed = le32_to_cpu(config.speed);

		if (ethtool_validate_speed(speed))
			pn->speed = speed;
		if (ethtool_validate_duplex(config.duplex))
			pn->duplex = config.duplex;
	}
	if (up)
		netif_carrier_on(pn->dev);
	else
		netif_carrier_off(pn->dev);
}

static void pvnet_changed_work(struct work_struct *work)
{
	struct pvnet *pn = container_of(to_delayed_work(work), struct pvnet, changed);

	rtnl_lock();
	if (pv_device_gone(pn->pdev))
		netif_carrier_off(pn->dev);
	else if (pn->up && pv_device_broken(pn->pdev))
		pvnet_broken(pn);
	else if (pn->up)
		pvnet_link(pn);
	rtnl_unlock();
}

static void pvnet_changed(struct pv_device *pdev)
{
	struct pvnet *pn = pdev->priv;

	mod_delayed_work(system_freezable_wq, &pn->changed, 0);
}

/* ---- up and down ---- */

int pvnet_rings_create(struct pvnet *pn)
{
	int error = 0;

	if (pn->stuck)
		return -EBUSY;
	if (pn->rx.ring && pn->rx.ring->entries != pn->rx_entries)
		pvnet_rx_destroy(&pn->rx);
	if (pn->tx.ring && pn->tx.ring->entries != pn->tx_entries)
		pvnet_tx_destroy(&pn->tx);
	if (!pn->rx.ring)
		error = pvnet_rx_create(&pn->rx, pn->rx_entries);
	if (!error && !pn->tx.ring)
		error = pvnet_tx_create(&pn->tx, pn->tx_entries);
	return error;
}

static int pvnet_rings_enable(struct pvnet *pn)
{
	int error = pvring_enable(pn->rx.ring);

	if (!error)
		error = pvring_enable(pn->tx.ring);
	if (!error && pn->control.ring)
		error = pvring_enable(pn->control.ring);
	return error;
}

/* The device has nothing of ours. */
static void pvnet_empty(struct pvnet *pn)
{
	pn->stuck = false;
	if (pn->rx.ring)
		pvnet_rx_empty(&pn->rx);
	if (pn->tx.ring)
		pvnet_tx_empty(&pn->tx);
}

/* Stop a device that may have been started. */
static void pvnet_reset(struct pvnet *pn)
{
	int error = pv_device_reset(pn->pdev);

	if (error && error != -ENODEV)
		pn->stuck = true;
	else
		pvnet_empty(pn);
}

int pvnet_up(struct pvnet *pn)
{
	int error = pn->fresh ? 0 : pv_device_restart(pn->pdev);

	if (error)
		return error;
	pn->fresh = false;
	pn->stuck = false;	/* after a reset nothing is with it, also if this was not known before */
	error = pvnet_rings_create(pn);
	if (error)
		return error;
	pvnet_empty(pn);
	error = pvnet_rings_enable(pn);
	if (!error && !pvnet_rx_fill(&pn->rx, GFP_KERNEL))
		error = -ENOMEM;
	if (error) {
		pvnet_reset(pn);
		return error;
	}
	pvring_disarm(pn->tx.ring);
	pvring_publish(pn->rx.ring);
	/* Before the start: an interrupt comes once. */
	napi_enable(&pn->rx.napi);
	napi_enable(&pn->tx.napi);
	error = pv_device_start(pn->pdev);
	if (error) {
		napi_disable(&pn->tx.napi);
		napi_disable(&pn->rx.napi);
		del_timer_sync(&pn->nudge);
		pvnet_reset(pn);
		return error;
	}
	pn->up = true;
	pvnet_control_start(pn);
	pvnet_link(pn);
	pvnet_tx_open(&pn->tx);
	return 0;
}

void pvnet_down(struct pvnet *pn)
{
	netif_carrier_off(pn->dev);
	pvnet_control_stop(pn);
	napi_disable(&pn->rx.napi);
	napi_disable(&pn->tx.napi);
	/* Last, since the polls could wake it. */
	netif_tx_disable(pn->dev);
	del_timer_sync(&pn->nudge);
	pn->up = false;
	pvnet_reset(pn);
}

/* ---- the interface ---- */

static int pvnet_open(struct net_device *dev)
{
	struct pvnet *pn = netdev_priv(dev);

	pn->failures = 0;
	return pvnet_up(pn);
}

static int pvnet_stop(struct net_device *dev)
{
	struct pvnet *pn = netdev_priv(dev);

	if (pn->up)
		pvnet_down(pn);
	return 0;
}

static void pvnet_get_stats64(struct net_device *dev, struct rtnl_link_stats64 *total)
{
	const struct pvnet *pn = netdev_priv(dev);
	const struct pvnet_rx_stats *rx = &pn->rx.stats;
	const struct pvnet_tx_stats *tx = &pn->tx.stats;

	total->rx_packets = READ_ONCE(rx->packets);
	total->rx_bytes = READ_ONCE(rx->bytes);
	total->rx_dropped = READ_ONCE(rx->drops);
	total->rx_length_errors = READ_ONCE(rx->length_errors);
	total->rx_frame_errors = READ_ONCE(rx->header_errors);
	total->rx_errors = total->rx_length_errors + total->rx_frame_errors;
	total->tx_packets = READ_ONCE(tx->packets);
	total->tx_bytes = READ_ONCE(tx->bytes);
	total->tx_dropped = READ_ONCE(tx->drops);
}

static int pvnet_set_mac_address(struct net_device *dev, void *address)
{
	struct pvnet *pn = netdev_priv(dev);
	struct sockaddr *sockaddr = address;
	int error = eth_prepare_mac_addr_change(dev, address);

	if (!error)
		error = pvnet_control_mac(pn, sockaddr->sa_data);
	if (error)
		return error;
	eth_commit_mac_addr_change(dev, address);
	return 0;
}

static int pvnet_change_mtu(struct net_device *dev, int mtu)
{
	struct pvnet *pn = netdev_priv(dev);
	int error = 0;

	dev->mtu = mtu;
	/* Buffers that hold whole frames are too small now; others follow the frames. */
	if (!pn->mergeable && pn->up) {
		pvnet_down(pn);
		error = pvnet_up(pn);
		if (error)
			pvnet_broken(pn);
	}
	return error;
}

static int pvnet_vlan_add(struct net_device *dev, __be16 proto, u16 id)
{
	struct pvnet *pn = netdev_priv(dev);

	__set_bit(id, pn->vlans);
	return pvnet_control_vlan(pn, id, true);
}

static int pvnet_vlan_kill(struct net_device *dev, __be16 proto, u16 id)
{
	struct pvnet *pn = netdev_priv(dev);

	__clear_bit(id, pn->vlans);
	return pvnet_control_vlan(pn, id, false);
}

static int pvnet_set_features(struct net_device *dev, netdev_features_t features)
{
	if (!((dev->features ^ features) & (NETIF_F_RXCSUM | NETIF_F_GRO_HW)))
		return 0;
	return pvnet_control_offloads(netdev_priv(dev), features);
}

static const struct net_device_ops pvnet_netdev_ops = {
	.ndo_open = pvnet_open,
	.ndo_stop = pvnet_stop,
	.ndo_start_xmit = pvnet_tx_start,
	.ndo_get_stats64 = pvnet_get_stats64,
	.ndo_set_rx_mode = pvnet_control_rx_mode,
	.ndo_set_mac_address = pvnet_set_mac_address,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_change_mtu = pvnet_change_mtu,
	.ndo_vlan_rx_add_vid = pvnet_vlan_add,
	.ndo_vlan_rx_kill_vid = pvnet_vlan_kill,
	.ndo_set_features = pvnet_set_features,
	.ndo_features_check = passthru_features_check,
};

/* ---- the device ---- */

static void pvnet_offloads_offer(struct pvnet *pn)
{
	const struct pv_device *pdev = pn->pdev;
	struct net_device *dev = pn->dev;

	dev->features = NETIF_F_HIGHDMA | NETIF_F_SG | NETIF_F_GSO_ROBUST;
	dev->hw_features = NETIF_F_SG;
	if (pv_has(pdev, VIRTIO_NET_F_CSUM)) {
		dev->hw_features |= NETIF_F_HW_CSUM;
		if (pv_has(pdev, VIRTIO_NET_F_HOST_TSO4))
			dev->hw_features |= NETIF_F_TSO;
		if (pv_has(pdev, VIRTIO_NET_F_HOST_TSO6))
			dev->hw_features |= NETIF_F_TSO6;
		if (pv_has(pdev, VIRTIO_NET_F_HOST_ECN))
			dev->hw_features |= NETIF_F_TSO_ECN;
	}
	dev->features |= dev->hw_features;
	if (pv_has(pdev, VIRTIO_NET_F_GUEST_CSUM)) {
		dev->features |= NETIF_F_RXCSUM;
		if (pdev->features & GUEST_TSO)
			dev->features |= NETIF_F_GRO_HW;
	}
	if (pv_has(pdev, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))
		dev->hw_features |= dev->features & (NETIF_F_RXCSUM | NETIF_F_GRO_HW);
	dev->vlan_features = dev->features;
	if (pv_has(pdev, VIRTIO_NET_F_CTRL_VLAN))
		dev->features |= NETIF_F_HW_VLAN_CTAG_FILTER;
}

static int pvnet_config_take(struct pvnet *pn)
{
	struct net_device *dev = pn->dev;
	struct virtio_net_config config;
	int error = pvnet_config(pn, &config);

	if (error)
		return error;
	dev->min_mtu = ETH_MIN_MTU;
	dev->max_mtu = pvnet_rx_mtu_max(pn->mergeable);
	if (pv_has(pn->pdev, VIRTIO_NET_F_MTU)) {
		unsigned int mtu = pv_to_cpu16(config.mtu);

		if (mtu < dev->min_mtu || mtu > dev->max_mtu)
			return -EINVAL;
		dev->max_mtu = mtu;
		dev->mtu = min(dev->mtu, mtu);
		if (mtu > ETH_DATA_LEN)
			dev->mtu = mtu;
	}
	if (pv_has(pn->pdev, VIRTIO_NET_F_MAC) && is_valid_ether_addr(config.mac))
		eth_hw_addr_set(dev, config.mac);
	else
		eth_hw_addr_random(dev);
	return 0;
}

static void pvnet_init(struct pvnet *pn, struct pv_device *pdev, struct net_device *dev)
{
	pn->dev = dev;
	pn->pdev = pdev;
	pdev->priv = pn;
	pn->rx.pn = pn;
	pn->tx.pn = pn;
	pn->tx.holder = -1;
	pn->fresh = true;
	pn->copybreak = PVNET_COPYBREAK;
	pn->rx_entries = rounddown_pow_of_two(min(pdev->queue_size ?: 1, PVNET_ENTRIES));
	pn->tx_entries = pn->rx_entries;
	pn->speed = SPEED_UNKNOWN;
	pn->duplex = DUPLEX_UNKNOWN;
	pn->failed = jiffies;
	snprintf(pn->rx.name, sizeof(pn->rx.name), "%s-rx", dev_name(&pdev->dev));
	snprintf(pn->tx.name, sizeof(pn->tx.name), "%s-tx", dev_name(&pdev->dev));
	timer_setup(&pn->nudge, pvnet_nudged, 0);
	INIT_DELAYED_WORK(&pn->changed, pvnet_changed_work);
	INIT_DELAYED_WORK(&pn->recovery, pvnet_recover);

	/* A chain of any length takes one slot, but only with tables. */
	pn->mergeable = pv_has(pdev, VIRTIO_NET_F_MRG_RXBUF);
	if (!pn->mergeable && pdev->features & GUEST_TSO) {
		/* Each buffer would have to be 64 KiB large. */
		pdev->features &= ~GUEST_TSO;
		pn->fresh = false;
	}
	dev->netdev_ops = &pvnet_netdev_ops;
	dev->ethtool_ops = &pvnet_ethtool_ops;
	dev->needed_headroom = PVNET_HEADER;
	dev->priv_flags |= IFF_LIVE_ADDR_CHANGE | IFF_TX_SKB_NO_LINEAR;
	if (pv_has(pdev, VIRTIO_NET_F_CTRL_RX))
		dev->priv_flags |= IFF_UNICAST_FLT;
	SET_NETDEV_DEV(dev, &pdev->dev);
	pvnet_offloads_offer(pn);
	netif_napi_add(dev, &pn->rx.napi, pvnet_rx_poll);
	netif_napi_add_tx(dev, &pn->tx.napi, pvnet_tx_poll);
}

static void pvnet_rings_destroy(struct pvnet *pn)
{
	if (pn->rx.ring)
		pvnet_rx_destroy(&pn->rx);
	if (pn->tx.ring)
		pvnet_tx_destroy(&pn->tx);
	pvnet_control_destroy(pn);
}

static int pvnet_probe(struct pv_device *pdev)
{
	struct net_device *dev;
	struct pvnet *pn;
	int error;

	if (!pv_has(pdev, VIRTIO_RING_F_INDIRECT_DESC)) {
		dev_err(&pdev->dev, "has no indirect descriptors\n");
		return -EOPNOTSUPP;
	}
	dev = alloc_etherdev(sizeof(*pn));
	if (!dev)
		return -ENOMEM;
	pn = netdev_priv(dev);
	pvnet_init(pn, pdev, dev);
	error = pvnet_config_take(pn);
	if (!error)
		error = pvnet_rings_create(pn);
	if (!error)
		error = pvnet_control_create(pn);
	if (!error) {
		netif_carrier_off(dev);
		error = register_netdev(dev);
	}
	if (error) {
		dev_err(&pdev->dev, "network card cannot be used (%d)\n", error);
		pvnet_rings_destroy(pn);
		free_netdev(dev);
	}
	return error;
}

static void pvnet_remove(struct pv_device *pdev)
{
	struct pvnet *pn = pdev->priv;

	unregister_netdev(pn->dev);
	cancel_delayed_work_sync(&pn->changed);
	cancel_delayed_work_sync(&pn->recovery);
	if (pn->stuck)
		pvnet_reset(pn);
	if (pn->stuck) {
		/* Not ours as long as the device may write there. */
		dev_err(&pdev->dev, "memory of its queues is lost\n");
		return;
	}
	pvnet_rings_destroy(pn);
	free_netdev(pn->dev);
}

static int pvnet_freeze(struct pv_device *pdev)
{
	struct pvnet *pn = pdev->priv;

	rtnl_lock();
	netif_device_detach(pn->dev);
	if (pn->up)
		pvnet_down(pn);
	rtnl_unlock();
	cancel_delayed_work_sync(&pn->changed);
	cancel_delayed_work_sync(&pn->recovery);
	if (!pn->stuck)
		return 0;
	netif_device_attach(pn->dev);
	pvnet_broken(pn);
	return -EIO;
}

static int pvnet_restore(struct pv_device *pdev)
{
	struct pvnet *pn = pdev->priv;
	int error = 0;

	rtnl_lock();
	pn->fresh = false;	/* the bus does not say whether it succeeded */
	if (netif_running(pn->dev)) {
		error = pvnet_up(pn);
		if (error)
			pvnet_broken(pn);
	}
	netif_device_attach(pn->dev);
	rtnl_unlock();
	return error;
}

static void pvnet_shutdown(struct pv_device *pdev)
{
	struct pvnet *pn = pdev->priv;

	rtnl_lock();
	netif_device_detach(pn->dev);
	if (pn->up)
		pvnet_down(pn);
	rtnl_unlock();
}

static struct pv_driver pvnet_driver = {
	.driver.name = KBUILD_MODNAME,
	.type = VIRTIO_ID_NET,
	.features = FEATURES,
	.probe = pvnet_probe,
	.remove = pvnet_remove,
	.changed = pvnet_changed,
	.freeze = pvnet_freeze,
	.restore = pvnet_restore,
	.shutdown = pvnet_shutdown,
};
module_pv_driver(pvnet_driver);

MODULE_ALIAS("ring3:t00000001");
MODULE_DESCRIPTION("Paravirtual network card of ring3");
MODULE_LICENSE("GPL");
