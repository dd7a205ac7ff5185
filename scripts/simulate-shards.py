#!/usr/bin/env python3
"""How long a sharded run takes when searches stop early, by the stops that a run has seen.

    python3 scripts/simulate-shards.py RUN [--samples 50000] [--workers 64] [--start-up 20] [--seconds 0.02]

Costs of samples are drawn from RUN's: an image-iteration costs `--seconds`, and encoding one. A shard costs `--start-up` seconds
more. Prints, for several numbers of shards, the time until all are done over the time of a perfect division, with shards
dealt out in advance and with shards taken from a queue (what Slurm does with an array that is longer than the cluster is wide).
"""

import argparse
import heapq
import pathlib
import random
import sqlite3
import statistics

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("run", type=pathlib.Path)
parser.add_argument("--samples", type=int, default=50_000)
parser.add_argument("--workers", type=int, default=64)
parser.add_argument("--start-up", type=float, default=20.0)
parser.add_argument("--seconds", type=float, default=0.02)
parser.add_argument("--slow", type=float, default=0.1, help="share of workers that take twice as long")
given = parser.parse_args()

database = sqlite3.connect(f"file:{given.run / 'run.sqlite'}?mode=ro", uri=True)
steps = [count for (count,) in database.execute("SELECT ended_at FROM samples")]
print(f"{len(steps)} searches of {given.run}: {statistics.mean(steps):.1f} updates on average, cv {statistics.pstdev(steps) / statistics.mean(steps):.2f}")

random.seed(0)
costs = [(random.choice(steps) + 1) * given.seconds for _ in range(given.samples)]
slow = round(given.workers * given.slow)
pace = [2.0] * slow + [1.0] * (given.workers - slow)
perfect = sum(costs) / sum(1 / one for one in pace) + given.start_up
print(f"{given.samples} samples on {given.workers} workers, {slow} of them half as fast: {perfect / 60:.0f} minutes at best")
print("shards  minutes a shard  slowest over mean  dealt out  from a queue")
for times in (1, 2, 4, 8, 16):
    count = given.workers * times
    shards = [sum(costs[index::count]) + given.start_up for index in range(count)]
    dealt = max(pace[worker] * sum(shards[worker :: given.workers]) for worker in range(given.workers))
    free = [(0.0, worker) for worker in range(given.workers)]
    heapq.heapify(free)
    for cost in shards:
        begun, worker = heapq.heappop(free)
        heapq.heappush(free, (begun + pace[worker] * cost, worker))
    mean = statistics.mean(shards)
    print(f"{count:6}  {mean / 60:15.1f}  {max(shards) / mean:17.2f}  {dealt / perfect:9.3f}  {max(free)[0] / perfect:12.3f}")
