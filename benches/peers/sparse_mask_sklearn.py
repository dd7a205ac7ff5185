"""scikit-learn on the matrices that the benchmark of the sparse mask wrote, as JSON lines.

    cargo bench -p fmr-core --bench sparse_mask -- --write FOLDER > FOLDER/fmr.jsonl
    pip install numpy scikit-learn
    python benches/peers/sparse_mask_sklearn.py FOLDER [--saga-seconds 60]

For every problem that fmr solved, LogisticRegression (saga, l1) or Lasso fits the same standardised columns at the same
penalty. One thread; CPU seconds of the fit alone. Gap and KKT residuals are computed here from the weights, as fmr
computes them. Reads the penalties from FOLDER/fmr.jsonl and prints a ratio of times where fmr's gap is no worse.
"""

import argparse
import json
import os
import time
import warnings
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np
from scipy.special import expit
from sklearn.linear_model import Lasso, LogisticRegression

warnings.filterwarnings("ignore")


def matrix(folder, name):
    """The rows, centred and scaled, and the labels."""
    rows, columns = (int(n) for n in name.split("x"))
    x = np.fromfile(folder / f"{name}.f32", dtype="<f4").reshape(rows, columns).astype(np.float64)
    x = (x - x.mean(0)) / x.std(0)
    return x, np.arange(rows) * 2 >= rows


def quality(model, x, y, w, b, penalty):
    """Objective, relative duality gap and KKT residuals, with the best intercept for the weights."""
    z = x @ w
    if model == "lasso":
        r = y - z - np.mean(y - z)
        g = x.T @ r
        largest = np.abs(g).max()
        primal = 0.5 * r @ r + penalty * np.abs(w).sum()
        along, square = (y - y.mean()) @ r, r @ r
        c = np.clip(along / square, -penalty / largest, penalty / largest)
        dual = c * along - 0.5 * c * c * square
    else:
        for _ in range(100):
            p = expit(z + b)
            b -= np.clip((p - y).sum() / (p * (1 - p)).sum(), -2, 2)
        sign = 2 * y - 1
        r = np.where(y > 0, expit(-z - b), -expit(z + b))
        g = x.T @ r
        largest = np.abs(g).max()
        primal = np.logaddexp(0, -sign * (z + b)).sum() + penalty * np.abs(w).sum()
        u = np.abs(r) * min(1, penalty / largest)
        with np.errstate(divide="ignore", invalid="ignore"):
            dual = -np.nansum(u * np.log(u)) - np.nansum((1 - u) * np.log1p(-u))
    kept = w != 0
    excluded = np.abs(g[~kept]).max(initial=0) / penalty
    included = np.abs(g[kept] - penalty * np.sign(w[kept])).max(initial=0) / penalty
    return {
        "kept": int(kept.sum()),
        "objective": primal,
        "gap": (primal - dual) / primal,
        "kkt-excluded": excluded,
        "kkt-included": included,
    }


def timed(estimator, x, y):
    start, wall = time.process_time(), time.perf_counter()
    estimator.fit(x, y)
    return time.process_time() - start, time.perf_counter() - wall


def settings(problem, n, budget, a_pass):
    """Estimators to time: saga is cut off after about `budget` seconds."""
    penalty = problem["penalty"]
    if problem["model"] == "lasso":
        for tol in (1e-4, 1e-6):
            yield f"Lasso tol {tol:g}", Lasso(alpha=penalty / n, tol=tol, max_iter=100_000)
        return
    for tol in (0.1, 1e-4):
        passes = max(2, int(budget / a_pass))
        name = f"LogisticRegression saga tol {tol:g}, at most {passes} passes"
        yield name, LogisticRegression(l1_ratio=1.0, solver="saga", C=1 / penalty, tol=tol, max_iter=passes)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--saga-seconds", type=float, default=60)
    arguments = arguments.parse_args()

    ours = [json.loads(line) for line in (arguments.folder / "fmr.jsonl").read_text().splitlines() if line[:1] == "{"]
    ours = [line for line in ours if line["peer"] == "fmr"]
    problems = {(line["matrix"], line["model"], line["penalty"]): line for line in ours}
    loaded = None
    for problem in problems.values():
        if loaded is None or loaded[0] != problem["matrix"]:
            x, y = matrix(arguments.folder, problem["matrix"])
            loaded = (problem["matrix"], np.ascontiguousarray(x), np.asfortranarray(x), y)
            start = time.process_time()
            LogisticRegression(l1_ratio=1.0, solver="saga", C=1.0, max_iter=1).fit(loaded[1], y)
            a_pass = time.process_time() - start
        _, by_rows, by_columns, y = loaded
        for name, estimator in settings(problem, len(y), arguments.saga_seconds, a_pass):
            lasso = problem["model"] == "lasso"
            data = by_columns if lasso else by_rows
            target = y.astype(np.float64) if lasso else y
            cpu, wall = timed(estimator, data, target)
            weights, b = np.ravel(estimator.coef_), float(np.ravel(estimator.intercept_)[0])
            line = {"peer": "scikit-learn", "solver": name}
            line |= {key: problem[key] for key in ("matrix", "model", "penalty")}
            line |= quality(problem["model"], by_columns, y.astype(np.float64), weights, b, problem["penalty"])
            line |= {"iterations": int(np.ravel(estimator.n_iter_)[0]), "cpu-s": cpu, "wall-s": wall}
            same = [o for o in ours if all(o[k] == problem[k] for k in ("matrix", "model", "penalty"))]
            no_worse = [o["cpu-s"] for o in same if o["gap"] <= line["gap"] and o["cpu-s"]]
            line["times-fmr"] = cpu / min(no_worse) if no_worse else None
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
