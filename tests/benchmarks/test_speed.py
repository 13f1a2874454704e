"""What `make bench` measures and reports."""

import numpy as np

from benchmarks import contenders, job, speed


def made_up(factor):
    """A record in which every contender takes `factor` times our time, give or take; ours takes a tenth of a second."""
    ours = [0.08, 0.1, 0.12, 0.1, 0.1]
    runs = {name: ours if name == "ours" else [factor * s for s in ours[:-1]] + [0.2] for name in contenders.CONTENDERS}
    cases = {case: {"ours": ours} if case == job.PREPARE else runs for case in job.CASES}
    accuracy = {case: dict.fromkeys(speed.TRAINED, 0.98765) for case in job.JOBS}
    return {"machine": "A processor", "seconds": dict.fromkeys(speed.THREADS, cases), "accuracy": accuracy}


def test_the_report_has_ratios_round_by_round():
    page = speed.report(made_up(1.5))
    cells = " | ".join(["1.50 (1.50 to 2.00)"] * 4)
    assert page.count(f"| 784 pixels, batches of 1,024 | 0.100 s | {cells} |") == len(speed.THREADS)
    assert "| 136 waves, batches of 32 | 98.77 | 98.77 | 98.77 | 98.77 |" in page
    assert [len(axes.lines) for axes in speed.picture(made_up(1.5)).axes] == [5, 5]


def test_ours_learns_the_job():
    labels = np.random.default_rng(0).integers(0, 10, 500)
    x = np.eye(10, 20, dtype=np.float32)[labels]
    *_, predict = contenders.ours(contenders.Job(x, labels, batch_size=32, epochs=4))
    assert (predict(x).argmax(axis=1) == labels).all()
