# SPDX-License-Identifier: MIT
"""What `ring3 bench` consists of.

host        where things lie; the host's load, CPU time, networks; programs that are measured with
guest       machines under test: kernels, initramfs, start, samples of their counters
counters    exits by reason, from the counters of `ring3 run --stats=FILE`
disks, cpu, boot    the three benchmarks: which systems, which jobs, how one is measured
places      where a job of disks and networks runs: the host, a machine
results     what was measured, the best of all passes; CSV and JSON
targets     what is to be reached
explain     why two systems differ: by the exits
table       all of it as text
report      and as one HTML file, with plots
"""
