import numpy as np
import pytest

from stages.report import metrics

rng = np.random.default_rng(0)
LABELS = rng.integers(0, 4, 500)
PREDICTED = np.where(rng.random(500) < 0.7, LABELS, rng.integers(0, 4, 500))


def test_accuracy_is_the_fraction_of_rows_with_the_largest_score_at_the_label():
    scores = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    assert metrics.accuracy(scores, np.array([1, 1, 1])) == pytest.approx(2 / 3)


def test_confusion_counts_each_pair_of_actual_and_predicted_class():
    counts = metrics.confusion(LABELS, PREDICTED, 5)
    assert counts.shape == (5, 5)
    for i in range(5):
        for j in range(5):
            assert counts[i, j] == np.sum((i == LABELS) & (j == PREDICTED))


def test_precision_recall_and_f1_match_their_definitions():
    precision, recall, f1 = metrics.per_class(metrics.confusion(LABELS, PREDICTED, 5))
    for k in range(4):
        both = np.sum((k == LABELS) & (k == PREDICTED))
        assert precision[k] == pytest.approx(both / np.sum(k == PREDICTED))
        assert recall[k] == pytest.approx(both / np.sum(k == LABELS))
        assert f1[k] == pytest.approx(2 * precision[k] * recall[k] / (precision[k] + recall[k]))
    assert (precision[4], recall[4], f1[4]) == (0, 0, 0)  # a class that never occurs


def test_calibration_matches_a_plain_loop():
    confidence = np.concatenate([rng.random(300), [0.0, 0.5, 1.0]])
    correct = rng.random(303) < confidence
    count, mean_confidence, accuracy = metrics.calibration(confidence, correct, 10)
    gap = 0.0
    for b in range(10):
        inside = (confidence >= b / 10) & ((confidence < (b + 1) / 10) | (b == 9))
        assert count[b] == inside.sum()
        assert mean_confidence[b] == pytest.approx(confidence[inside].mean())
        assert accuracy[b] == pytest.approx(correct[inside].mean())
        gap += inside.sum() / 303 * abs(confidence[inside].mean() - correct[inside].mean())
    assert metrics.expected_calibration_error(confidence, correct, 10) == pytest.approx(gap)


def test_empty_bins_do_not_change_the_calibration_error():
    always = np.full(10, 0.95)
    assert metrics.expected_calibration_error(always, np.ones(10, bool), 20) == pytest.approx(0.05)
