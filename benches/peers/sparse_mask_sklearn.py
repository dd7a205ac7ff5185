"""scikit-learn on the matrices that the benchmark of the sparse mask wrote, as JSON lines.

    cargo bench -p fmr-mask --bench sparse_mask -- --write FOLDER --weak > FOLDER/fmr.jsonl
    pip install numpy scikit-learn
    python benches/peers/sparse_mask_sklearn.py FOLDER [--saga-seconds 60] [--model lasso] [--random]

For every problem that fmr solved, Lasso or LogisticRegression (saga and liblinear, l1) fits the same columns at the same
penalty, in f64 and in f32, in the memory order that suits the solver. One thread, CPU seconds. `cpu-s` is the fit on
standardised columns; Lasso is also given columns and labels that are centred already and told to copy and check nothing, which
leaves the bare solver. `prepare-cpu-s` is StandardScaler. liblinear penalises the intercept, which is next to 0 here. Gap and KKT
residuals are computed here from the weights, as fmr computes them. Reads the penalties from FOLDER/fmr.jsonl and prints two
ratios of times where fmr's gap is no worse: of the fits, and of preparation and fit together on both sides.
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
from sklearn.preprocessing import StandardScaler

warnings.filterwarnings("ignore")


class Data:
    """The rows as they are stored, and standardised in either precision and order; the labels."""

    def __init__(self, folder, name):
        rows, columns = (int(n) for n in name.split("x"))
        raw = np.fromfile(folder / f"{name}.f32", dtype="<f4").reshape(rows, columns)
        self.name = name
        self.y = (np.arange(rows) * 2 >= rows).astype(np.float64)
        exact = raw.astype(np.float64)
        exact = (exact - exact.mean(0)) / exact.std(0)
        self.x = {
            (dtype, order): np.array(exact, dtype=dtype, order=order) for dtype in ("f8", "f4") for order in ("C", "F")
        }
        self.prepare = {}
        for dtype in ("f8", "f4"):
            begin = time.process_time()
            StandardScaler().fit_transform(raw.astype(dtype))
            self.prepare[dtype] = time.process_time() - begin


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


def attempts(problem, data, budget, selections):
    """What to time: name, precision and order of the columns, and a fit that gives weights, intercept and iterations."""
    penalty, n = problem["penalty"], len(data.y)
    if problem["model"] == "lasso":
        for dtype in ("f8", "f4"):
            for tol in (1e-4, 1e-6):
                for selection in selections:
                    common = dict(alpha=penalty / n, tol=tol, max_iter=20_000, selection=selection, random_state=0)
                    name = f"Lasso {selection} tol {tol:g}"
                    yield name, dtype, "F", Lasso(**common), {}
                    bare = Lasso(fit_intercept=False, copy_X=False, **common)
                    yield name + ", bare", dtype, "F", bare, {"check_input": False}
        return
    for dtype in ("f8", "f4"):
        begin = time.process_time()
        LogisticRegression(l1_ratio=1.0, solver="saga", C=1.0, max_iter=1).fit(data.x[dtype, "C"], data.y)
        passes = max(2, int(budget / (time.process_time() - begin)))
        for tol in (0.1, 1e-4):
            saga = LogisticRegression(l1_ratio=1.0, solver="saga", C=1 / penalty, tol=tol, max_iter=passes)
            yield f"saga tol {tol:g}, at most {passes} passes", dtype, "C", saga, {}
    for tol in (1e-2, 1e-4):
        linear = LogisticRegression(l1_ratio=1.0, solver="liblinear", C=1 / penalty, tol=tol, max_iter=1000)
        yield f"liblinear tol {tol:g}", "f8", "C", linear, {}


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--saga-seconds", type=float, default=60)
    arguments.add_argument("--model", choices=("lasso", "logistic"))
    arguments.add_argument("--random", action="store_true", help="time Lasso with selection=\"random\" too")
    arguments.add_argument("--matrix", help="this matrix alone")
    arguments.add_argument("--least-share", type=float, default=0, help="leave out weaker penalties, as a share of the largest")
    arguments = arguments.parse_args()

    ours = [json.loads(line) for line in (arguments.folder / "fmr.jsonl").read_text().splitlines() if line[:1] == "{"]
    ours = [line for line in ours if line["peer"] == "fmr" and arguments.model in (None, line["model"])]
    ours = [line for line in ours if arguments.matrix in (None, line["matrix"])]
    ours = [line for line in ours if line["penalty"] >= arguments.least_share * line["penalty-max"]]
    problems = {(line["matrix"], line["model"], line["penalty"]): line for line in ours}
    selections = ("cyclic", "random") if arguments.random else ("cyclic",)
    data = None
    for problem in problems.values():
        if data is None or data.name != problem["matrix"]:
            data = Data(arguments.folder, problem["matrix"])
        for name, dtype, order, estimator, options in attempts(problem, data, arguments.saga_seconds, selections):
            y = data.y - 0.5 if options else data.y
            x = data.x[dtype, order]
            y = y.astype(x.dtype) if problem["model"] == "lasso" else y
            begin, wall = time.process_time(), time.perf_counter()
            estimator.fit(x, y, **options)
            cpu, wall = time.process_time() - begin, time.perf_counter() - wall
            weights, b = np.ravel(estimator.coef_).astype(np.float64), float(np.ravel(estimator.intercept_)[0])
            line = {"peer": "scikit-learn", "solver": name, "dtype": dtype}
            line |= {key: problem[key] for key in ("matrix", "model", "penalty")}
            line |= quality(problem["model"], data.x["f8", "F"], data.y, weights, b, problem["penalty"])
            line |= {"iterations": int(np.ravel(estimator.n_iter_)[0]), "cpu-s": cpu, "wall-s": wall}
            line["prepare-cpu-s"] = data.prepare[dtype]
            same = [o for o in ours if all(o[k] == problem[k] for k in ("matrix", "model", "penalty"))]
            no_worse = [o for o in same if o["gap"] <= line["gap"] and o["cpu-s"]]
            if no_worse:
                line["times-fmr"] = cpu / min(o["cpu-s"] for o in no_worse)
                whole = min(o["cpu-s"] + o["prepare-cpu-s"] for o in no_worse)
                line["times-fmr-prepared"] = (cpu + data.prepare[dtype]) / whole
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
