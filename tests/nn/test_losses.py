import numpy as np
import pytest

from stages.nn.losses import smooth_labels, softmax, softmax_cross_entropy


@pytest.mark.parametrize(("kind", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-13)])
def test_loss_and_gradient_by_their_definitions(kind, tolerance):
    rng = np.random.default_rng(1)
    logits, targets = rng.standard_normal((20, 10)).astype(kind), rng.dirichlet(np.ones(10), 20).astype(kind)
    p = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum(axis=1, keepdims=True)
    loss, dlogits = softmax_cross_entropy(logits, targets)
    assert loss == pytest.approx(-(targets * np.log(p)).sum() / 20, rel=tolerance)
    assert dlogits.dtype == kind
    np.testing.assert_allclose(dlogits, (p - targets) / 20, atol=tolerance)
    np.testing.assert_allclose(softmax(logits), p, rtol=10 * tolerance)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_huge_logits_overflow_nowhere(kind):
    targets = np.eye(10, dtype=kind)
    logits = 1e4 * (1 - 2 * targets)  # as wrong as can be
    logits[1] -= 3e4  # which changes nothing
    loss, dlogits = softmax_cross_entropy(logits, targets)
    assert loss == pytest.approx(2e4 + np.log(9), rel=1e-6)
    np.testing.assert_allclose(10 * dlogits, (1 - targets) / 9 - targets, atol=1e-6)


def test_smooth_labels_are_a_distribution():
    targets = np.eye(10, dtype=np.float32)
    smooth = smooth_labels(targets, 0.1)
    assert smooth.dtype == np.float32
    np.testing.assert_allclose(smooth, 0.01 + 0.9 * targets, rtol=1e-6)
    assert np.array_equal(smooth_labels(targets, 0.0), targets)
