/* SPDX-License-Identifier: MIT */
/*
 * Registers, descriptors and their bits: PCI/PCI-X Family of Gigabit Ethernet
 * Controllers Software Developer's Manual (Intel 317453, "SDM" in e1000*.c), chapters
 * 3 (descriptors) and 13 (registers).  Byte offsets; every register is 32 bits wide.
 */
#ifndef RING3_DEVICE_E1000_REGS_H
#define RING3_DEVICE_E1000_REGS_H

enum e1000_register {
	E1000_CTRL	= 0x0000,
	E1000_CTRL_DUP	= 0x0004,
	E1000_STATUS	= 0x0008,
	E1000_EECD	= 0x0010,
	E1000_EERD	= 0x0014,
	E1000_CTRL_EXT	= 0x0018,
	E1000_MDIC	= 0x0020,
	E1000_FCAL	= 0x0028,
	E1000_FCAH	= 0x002c,
	E1000_FCT	= 0x0030,
	E1000_VET	= 0x0038,
	E1000_ICR	= 0x00c0,
	E1000_ITR	= 0x00c4,
	E1000_ICS	= 0x00c8,
	E1000_IMS	= 0x00d0,
	E1000_IMC	= 0x00d8,
	E1000_RCTL	= 0x0100,
	E1000_FCTTV	= 0x0170,
	E1000_TXCW	= 0x0178,
	E1000_TCTL	= 0x0400,
	E1000_TIPG	= 0x0410,
	E1000_AIT	= 0x0458,
	E1000_LEDCTL	= 0x0e00,
	E1000_PBA	= 0x1000,
	E1000_FCRTL	= 0x2160,
	E1000_FCRTH	= 0x2168,
	E1000_RDFH	= 0x2410,	/* and four more of the FIFO's pointers, diagnostics */
	E1000_RDBAL	= 0x2800,
	E1000_RDBAH	= 0x2804,
	E1000_RDLEN	= 0x2808,
	E1000_RDH	= 0x2810,
	E1000_RDT	= 0x2818,
	E1000_RDTR	= 0x2820,
	E1000_RXDCTL	= 0x2828,
	E1000_RADV	= 0x282c,
	E1000_RSRPD	= 0x2c00,
	E1000_TDFH	= 0x3410,
	E1000_TDBAL	= 0x3800,
	E1000_TDBAH	= 0x3804,
	E1000_TDLEN	= 0x3808,
	E1000_TDH	= 0x3810,
	E1000_TDT	= 0x3818,
	E1000_TIDV	= 0x3820,
	E1000_TXDCTL	= 0x3828,
	E1000_TADV	= 0x382c,
	E1000_TSPMT	= 0x3830,
	E1000_STATS	= 0x4000,
	E1000_STATS_END	= 0x4100,
	E1000_RXCSUM	= 0x5000,
	E1000_MTA	= 0x5200,	/* 128 */
	E1000_RAL	= 0x5400,	/* 16 pairs RAL, RAH */
	E1000_VFTA	= 0x5600,	/* 128 */
	E1000_WUC	= 0x5800,
	E1000_WUFC	= 0x5808,
	E1000_MANC	= 0x5820,
	E1000_IPAV	= 0x5838,
	E1000_IP4AT	= 0x5840,
	E1000_IP6AT	= 0x5880,
	E1000_WUPL	= 0x5900,
	E1000_WUPM	= 0x5a00,
	E1000_FFLT	= 0x5f00,
	E1000_STORED	= 0x6000,	/* what lies above (filter masks, packet buffer) reads as 0 */
	E1000_SPACE	= 0x20000,
};

/* Statistics (13.7); each is cleared by being read. */
enum e1000_statistic {
	E1000_MPC	= 0x4010,	/* missed: no room */
	E1000_PRC64	= 0x405c,	/* received by size: 64, -127, -255, -511, -1023, -max */
	E1000_GPRC	= 0x4074,
	E1000_BPRC	= 0x4078,
	E1000_MPRC	= 0x407c,
	E1000_GPTC	= 0x4080,
	E1000_GORCL	= 0x4088,	/* 64-bit; cleared when the high half is read */
	E1000_GOTCL	= 0x4090,
	E1000_RNBC	= 0x40a0,
	E1000_RUC	= 0x40a4,
	E1000_ROC	= 0x40ac,
	E1000_TORL	= 0x40c0,
	E1000_TOTL	= 0x40c8,
	E1000_TPR	= 0x40d0,
	E1000_TPT	= 0x40d4,
	E1000_PTC64	= 0x40d8,	/* sent by size, as above */
	E1000_MPTC	= 0x40f0,
	E1000_BPTC	= 0x40f4,
	E1000_TSCTC	= 0x40f8,
	E1000_TSCTFC	= 0x40fc,
};

#define CTRL_FD			(1u << 0)
#define CTRL_SLU		(1u << 6)
#define CTRL_SPEED_SHIFT	8
#define CTRL_FRCSPD		(1u << 11)
#define CTRL_FRCDPLX		(1u << 12)
#define CTRL_RST		(1u << 26)
#define CTRL_VME		(1u << 30)
#define CTRL_PHY_RST		(1u << 31)

#define STATUS_FD		(1u << 0)
#define STATUS_LU		(1u << 1)
#define STATUS_TXOFF		(1u << 4)
#define STATUS_SPEED_SHIFT	6
#define STATUS_ASDV_SHIFT	8

#define CTRL_EXT_EE_RST		(1u << 13)

#define ICR_TXDW		(1u << 0)
#define ICR_TXQE		(1u << 1)
#define ICR_LSC			(1u << 2)
#define ICR_RXDMT0		(1u << 4)
#define ICR_RXO			(1u << 6)
#define ICR_RXT0		(1u << 7)
#define ICR_MDAC		(1u << 9)
#define ICR_TXD_LOW		(1u << 15)
#define ICR_SRPD		(1u << 16)
#define ICR_KNOWN		0x0001ffffu

#define RCTL_EN			(1u << 1)
#define RCTL_UPE		(1u << 3)
#define RCTL_MPE		(1u << 4)
#define RCTL_LPE		(1u << 5)
#define RCTL_LBM		(3u << 6)
#define RCTL_RDMTS_SHIFT	8
#define RCTL_MO_SHIFT		12
#define RCTL_BAM		(1u << 15)
#define RCTL_BSIZE_SHIFT	16
#define RCTL_VFE		(1u << 18)
#define RCTL_CFIEN		(1u << 19)
#define RCTL_CFI		(1u << 20)
#define RCTL_BSEX		(1u << 25)
#define RCTL_SECRC		(1u << 26)

#define RDTR_FPD		(1u << 31)

#define TCTL_EN			(1u << 1)
#define TCTL_PSP		(1u << 3)

#define RXCSUM_PCSS		0xffu
#define RXCSUM_IPOFLD		(1u << 8)
#define RXCSUM_TUOFLD		(1u << 9)
#define RXCSUM_IPV6OFL		(1u << 10)

#define RAH_AV			(1u << 31)
#define RAH_AS			(3u << 16)

/* Transmit descriptors (3.3): two 64-bit words; DTYP and below in the high one. */
#define TXD_LENGTH(d)		((uint32_t)(d) & 0xffff)	/* legacy */
#define TXD_CSO(d)		((uint32_t)(d) >> 16 & 0xff)
#define TXD_CSS(d)		((uint32_t)((d) >> 40) & 0xff)
#define TXD_DTALEN(d)		((uint32_t)(d) & 0xfffff)	/* extended; PAYLEN in a context */
#define TXD_DTYP(d)		((uint32_t)(d) >> 20 & 15)
#define TXD_POPTS(d)		((uint32_t)((d) >> 40) & 0xff)	/* HDRLEN in a context */
#define TXD_SPECIAL(d)		((uint16_t)((d) >> 48))		/* MSS in a context */
#define TXD_COMMAND(d)		((uint32_t)(d) >> 24)
#define TXD_EOP			(1u << 0)
#define TXD_IFCS		(1u << 1)
#define TXD_IC			(1u << 2)	/* legacy */
#define TXD_TSE			(1u << 2)	/* extended */
#define TXD_RS			(1u << 3)
#define TXD_RPS			(1u << 4)
#define TXD_DEXT		(1u << 5)
#define TXD_VLE			(1u << 6)
#define TXD_IDE			(1u << 7)
#define TXD_TUCMD_TCP		(1u << 0)
#define TXD_TUCMD_IP		(1u << 1)
#define TXD_DTYP_CONTEXT	0
#define TXD_DTYP_DATA		1
#define TXD_POPTS_IXSM		(1u << 0)
#define TXD_POPTS_TXSM		(1u << 1)
#define TXD_DD			(1ull << 32)

/* Receive descriptors (3.2.3): length, checksum, status, errors, special in the high word. */
#define RXD_DD			(1u << 0)
#define RXD_EOP			(1u << 1)
#define RXD_IXSM		(1u << 2)
#define RXD_VP			(1u << 3)
#define RXD_TCPCS		(1u << 5)
#define RXD_IPCS		(1u << 6)
#define RXD_PIF			(1u << 7)
#define RXD_TCPE		(1u << 5)	/* of errors */
#define RXD_IPE			(1u << 6)

/* EECD (13.4.3), EERD, MDIC (13.4.8). */
#define EECD_SK			(1u << 0)
#define EECD_CS			(1u << 1)
#define EECD_DI			(1u << 2)
#define EECD_DO			(1u << 3)
#define EECD_REQ		(1u << 6)
#define EECD_GNT		(1u << 7)
#define EECD_PRES		(1u << 8)
#define EERD_START		(1u << 0)
#define EERD_DONE		(1u << 4)
#define MDIC_WRITE		(1u << 26)
#define MDIC_READ		(2u << 26)
#define MDIC_READY		(1u << 28)
#define MDIC_IRQ		(1u << 29)
#define MDIC_ERROR		(1u << 30)

#endif
