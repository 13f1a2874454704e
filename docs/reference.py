"""The whole of the mathematics on one page: a network with one hidden layer, without layers, classes or tricks.

Read this first, then stages/nn, which does the same for any number of layers, and faster. A test compares the two.
"""

import numpy as np


def step(
    x: np.ndarray,
    targets: np.ndarray,
    W1: np.ndarray,
    b1: np.ndarray,
    W2: np.ndarray,
    b2: np.ndarray,
    learning_rate: float,
) -> float:
    """Take one step of gradient descent, in place; return the loss before it.

    N images of D pixels, M hidden neurons, K classes: x (N, D), one-hot targets (N, K).
    """
    # forward: from pixels to probabilities
    h = x @ W1 + b1  # (N, D) @ (D, M) + (M,) = (N, M)
    a = np.maximum(h, 0)  # ReLU  (N, M)
    z = a @ W2 + b2  # logits  (N, M) @ (M, K) + (K,) = (N, K)
    e = np.exp(z - z.max(axis=1, keepdims=True))  # (N, K)
    p = e / e.sum(axis=1, keepdims=True)  # softmax: p = e^z / sum over k of e^z[k]

    # loss: the mean cross-entropy, -log of the probability of the right answer
    loss = -np.mean(np.sum(targets * np.log(p), axis=1))

    # backward: the chain rule, from the loss to each parameter
    dz = (p - targets) / len(x)  # softmax and logarithm cancel  (N, K)
    dW2, db2 = a.T @ dz, dz.sum(axis=0)  # (M, N) @ (N, K) = (M, K), (K,)
    da = dz @ W2.T  # (N, K) @ (K, M) = (N, M)
    dh = da * (h > 0)  # ReLU passes the gradient where its input was positive  (N, M)
    dW1, db1 = x.T @ dh, dh.sum(axis=0)  # (D, N) @ (N, M) = (D, M), (M,)

    # update: every parameter a little downhill
    for parameter, gradient in ((W1, dW1), (b1, db1), (W2, dW2), (b2, db2)):
        parameter -= learning_rate * gradient
    return float(loss)
