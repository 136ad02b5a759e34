# SPDX-License-Identifier: MIT
"""Plots as SVG text to stand in an HTML page, by matplotlib.  available() is false where that is
not installed: the report then has tables only, and says so."""
import io
import math
import os
import re

from . import counters, host
from .results import label

matplotlib = pyplot = ticker = None

COLOURS = [
    "#5e9c6b",
    "#d08770",
    "#bf616a",
    "#88c0d0",
    "#b48ead",
    "#4c566a",
    "#ebcb8b",
    "#81a1c1",
    "#a3be8c",
    "#8f6f56",
    "#c0a0d0",
    "#999999",
    "#d8a0a8",
    "#607080",
    "#c8b060",
    "#7a9e9f",
]
SYSTEMS = {"native": "#4c566a", "ide": "#d08770", "virtio": "#ebcb8b", "pv": "#5e9c6b", "tcg": "#b9c3d3"}


def available():
    """Looked for when it is wanted: that takes a while, and a directory for what it keeps."""
    global matplotlib, pyplot, ticker
    if matplotlib:
        return True
    if host.WORK:
        os.environ.setdefault("MPLCONFIGDIR", os.path.join(host.WORK, "bench/matplotlib"))
    try:
        import matplotlib
        from matplotlib import pyplot, ticker
    except ImportError:
        matplotlib = None
        return False
    matplotlib.use("svg")
    return True


def _svg(figure, name):
    """Without what is not allowed within HTML, or says where and when it was made."""
    out = io.StringIO()
    matplotlib.rcParams["svg.fonttype"] = "none"
    matplotlib.rcParams["svg.hashsalt"] = name
    figure.savefig(
        out,
        format="svg",
        bbox_inches="tight",
        metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
    )
    pyplot.close(figure)
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    return re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)


def _colour(system, index):
    """The same in all plots, by the level of virtualization; TCG's are paler."""
    for word, colour in SYSTEMS.items():
        if system == word or system == "ring3-" + word:
            return colour
    tcg = {"tcg-ide": "#eac0ae", "tcg-virtio": "#f5e7c6", "tcg": SYSTEMS["tcg"], "ring3": SYSTEMS["virtio"]}
    return tcg.get(system, COLOURS[-1 - index % len(COLOURS)])


def _figure(value):
    return " {:,.0f}".format(value) if value >= 1000 else " %.3g" % value


def _bars(name, title, unit, groups, series, value, log=False):
    """Horizontal bars: a group a job, a bar a system.  value(group, system): None leaves one out."""
    groups = [g for g in groups if any(value(g, s) for s in series)]
    series = [s for s in series if any(value(g, s) for g in groups)]
    if not groups or not series:
        return None
    height = 0.8 / len(series)
    figure, axes = pyplot.subplots(figsize=(9, 0.7 + 0.2 * len(groups) * (len(series) + 1)))
    for i, system in enumerate(series):
        at = [g + (i - (len(series) - 1) / 2) * height for g in range(len(groups))]
        values = [value(group, system) or 0 for group in groups]
        axes.barh(at, values, height * 0.9, label=system, color=_colour(system, i))
        for y, v in zip(at, values):
            if v:
                axes.text(v, y, _figure(v), va="center", fontsize=7)
    axes.set_yticks(range(len(groups)), groups)
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    axes.set_title(title, loc="left")
    if log:
        axes.set_xscale("log")
        least = min(value(g, s) for g in groups for s in series if value(g, s))
        axes.set_xlim(left=10 ** math.floor(math.log10(least / 1.5)))
        axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda v, _: "{:,g}".format(v)))
        axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.02, 1))
    return _svg(figure, name)


def _stacks(name, title, unit, bars):
    """Stacked bars of exits by reason.  bars: [(label, {reason: count})]"""
    bars = [b for b in bars if b[1]]
    if not bars:
        return None
    figure, axes = pyplot.subplots(figsize=(9, 0.9 + 0.28 * len(bars)))
    left = [0.0] * len(bars)
    everything = sum(sum(b[1].values()) for b in bars)
    for i, (reason, text) in enumerate(counters.REASONS.items()):
        values = [b[1].get(reason, 0) for b in bars]
        if sum(values) > 0.002 * everything:
            axes.barh(range(len(bars)), values, 0.75, left=left, label=text, color=COLOURS[i % len(COLOURS)])
            left = [a + b for a, b in zip(left, values)]
    for y, total in enumerate(left):
        axes.text(total, y, _figure(total), va="center", fontsize=7)
    axes.set_yticks(range(len(bars)), [b[0] for b in bars], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    axes.set_title(title, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.02, 1))
    return _svg(figure, name)


def _of(results, bench, key):
    def value(job, system):
        record = results.get(bench, job, system)
        return record.get(key) if record else None

    return value


def _exits(results, bench, per, jobs=None):
    bars = []
    for job in jobs or results.jobs(bench):
        for system in results.systems(bench, job):
            record = results.get(bench, job, system)
            if record.get("exits") and record.get("per") == per:
                bars.append(("%s, %s" % (job, label(job, system)), record["exits"]))
    return _stacks("%s-exits-%s" % (bench, per), "Exits of one %s, by reason" % per, "exits", bars)


def _latency(results, job, systems):
    """Percentiles of one job."""
    names = {"p50": "median", "p99": "99 %", "p999": "99.9 %"}

    def value(name, system):
        record = results.get("io", job, system)
        return record.get({v: k for k, v in names.items()}[name]) if record else None

    return _bars(
        "io-latency-" + job, "Latency: " + job, "us, logarithmic", list(names.values()), systems, value, True
    )


def of(results, bench):
    """The benchmark's plots, as SVG."""
    jobs, systems = results.jobs(bench), results.systems(bench)
    value = _of(results, bench, "value")
    unit = {job: results.get(bench, job, results.systems(bench, job)[0])["unit"] for job in jobs}
    if bench == "io":
        found = [
            _bars(
                "io-iops",
                "Operations a second",
                "IOPS",
                [j for j in jobs if unit[j] == "IOPS"],
                systems,
                value,
            ),
            _bars("io-mbs", "Throughput", "MB/s", [j for j in jobs if unit[j] == "MB/s"], systems, value),
        ]
        found += [_latency(results, job, systems) for job in jobs]
        found += [
            _bars(
                "io-cpu",
                "The host's CPU time of an operation (TCP streams: of an MB)",
                "us, logarithmic",
                jobs,
                systems,
                _of(results, bench, "cpu_us"),
                True,
            ),
            _exits(results, bench, "operation"),
            _exits(results, bench, "packet"),
        ]
    elif bench == "cpu":
        native = (
            lambda job, system: value(job, system) / value(job, "native")
            if value(job, system) and value(job, "native")
            else None
        )
        others = [s for s in systems if s not in ("native", "ring3-one-cpu")]
        calls = [j for j in jobs if unit[j] == "ns"]
        found = [
            _bars("cpu", "Time in units of native", "times native, logarithmic", jobs, others, native, True),
            _bars("cpu-calls", "Round trips", "ns", calls, systems, value),
            _exits(
                results,
                bench,
                "operation",
                [j for j in jobs if (_of(results, bench, "exits_total")(j, "ring3") or 0) < 2000],
            ),
        ]
    else:
        found = [
            _bars("boot", "Boot to the first line of init", "ms", jobs, systems, value),
            _exits(results, bench, "boot"),
        ]
    return [svg for svg in found if svg]
