import numpy as np
import pytest

from stages.nn.losses import smooth_labels, softmax, softmax_cross_entropy

TARGETS = np.eye(10)[np.arange(20) % 10]


@pytest.mark.parametrize(("kind", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-13)])
def test_loss_and_gradient_by_their_definitions(kind, tolerance):
    rng = np.random.default_rng(1)
    logits, targets = rng.standard_normal((20, 10)), rng.dirichlet(np.ones(10), 20)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for shift in (0, 1000) if kind == np.float64 else (0,):  # a constant added to the logits changes nothing
        loss, dlogits = softmax_cross_entropy((logits + shift).astype(kind), targets.astype(kind))
        assert loss == pytest.approx(-(targets * np.log(p)).sum() / 20, rel=tolerance)
        np.testing.assert_allclose(dlogits, (p - targets) / 20, atol=tolerance)
        np.testing.assert_allclose(softmax((logits + shift).astype(kind)), p, rtol=10 * tolerance)
    assert dlogits.dtype == kind


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_finite_at_huge_logits(kind):
    logits = (1e4 * (1 - 2 * TARGETS)).astype(kind)  # maximally wrong
    loss, dlogits = softmax_cross_entropy(logits, TARGETS.astype(kind))
    assert loss == pytest.approx(2e4 + np.log(9), rel=1e-6)
    assert np.isfinite(dlogits).all()
    np.testing.assert_allclose(softmax(logits).sum(axis=1), 1, rtol=1e-6)


def test_smooth_labels_are_a_distribution():
    smooth = smooth_labels(TARGETS.astype(np.float32), 0.1)
    assert smooth.dtype == np.float32
    np.testing.assert_allclose(smooth.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(np.unique(smooth), [0.01, 0.91], rtol=1e-6)
    assert np.array_equal(smooth_labels(TARGETS, 0.0), TARGETS)
