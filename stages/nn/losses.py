"""How wrong a prediction is, and in which direction each logit should move."""

import numpy as np

from stages.nn.exact import FAST, Arithmetic


def softmax(logits: np.ndarray, arithmetic: Arithmetic = FAST) -> np.ndarray:
    """Return the probabilities (N, K) for logits (N, K); each row sums to 1."""
    e = arithmetic.exp(logits - logits.max(axis=1, keepdims=True))  # shifted, so that no exponential overflows
    return e / arithmetic.sum(e, axis=1, keepdims=True)


def softmax_cross_entropy(
    logits: np.ndarray, targets: np.ndarray, arithmetic: Arithmetic = FAST
) -> tuple[float, np.ndarray]:
    """Return the mean loss over the batch, in nats, and its gradient with respect to the logits, (N, K).

    Each row of `targets` (N, K) is a probability distribution, usually one-hot.
    """
    N = len(logits)
    z = logits - logits.max(axis=1, keepdims=True)  # a shift changes no probability, and e^0 cannot overflow
    e = arithmetic.exp(z)
    total = arithmetic.sum(e, axis=1, keepdims=True)  # (N, 1)
    p = e / total  # so log p = z - log total, and since a row of targets sums to 1:
    loss = (
        float(arithmetic.sum(arithmetic.log(total))) - float(arithmetic.sum(targets * z))
    ) / N  # -1/N sum targets log p
    dlogits = (p - targets) / N  # (N, K)
    return loss, dlogits


def smooth_labels(targets: np.ndarray, amount: float) -> np.ndarray:
    """Return targets (N, K) with the fraction `amount` of each row spread over all classes (Szegedy et al., 2016)."""
    K = targets.shape[1]
    return (1 - amount) * targets + targets.dtype.type(amount / K)
