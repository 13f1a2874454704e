"""The same training job in each library, written as its own users would write it for speed.

D-128-10, float32, ReLU, softmax cross-entropy, Nesterov momentum with weight decay, the one-cycle schedule, a new
permutation per epoch, all data in memory. Each contender is a generator: it yields after each epoch, always the same
function from inputs (N, D) to a score per class (N, 10). The first epoch includes all setup and compilation.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from stages.dataset.batches import Batches
from stages.learning.learn import ORDER, TRAINING, WEIGHTS, random_stream
from stages.nn.exact import rounded
from stages.nn.initializers import he_normal
from stages.nn.network import multilayer_perceptron
from stages.nn.optimizers import chain
from stages.nn.schedules import one_cycle
from stages.nn.training import fit

M, K = 128, 10  # hidden neurons, classes
MOMENTUM, WEIGHT_DECAY = 0.9, 1e-4

Pair = tuple[Any, Any]
Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Job:
    """A training job: inputs (N, D), float32, their labels (N,), and for how long."""

    x: np.ndarray
    labels: np.ndarray
    batch_size: int
    epochs: int

    def rate(self, progress: float) -> float:
        """Return the learning rate at a progress from 0 to 1; it grows with the square root of the batch size."""
        return float(0.1 * (self.batch_size / 128) ** 0.5 * one_cycle(progress))

    def rates(self) -> np.ndarray:
        """Return the learning rate of each step (epochs, steps), all computed in advance."""
        count = self.epochs * -(-len(self.x) // self.batch_size)
        return np.array([self.rate(i / count) for i in range(count)], np.float32).reshape(self.epochs, -1)


def ours(job: Job) -> Iterator[Predict]:
    """Train the network of stages/nn as the pipeline does: inputs are rounded once, when a block is read."""
    stream, targets = partial(random_stream, 0), np.eye(K, dtype=np.float32)[job.labels]
    network = multilayer_perceptron([job.x.shape[1], M, K])
    network.initialize(he_normal, stream(WEIGHTS))

    def read(rows: np.ndarray, epoch: int, block: int) -> Pair:
        return rounded(job.x[rows]), targets[rows]

    batches = Batches(len(job.x), job.batch_size, partial(stream, ORDER), read)
    nesterov = chain("nesterov", network.weights.size, MOMENTUM, WEIGHT_DECAY)
    for _ in fit(network, batches, nesterov, job.rate, epochs=job.epochs, rng=partial(stream, TRAINING)):
        yield network.predict


def pytorch(job: Job) -> Iterator[Predict]:
    """Train with PyTorch, eager, with its fused optimizer and without a data loader."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    x, labels = torch.from_numpy(job.x), torch.from_numpy(job.labels)
    model = torch.nn.Sequential(torch.nn.Linear(x.shape[1], M), torch.nn.ReLU(), torch.nn.Linear(M, K))
    weights, biases = [model[0].weight, model[2].weight], [model[0].bias, model[2].bias]
    groups = [{"params": weights, "weight_decay": WEIGHT_DECAY}, {"params": biases}]
    optimizer = torch.optim.SGD(groups, lr=job.rate(0), momentum=MOMENTUM, nesterov=True, fused=True)
    cross_entropy = torch.nn.CrossEntropyLoss()

    def predict(new: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(model(torch.from_numpy(new)))

    for rates in job.rates().tolist():
        for rows, rate in zip(torch.randperm(len(x)).split(job.batch_size), rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
            cross_entropy(model(x[rows]), labels[rows]).backward()
            optimizer.step()
        yield predict


def jax(job: Job, scan: bool = False) -> Iterator[Predict]:
    """Train with JAX: one compiled function per step, or with `scan` one that does all full steps of an epoch."""
    import jax
    import jax.numpy as jnp

    rng, data = np.random.default_rng(0), (jnp.asarray(job.x), jnp.asarray(job.labels))
    draws = he_normal(rng, job.x.shape[1], M), np.zeros(M), he_normal(rng, M, K), np.zeros(K)
    theta = [jnp.asarray(draw, jnp.float32) for draw in draws]
    state = theta, [jnp.zeros_like(p) for p in theta]  # and the velocity

    def forward(theta: list[jax.Array], x: jax.Array) -> jax.Array:
        W1, b1, W2, b2 = theta
        return jax.nn.relu(x @ W1 + b1) @ W2 + b2

    def loss(theta: list[jax.Array], x: jax.Array, labels: jax.Array) -> jax.Array:
        log_p = jax.nn.log_softmax(forward(theta, x))
        return -jnp.take_along_axis(log_p, labels[:, None], axis=1).mean()

    def step(data: Pair, state: Pair, batch: Pair) -> Pair:
        (x, labels), (theta, velocity), (rows, rate) = data, state, batch
        grad = jax.grad(loss)(theta, x[rows], labels[rows])
        grad = [g + WEIGHT_DECAY * p if p.ndim == 2 else g for p, g in zip(theta, grad, strict=True)]
        velocity = [MOMENTUM * v + g for v, g in zip(velocity, grad, strict=True)]
        theta = [p - rate * (g + MOMENTUM * v) for p, g, v in zip(theta, grad, velocity, strict=True)]
        return (theta, velocity), None

    def steps(data: Pair, state: Pair, batches: Pair) -> Pair:
        return jax.lax.scan(partial(step, data), state, batches)

    forward_jit, step_jit, steps_jit = jax.jit(forward), *(jax.jit(f, donate_argnums=1) for f in (step, steps))
    full = len(job.x) // job.batch_size if scan else 0
    for rates in job.rates():
        order = rng.permutation(len(job.x)).astype(np.int32)
        batches = np.split(order, range(job.batch_size, len(order), job.batch_size))
        if scan:
            state, _ = steps_jit(data, state, (np.stack(batches[:full]), rates[:full]))
        for batch in zip(batches[full:], rates[full:], strict=True):
            state, _ = step_jit(data, state, batch)
        jax.block_until_ready(state)
        yield lambda new: np.asarray(forward_jit(state[0], new))  # noqa: B023, the latest state


def products(job: Job) -> Iterator[Predict]:
    """Do the matrix products of the job and nothing else, on one batch over and over: the limit of NumPy's BLAS."""
    N, D = job.batch_size, job.x.shape[1]
    rng = np.random.default_rng(0)
    x, W1, a, W2, dz = (rng.standard_normal(shape, np.float32) for shape in ((N, D), (D, M), (N, M), (M, K), (N, K)))
    h, da, z, dW1, dW2 = (np.empty_like(like) for like in (a, a, dz, W1, W2))
    for _ in range(job.epochs):
        for _ in range(0, len(job.x), N):
            np.matmul(x, W1, out=h)
            np.matmul(a, W2, out=z)
            np.matmul(a.T, dz, out=dW2)
            np.matmul(dz, W2.T, out=da)
            np.matmul(x.T, da, out=dW1)
        yield lambda new: new @ W1 @ W2


CONTENDERS: dict[str, Callable[[Job], Iterator[Predict]]] = {
    **{"ours": ours, "PyTorch eager": pytorch, "JAX jit": jax, "JAX jit and scan": partial(jax, scan=True)},
    "matrix products alone": products,
}
OURS, *_, PRODUCTS = CONTENDERS
