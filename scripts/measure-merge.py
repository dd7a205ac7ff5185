#!/usr/bin/env python3
"""Measures `fmr merge` on shards of a made-up run: 50,000 samples of 50 steps each.

    python3 scripts/measure-merge.py RUN FOLDER [--samples 50000] [--steps 50] [--shards 16] [--fmr target/release/fmr]

RUN is a finished run of one row and a few samples, whose samples are repeated. Says what the shards and the merged run
weigh, how long the merge took and how much memory. Images are those of RUN: merging theirs is copying files' worth of bytes.
"""

import argparse
import pathlib
import resource
import shutil
import sqlite3
import subprocess
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("run", type=pathlib.Path)
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--samples", type=int, default=50_000)
parser.add_argument("--steps", type=int, default=50)
parser.add_argument("--shards", type=int, default=16)
parser.add_argument("--fmr", default="target/release/fmr")
given = parser.parse_args()


def columns(database, table):
    return [row[1] for row in database.execute(f"PRAGMA table_info({table})")]


def rows(database, table, order):
    return [dict(zip(columns(database, table), row)) for row in database.execute(f"SELECT * FROM {table} ORDER BY {order}")]


def insert(database, table, records):
    names = columns(database, table)
    places = ", ".join(f":{name}" for name in names)
    database.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})", records)


def shard(index):
    """A run folder that holds the samples of one shard."""
    folder = given.folder / f"shard-{index:04}"
    shutil.copytree(given.run, folder)
    database = sqlite3.connect(folder / "run.sqlite")
    samples, steps, shown = (rows(database, table, "idx") for table in ("samples", "steps", "shown"))
    for table in ("samples", "steps", "shown"):
        database.execute(f"DELETE FROM {table}")
    database.execute("UPDATE run SET value = ? WHERE key = 'part'", (f"{index + 1}/{given.shards}",))
    database.execute("UPDATE rows SET samples = ?", (given.samples,))
    for at in range(index, given.samples, given.shards):
        sample = samples[at % len(samples)]
        mine = [step for step in steps if step["idx"] == sample["idx"]]
        times = given.steps // max(len(mine), 1)
        repeated = [
            {**step, "idx": at, "position": number, "t": number + 1} for number, step in enumerate((mine * (times + 1))[: given.steps])
        ]
        accepted = sum(step["accepted"] for step in repeated)
        insert(database, "samples", [{**sample, "idx": at, "key": f"made-up/{at:06}", "ended_at": given.steps, "accepted_updates": accepted}])
        insert(database, "steps", repeated)
        insert(database, "shown", [{**image, "idx": at} for image in shown if image["idx"] == sample["idx"]])
    database.commit()
    database.close()
    return folder


def megabytes(folder):
    return (folder / "run.sqlite").stat().st_size / 1e6


given.folder.mkdir(parents=True)
shards = [shard(index) for index in range(given.shards)]
print(f"{given.shards} shards of {given.samples} samples, {given.steps} steps each: {sum(map(megabytes, shards)):.0f} MB")
begun = time.monotonic()
merged = given.folder / "merged"
merge = subprocess.Popen([given.fmr, "merge", *map(str, shards), "--out", str(merged)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
merge.stdout.readline()
print(f"table after {time.monotonic() - begun:.1f} s", flush=True)
merge.stdout.read()
if merge.wait() != 0:
    raise SystemExit("the merge failed")
spent = time.monotonic() - begun
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
print(f"all files of the report after {spent:.1f} s, {peak:.0f} MB of memory at most, {megabytes(merged):.0f} MB")
