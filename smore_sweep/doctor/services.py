"""Findings about what sweeps use beside training: Ray, MLflow, environments and their rendering."""

from __future__ import annotations

import time

import numpy as np

from smore_sweep.bench.synthetic import TASK, make_budget, make_runs
from smore_sweep.doctor.findings import BAD, GOOD, NOTE, Finding
from smore_sweep.results.record import Record
from smore_sweep.results.tracking import Experiment, Tracker
from smore_sweep.results.tracking_uri import check_uri, default_uri
from smore_sweep.smore import SMORe
from smore_sweep.storage.scratch import scratch_folder
from smore_sweep.tasks import task


def ray() -> Finding:
    """Start Ray and run one task on it."""
    from smore_sweep.execution.ray_check import try_ray

    figures = try_ray()
    verdict = f"starts in {figures['start_seconds']:.0f} s, sees {figures['cpus']:g} CPUs and {figures['gpus']:g} GPUs"
    return Finding("Ray", GOOD, verdict, figures)


def mlflow() -> Finding:
    """Publish one entry in a store of its own; look whether the store that is set answers."""
    started = time.monotonic()
    with scratch_folder() as folder:
        own = f"sqlite:///{folder / 'mlflow.db'}"
        tracker = Tracker(Experiment(folder, own, "doctor", "an examination", {}))
        (run,) = make_runs(SMORe(), [0], make_budget(256))
        tracker.publish(run.run_id, Record(run.content()), {"title": "doctor"}, None)
        tracker.interrupt()
        seconds = time.monotonic() - started
        chosen = default_uri(folder)
    figures = {"seconds": seconds}
    if not chosen.startswith("sqlite"):
        check_uri(chosen)
        return Finding("MLflow", GOOD, f"writes an entry in {seconds:.0f} s; MLFLOW_TRACKING_URI answers", figures)
    return Finding("MLflow", GOOD, f"makes a store and writes an entry in {seconds:.0f} s", figures)


def environments() -> Finding:
    """Step a MuJoCo environment for a second."""
    env, row = task(TASK).make(), task(TASK)
    env.reset(seed=0)
    steps, started = 0, time.process_time()  # of this process, so that other ones do not count
    while time.process_time() - started < 1.0:
        env.step(np.zeros(row.sizes.action, np.float32))
        steps += 1
        if steps % row.horizon == 0:
            env.reset(seed=0)
    env.close()
    milliseconds = 1e3 * (time.process_time() - started) / steps
    verdict = f"{TASK} steps in {milliseconds:.2f} ms (estimates reckon with {row.step_milliseconds:g} ms)"
    rating = GOOD if milliseconds < 2 * row.step_milliseconds else NOTE
    return Finding("environments", rating, verdict, {"step_milliseconds": milliseconds})


def rendering() -> Finding:
    """Draw one picture off screen, as `play` does."""
    from smore_sweep.rendering.animation import environment

    env = environment(task(TASK))
    try:
        env.reset(seed=0)
        picture = np.asarray(env.render())
    finally:
        env.close()
    if picture.max() == picture.min():
        return Finding("rendering", BAD, "pictures come out in one colour")
    return Finding("rendering", GOOD, f"draws {TASK} off screen", {"shape": list(picture.shape)})
