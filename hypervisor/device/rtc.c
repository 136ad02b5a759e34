/* SPDX-License-Identifier: MIT */
/*
 * The MC146818 real-time clock (Motorola data sheet; PC wiring).
 *
 * Time is the host's wall clock, in UTC, plus what the guest added when it set
 * the clock; nothing ticks while no interrupt is enabled.  The update cycle is
 * computed: UIP shows during the last 244 us of a second, and the update ends on
 * the second.  One timer serves the three interrupt sources: periodic (PF), update
 * ended (UF) and alarm (AF); it runs only for those that are enabled in register B.
 * Flags of sources that are not enabled are worked out when register C is read.
 */
#include "device/rtc.h"

#include "base/clock.h"
#include "device/irq.h"
#include "machine/bus.h"
#include "machine/timer.h"

#define NS_PER_S	1000000000L
#define DAY		86400L
#define UIP_NS		244000L

enum {
	R_SECOND, R_SECOND_ALARM, R_MINUTE, R_MINUTE_ALARM, R_HOUR, R_HOUR_ALARM, R_WEEKDAY,
	R_DAY, R_MONTH, R_YEAR, R_A, R_B, R_C, R_D,
};

#define A_UIP		0x80
#define A_DIVIDER_RESET	0x60	/* 110 and 111: the clock stands */
#define B_SET		0x80
#define B_PERIODIC	0x40	/* the interrupt enables sit where C has the flags */
#define B_ALARM		0x20
#define B_UPDATE	0x10
#define B_BINARY	0x04
#define B_24H		0x02
#define C_IRQ		0x80
#define C_FLAGS		0x70
#define D_VALID		0x80
#define ALARM_ANY	0xc0	/* "don't care" in an alarm byte */

struct date {
	int year, month, day, hour, minute, second, weekday;	/* month, day, weekday from 1 */
};

static struct {
	uint8_t index;
	uint8_t cmos[128];		/* alarm and control registers, and plain memory */
	int64_t offset;			/* guest's wall clock - host's, ns */
	struct date held;		/* what the registers show while SET holds the clock */
	int64_t noted;			/* second up to which UF and AF are accounted for */
	uint64_t periodic_start;	/* clock_ns() of phase zero */
	uint64_t periodic_noted;	/* periods accounted for in PF */
	struct timer timer;
} rtc;

/* ---- calendar ---- */

/* Days since 1970-01-01 of a civil date (years from March: leap days come last). */
static int64_t days_from_date(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = y / 400;
	int64_t in_era = y - era * 400;
	int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static void date_from_seconds(int64_t seconds, struct date *d)
{
	int64_t days = seconds / DAY, rest = seconds % DAY;

	if (rest < 0) {
		rest += DAY;
		days--;
	}
	d->hour = (int)(rest / 3600);
	d->minute = (int)(rest / 60 % 60);
	d->second = (int)(rest % 60);
	d->weekday = (int)(((days + 4) % 7 + 7) % 7) + 1;	/* 1: Sunday */

	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t in_era = z - era * 146097;
	int64_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	int64_t in_year = in_era - (365 * y + y / 4 - y / 100);
	int64_t m = (5 * in_year + 2) / 153;

	d->day = (int)(in_year - (153 * m + 2) / 5 + 1);
	d->month = (int)(m < 10 ? m + 3 : m - 9);
	d->year = (int)(y + era * 400 + (d->month <= 2));
}

/* A garbled date (a guest may write anything) must not confuse the arithmetic. */
static int clamp(int value, int low, int high)
{
	return value < low ? low : value > high ? high : value;
}

static int64_t seconds_from_date(const struct date *d)
{
	/* Nanoseconds since 1970 fit 64 bits up to 2262. */
	int year = clamp(d->year, 1900, 2199);

	return days_from_date(year, d->month, d->day) * DAY + d->hour * 3600 + d->minute * 60 +
	       d->second;
}

/* ---- the clock ---- */

static bool held(void)
{
	return (rtc.cmos[R_B] & B_SET) || (rtc.cmos[R_A] & A_DIVIDER_RESET) == A_DIVIDER_RESET;
}

static int64_t guest_ns(void)
{
	return (int64_t)clock_realtime_ns() + rtc.offset;
}

static int64_t floor_seconds(int64_t ns)
{
	return ns >= 0 ? ns / NS_PER_S : -((-ns + NS_PER_S - 1) / NS_PER_S);
}

static int64_t guest_seconds(void)
{
	return floor_seconds(guest_ns());
}

static uint8_t encode(int value)
{
	if (rtc.cmos[R_B] & B_BINARY)
		return (uint8_t)value;
	return (uint8_t)(value / 10 << 4 | value % 10);
}

static int decode(uint8_t raw)
{
	if (rtc.cmos[R_B] & B_BINARY)
		return raw;
	return (raw >> 4) * 10 + (raw & 15);
}

static uint8_t encode_hour(int hour)
{
	if (rtc.cmos[R_B] & B_24H)
		return encode(hour);
	return encode(hour % 12 ? hour % 12 : 12) | (hour >= 12 ? 0x80 : 0);
}

static int decode_hour(uint8_t raw)
{
	if (rtc.cmos[R_B] & B_24H)
		return decode(raw);
	return decode(raw & 0x7f) % 12 + (raw & 0x80 ? 12 : 0);
}

/* ---- interrupts ---- */

/* ns per periodic event; 0: off. */
static uint64_t period(void)
{
	unsigned rate = rtc.cmos[R_A] & 15;

	if (!rate || (rtc.cmos[R_A] & A_DIVIDER_RESET) == A_DIVIDER_RESET)
		return 0;
	if (rate < 3)
		rate += 7;	/* 1 and 2 repeat 8 and 9 with a 32 kHz crystal */
	return ((1UL << (rate - 1)) * (uint64_t)NS_PER_S) >> 15;
}

static int alarm_field(unsigned reg, int (*convert)(uint8_t))
{
	return (rtc.cmos[reg] & ALARM_ANY) == ALARM_ANY ? -1 : convert(rtc.cmos[reg]);
}

/* The first second after `after` at which the alarm matches; -1: none does. */
static int64_t alarm_after(int64_t after)
{
	int second = alarm_field(R_SECOND_ALARM, decode);
	int minute = alarm_field(R_MINUTE_ALARM, decode);
	int hour = alarm_field(R_HOUR_ALARM, decode_hour);
	int64_t t = after + 1, end = after + 2 * DAY;

	if (second > 59 || minute > 59 || hour > 23)
		return -1;
	/* At most a day of steps, taken in the largest unit that does not match. */
	while (t <= end) {
		int64_t in_day = (t % DAY + DAY) % DAY;

		if (hour >= 0 && in_day / 3600 != hour)
			t += 3600 - in_day % 3600;
		else if (minute >= 0 && in_day / 60 % 60 != minute)
			t += 60 - in_day % 60;
		else if (second >= 0 && in_day % 60 != second)
			t++;
		else
			return t;
	}
	return -1;
}

/* Bring the flags of register C up to now. */
static void flags_update(void)
{
	uint64_t p = period(), now = clock_ns();

	if (p) {
		uint64_t periods = now < rtc.periodic_start ? 0 : (now - rtc.periodic_start) / p;

		if (periods > rtc.periodic_noted)
			rtc.cmos[R_C] |= B_PERIODIC;
		rtc.periodic_noted = periods;
	}
	if (held())
		return;

	int64_t second = guest_seconds();

	if (second > rtc.noted) {
		int64_t alarm = alarm_after(rtc.noted);

		rtc.cmos[R_C] |= B_UPDATE;
		if (alarm >= 0 && alarm <= second)
			rtc.cmos[R_C] |= B_ALARM;
	}
	/* The host's clock may have been set back: begin anew from there. */
	rtc.noted = second;
}

static void line_update(void)
{
	bool asserted = rtc.cmos[R_B] & rtc.cmos[R_C] & C_FLAGS;

	rtc.cmos[R_C] = (rtc.cmos[R_C] & C_FLAGS) | (asserted ? C_IRQ : 0);
	irq_set(IRQ_GSI_RTC, asserted);
}

static void schedule(void)
{
	uint64_t now = clock_ns(), next = TIMER_NEVER, p = period();
	uint8_t enables = rtc.cmos[R_B];

	if ((enables & B_PERIODIC) && p)
		next = rtc.periodic_start + (rtc.periodic_noted + 1) * p;
	if ((enables & (B_UPDATE | B_ALARM)) && !held()) {
		int64_t at = rtc.noted + 1;

		if (!(enables & B_UPDATE))
			at = alarm_after(rtc.noted);
		if (at >= 0) {
			int64_t wait = at * NS_PER_S - guest_ns();

			next = min_u64(next, now + (uint64_t)(wait > 0 ? wait : 0));
		}
	}
	if (next == TIMER_NEVER)
		timer_cancel(&rtc.timer);
	else
		timer_arm(&rtc.timer, max_u64(next, now + 1000));
}

static void event(void *device)
{
	(void)device;
	flags_update();
	line_update();
	schedule();
}

/* ---- registers ---- */

static uint8_t time_read(unsigned reg)
{
	struct date d = rtc.held;

	if (!held())
		date_from_seconds(guest_seconds(), &d);
	switch (reg) {
	case R_SECOND:		return encode(d.second);
	case R_MINUTE:		return encode(d.minute);
	case R_HOUR:		return encode_hour(d.hour);
	case R_WEEKDAY:		return encode(d.weekday);
	case R_DAY:		return encode(d.day);
	case R_MONTH:		return encode(d.month);
	case R_YEAR:		return encode(d.year % 100);
	default:		return encode(d.year / 100);
	}
}

static void time_write(unsigned reg, uint8_t raw)
{
	struct date d = rtc.held;
	int64_t fraction = 0;

	if (!held()) {
		int64_t now = guest_ns();

		date_from_seconds(floor_seconds(now), &d);
		fraction = now - floor_seconds(now) * NS_PER_S;
	}
	switch (reg) {
	case R_SECOND:	d.second = clamp(decode(raw), 0, 59); break;
	case R_MINUTE:	d.minute = clamp(decode(raw), 0, 59); break;
	case R_HOUR:	d.hour = clamp(decode_hour(raw), 0, 23); break;
	case R_DAY:	d.day = clamp(decode(raw), 1, 31); break;
	case R_MONTH:	d.month = clamp(decode(raw), 1, 12); break;
	case R_YEAR:	d.year = d.year / 100 * 100 + clamp(decode(raw), 0, 99); break;
	case R_WEEKDAY:	break;	/* follows from the date */
	default:	d.year = clamp(decode(raw), 0, 99) * 100 + d.year % 100; break;
	}
	if (held()) {
		rtc.held = d;
		return;
	}
	rtc.offset = seconds_from_date(&d) * NS_PER_S + fraction - (int64_t)clock_realtime_ns();
	rtc.noted = guest_seconds();
}

static void hold_changed(bool before)
{
	if (held() == before)
		return;
	if (!before) {
		date_from_seconds(guest_seconds(), &rtc.held);
		return;
	}
	/* Let go: the divider restarts, the first update comes after half a second. */
	rtc.offset = seconds_from_date(&rtc.held) * NS_PER_S + NS_PER_S / 2 -
		     (int64_t)clock_realtime_ns();
	rtc.noted = guest_seconds();
}

static uint8_t status_a(void)
{
	int64_t now = guest_ns();
	int64_t into = now - floor_seconds(now) * NS_PER_S;

	return rtc.cmos[R_A] | (!held() && into >= NS_PER_S - UIP_NS ? A_UIP : 0);
}

static uint8_t register_read(unsigned reg)
{
	uint8_t value;

	switch (reg) {
	case R_SECOND: case R_MINUTE: case R_HOUR: case R_WEEKDAY: case R_DAY: case R_MONTH:
	case R_YEAR: case RTC_CENTURY:
		return time_read(reg);
	case R_A:
		return status_a();
	case R_C:
		flags_update();
		line_update();
		value = rtc.cmos[R_C];
		rtc.cmos[R_C] = 0;
		line_update();
		schedule();
		return value;
	case R_D:
		return D_VALID;
	default:
		return rtc.cmos[reg];
	}
}

static void register_write(unsigned reg, uint8_t value)
{
	bool before = held();

	switch (reg) {
	case R_SECOND: case R_MINUTE: case R_HOUR: case R_WEEKDAY: case R_DAY: case R_MONTH:
	case R_YEAR: case RTC_CENTURY:
		time_write(reg, value);
		break;
	case R_A:
		if ((rtc.cmos[R_A] ^ value) & 0x7f) {
			rtc.cmos[R_A] = value & 0x7f;
			rtc.periodic_start = clock_ns();
			rtc.periodic_noted = 0;
		}
		hold_changed(before);
		break;
	case R_B:
		flags_update();
		/* SET also ends the update interrupt. */
		rtc.cmos[R_B] = value & B_SET ? value & (uint8_t)~B_UPDATE : value;
		hold_changed(before);
		break;
	case R_SECOND_ALARM: case R_MINUTE_ALARM: case R_HOUR_ALARM:
		flags_update();
		rtc.cmos[reg] = value;
		break;
	case R_C: case R_D:
		return;
	default:
		rtc.cmos[reg] = value;
		return;
	}
	line_update();
	schedule();
}

static uint64_t port_read(void *device, uint64_t offset, unsigned size)
{
	(void)device;
	(void)size;
	return offset ? register_read(rtc.index) : 0xff;
}

static void port_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	(void)device;
	(void)size;
	if (offset)
		register_write(rtc.index, (uint8_t)value);
	else
		rtc.index = value & 0x7f;	/* bit 7 masks NMI on real boards */
}

static const struct bus_ops port_ops = { .read = port_read, .write = port_write, .width = 1 };

static void size_put(unsigned reg, uint64_t value, unsigned bytes, uint64_t limit)
{
	value = min_u64(value, limit);
	for (unsigned i = 0; i < bytes; i++)
		rtc.cmos[reg + i] = (uint8_t)(value >> (8 * i));
}

int rtc_init(uint64_t low, uint64_t high)
{
	timer_init(&rtc.timer, event, NULL);
	rtc.cmos[R_A] = 0x26;		/* 32768 Hz, 1024 Hz periodic */
	rtc.cmos[R_B] = B_24H;
	rtc.offset = 0;
	rtc.noted = guest_seconds();
	rtc.periodic_start = clock_ns();
	/* Memory sizes: base and extended in KiB, above 16 MiB and above 4 GiB in 64 KiB. */
	size_put(0x15, 640, 2, 640);
	size_put(0x17, low > MIB ? (low - MIB) / KIB : 0, 2, 0xffff);
	size_put(0x30, low > MIB ? (low - MIB) / KIB : 0, 2, 0xffff);
	size_put(0x34, low > 16 * MIB ? (low - 16 * MIB) / (64 * KIB) : 0, 2, 0xffff);
	size_put(0x5b, high / (64 * KIB), 3, 0xffffff);
	return bus_add_pio(0x70, 2, &port_ops, &rtc, "rtc");
}
