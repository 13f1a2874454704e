"""How wrong a prediction is, and which way each logit should move."""

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the probabilities (N, K) that belong to logits (N, K); each row sums to 1."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))  # shifted, so that no exponential overflows
    return e / e.sum(axis=1, keepdims=True)  # p = e^z / sum over k of e^z[k]


def softmax_cross_entropy(logits: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean loss over the batch, in nats, and its gradient with respect to the logits, (N, K).

    `targets` (N, K) holds a probability distribution a row, one-hot as a rule.
    """
    N = len(logits)
    z = logits - logits.max(axis=1, keepdims=True)  # the loss is blind to a shift, and e^0 cannot overflow
    dz = np.exp(z)
    total = dz.sum(axis=1, keepdims=True)  # sum over k of e^z[k]   (N, 1)
    # log p = z - log total, and a row of t sums to 1
    loss = (float(np.log(total).sum()) - float(np.vdot(targets, z))) / N  # L = -1/N sum t log p
    dz /= total
    dz -= targets
    dz /= N  # dz = (p - t) / N       (N, K)
    return loss, dz


def smooth_labels(targets: np.ndarray, amount: float) -> np.ndarray:
    """Return targets (N, K) with the part `amount` of each row spread over all classes (Szegedy et al., 2016)."""
    K = targets.shape[1]
    return (1 - amount) * targets + targets.dtype.type(amount / K)  # t' = (1 - s) t + s / K
