import numpy as np
import pytest

from stages.nn.losses import smooth_labels, softmax, softmax_cross_entropy

TARGETS = np.eye(10)[np.arange(20) % 10]


def test_uniform_predictions_have_loss_log_K():
    loss, dlogits = softmax_cross_entropy(np.zeros((20, 10)), TARGETS)
    assert loss == pytest.approx(np.log(10), abs=1e-15)
    np.testing.assert_allclose(dlogits, (0.1 - TARGETS) / 20, atol=1e-16)


def test_a_constant_added_to_the_logits_changes_nothing():
    logits = np.random.default_rng(0).standard_normal((20, 10))
    loss, dlogits = softmax_cross_entropy(logits, TARGETS)
    shifted, dshifted = softmax_cross_entropy(logits + 1000, TARGETS)
    assert shifted == pytest.approx(loss, abs=1e-12)
    np.testing.assert_allclose(dshifted, dlogits, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_finite_at_huge_logits(dtype):
    logits = (1e4 * (1 - 2 * TARGETS)).astype(dtype)  # maximally wrong
    loss, dlogits = softmax_cross_entropy(logits, TARGETS.astype(dtype))
    assert loss == pytest.approx(2e4 + np.log(9), rel=1e-6)
    assert np.isfinite(dlogits).all()
    assert dlogits.dtype == dtype
    np.testing.assert_allclose(softmax(logits).sum(axis=1), 1, rtol=1e-6)


def test_loss_and_gradient_by_their_definitions():
    rng = np.random.default_rng(1)
    logits, targets = rng.standard_normal((20, 10)), rng.dirichlet(np.ones(10), 20)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    loss, dlogits = softmax_cross_entropy(logits, targets)
    assert loss == pytest.approx(-(targets * np.log(p)).sum() / 20, rel=1e-13)
    np.testing.assert_allclose(dlogits, (p - targets) / 20, atol=1e-15)
    np.testing.assert_allclose(softmax(logits), p, rtol=1e-13)


def test_smooth_labels_are_a_distribution():
    smooth = smooth_labels(TARGETS.astype(np.float32), 0.1)
    assert smooth.dtype == np.float32
    np.testing.assert_allclose(smooth.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(np.unique(smooth), [0.01, 0.91], rtol=1e-6)
    assert np.array_equal(smooth_labels(TARGETS, 0.0), TARGETS)
