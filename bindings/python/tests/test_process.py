"""Signals, forks, threads, and what stays behind."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pyarrow.parquet
import pytest
from conftest import Linear, records

import fmr

FAST = {"budget": 3, "progress": False}

LONG = """
import sys, time, warnings
import fmr
from conftest import Linear
warnings.simplefilter("ignore")
try:
    fmr.evaluate(Linear(), n=300, budget=50, out=sys.argv[1], progress=False, on_batch=lambda *now: print(now[0], flush=True))
except KeyboardInterrupt:
    print("ended", time.monotonic(), flush=True)
    raise
"""


def test_ctrl_c_ends_a_run_within_a_second_and_it_goes_on_later(tmp_path):
    run = [sys.executable, "-c", LONG, str(tmp_path / "run")]
    here = os.path.dirname(__file__)
    child = subprocess.Popen(run, cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout.readline().strip()
    child.send_signal(signal.SIGINT)
    asked = time.monotonic()
    printed, errors = child.communicate(timeout=60)
    assert float(printed.split("ended")[1]) - asked < 1
    assert "KeyboardInterrupt" in errors and child.returncode in (1, -signal.SIGINT, 130)
    if sys.version_info >= (3, 11):
        assert "goes on" in errors
    done = len(fmr.load(tmp_path / "run").samples)
    assert 0 < done < 300


def evaluated(queue):
    try:
        queue.put(len(fmr.evaluate(Linear(), n=2, **FAST).samples))
    except fmr.FmrError as error:
        queue.put(str(error))


@pytest.mark.parametrize(("method", "answer"), [("spawn", "2"), ("fork", "spawn")])
def test_a_child_computes_or_says_why_not(method, answer):
    fmr.evaluate(Linear(), n=2, **FAST)
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=evaluated, args=(queue,))
    child.start()
    assert answer in str(queue.get(timeout=60))
    child.join(10)


def test_two_at_once():
    alone = records(fmr.evaluate(Linear(), n=6, lanes=1, **FAST))
    results = {}

    def work(name):
        results[name] = records(fmr.evaluate(Linear(), n=6, lanes=1, **FAST))

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]
    assert results["a"] == results["b"] == alone


def test_python_goes_on_meanwhile():
    ticks = []
    stop = threading.Event()

    def tick():
        while not stop.wait(0.005):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    begun = time.monotonic()
    fmr.evaluate("resnet18-w16", n=8, budget=10, progress=False)
    spent = time.monotonic() - begun
    stop.set()
    thread.join()
    assert len(ticks) > spent / 0.005 / 10


def test_no_python_thread_stays():
    before = threading.active_count()
    fmr.evaluate(Linear(), n=2, **FAST)
    assert threading.active_count() == before


def test_memory_does_not_grow():
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def once():
        result = fmr.evaluate(Linear(), n=2, budget=1, progress=False)
        result.samples.to_polars()
        result.steps.__arrow_c_stream__()

    for _ in range(5):
        once()
    gc.collect()
    before = resident()
    for _ in range(25):
        once()
    gc.collect()
    assert resident() - before < 40 << 20


def test_samples_are_arrow(tmp_path):
    result = fmr.evaluate(Linear(), n=5, **FAST)
    samples = result.samples
    pandas, polars, arrow = samples.to_pandas(), samples.to_polars(), samples.to_arrow()
    assert len(samples) == len(pandas) == len(polars) == arrow.num_rows == 5
    assert list(pandas.columns) == polars.columns == arrow.column_names == samples.columns
    assert list(pandas.key) == polars["key"].to_list() == arrow["key"].to_pylist()
    arrow.validate(full=True)
    # What is not known is absent, and what is known is what the run says.
    assert arrow["error"].null_count == 5 and arrow["label"].null_count == 0
    steps = result.steps.to_pandas()
    assert len(steps) == sum(min(3, ended) for ended in pandas.ended_at if ended)
    samples.save(tmp_path / "samples.parquet")
    assert pyarrow.parquet.read_table(tmp_path / "samples.parquet").equals(arrow)
    # Memory outlives the run and the table that gave it.
    column = arrow["final_score"].to_pylist()
    del result, samples
    gc.collect()
    assert arrow["final_score"].to_pylist() == column


def test_logs_go_to_logging(caplog, tmp_path):
    import logging

    # A folder of plugins with something that is none is worth a warning.
    (tmp_path / "broken.so").write_bytes(b"no library")
    (tmp_path / "broken.toml").write_text("")
    with caplog.at_level(logging.DEBUG, "fmr"), pytest.raises(fmr.ConfigError):
        fmr.evaluate({"kind": "nobody"}, n=1, **FAST)
    logging.getLogger("fmr").warning("still usable")
    assert "still usable" in caplog.text


def test_what_the_package_says_of_its_types():
    command = [sys.executable, "-m", "mypy.stubtest", "fmr._native", "--ignore-missing-stub"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
