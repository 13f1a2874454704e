"""How wrong a prediction is, and which way each logit should move."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def softmax(logits: Array) -> Array:
    """Return the probabilities (N, K) that belong to logits (N, K); each row sums to 1."""
    e = np.exp(logits - logits.max(axis=1, keepdims=True))  # shifted, so that no exponential overflows
    return e / e.sum(axis=1, keepdims=True)  # p = e^z / sum over k of e^z[k]


def softmax_cross_entropy(logits: Array, targets: Array, label_smoothing: float = 0.0) -> tuple[float, Array]:
    """Return the mean loss over the batch, in nats, and its gradient with respect to the logits, (N, K).

    `targets` (N, K) holds a probability distribution a row, one-hot as a rule. Label smoothing s mixes it with the
    uniform one: (1 - s) t + s / K (Szegedy et al., 2016).
    """
    N, K = logits.shape
    if label_smoothing:
        targets = (1 - label_smoothing) * targets + label_smoothing / K  # t                      (N, K)
    z = logits - logits.max(axis=1, keepdims=True)  # the loss is blind to a shift, and e^0 cannot overflow
    e = np.exp(z)
    total = e.sum(axis=1, keepdims=True)  # sum over k of e^z[k]   (N, 1)
    log_p = z - np.log(total)  # log softmax(z)         (N, K)
    loss = -float(np.vdot(targets, log_p)) / N  # L = -1/N sum t log p
    dlogits = (e / total - targets) / N  # dz = (p - t) / N       (N, K)
    return loss, dlogits
