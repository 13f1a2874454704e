"""How wrong a prediction is, and in which direction each logit should move."""

import numpy as np

from stages.nn.exact import exp, log, total


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the probabilities (N, K) for logits (N, K), p_k = e^z_k / sum e^z; each row sums to 1."""
    _, e, sums = exponentials(logits)
    return e / sums


def softmax_cross_entropy(logits: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean loss over the batch, in nats, and its gradient with respect to the logits, (N, K).

    Each row of `targets` (N, K) is a probability distribution t, usually one-hot. The loss of a row with logits z is
    -sum t_k log p_k with log p_k = z_k - log sum e^z. Since the t_k sum to 1, that is log sum e^z - sum t_k z_k; the
    derivative of the first term with respect to z_k is p_k, that of the second t_k.
    """
    N = len(logits)
    z, e, sums = exponentials(logits)
    loss = float(total(targets * (log(sums) - z))) / N
    dlogits = e / sums  # p   (N, K)
    dlogits -= targets
    dlogits /= N  # (p - t) / N, of the mean loss
    return loss, dlogits


def exponentials(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return z (N, K), the logits less the largest of their row, e^z (N, K), and the sum of each row of e^z (N, 1).

    The shift changes no probability, and e^0 cannot overflow.
    """
    z = logits - logits.max(axis=1, keepdims=True)
    e = exp(z)
    return z, e, total(e, axis=1, keepdims=True).astype(e.dtype)


def smooth_labels(targets: np.ndarray, amount: float) -> np.ndarray:
    """Return targets (N, K) with the fraction `amount` of each row spread over all classes (Szegedy et al., 2016)."""
    K = targets.shape[1]
    return (1 - amount) * targets + targets.dtype.type(amount / K)
