"""The same training job in each library, written as its own users would write it for speed.

784-128-10, float32, ReLU, softmax cross-entropy, Nesterov momentum 0.9, the one-cycle schedule, a new permutation
per epoch, all data in memory. Each contender is a generator: it yields a function from images (N, 784) to a score per
class (N, 10), first when everything is set up and compiled, then after each epoch.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from stages.dataset.batches import Batches
from stages.nn.exact import EXACT, FAST, Arithmetic
from stages.nn.frequencies import LowFrequencies
from stages.nn.initializers import he_normal
from stages.nn.losses import smooth_labels
from stages.nn.network import multilayer_perceptron
from stages.nn.optimizers import Nesterov
from stages.nn.schedules import one_cycle
from stages.nn.training import fit

Predict = Callable[[np.ndarray], np.ndarray]
Contender = Callable[..., Iterator[Predict]]

MOMENTUM = 0.9


@dataclass(frozen=True)
class Job:
    """A training job."""

    batch_size: int = 128
    epochs: int = 4
    seed: int = 0
    threads: int = 1
    width: int = 128  # of the hidden layer
    peak: float = 0.1  # of the learning rate, at batch size 128; it scales with the square root of the batch size
    weight_decay: float = 0.0
    label_smoothing: float = 0.0

    @property
    def learning_rate(self) -> float:
        """The peak of the cycle."""
        return float(self.peak * (self.batch_size / 128) ** 0.5)


def ours(images: np.ndarray, labels: np.ndarray, job: Job, arithmetic: Arithmetic = FAST) -> Iterator[Predict]:
    """Train the network of stages/nn; its BLAS threads are set by the caller."""
    classes = int(labels.max()) + 1
    network = multilayer_perceptron([images.shape[1], job.width, classes], arithmetic=arithmetic)
    network.initialize(he_normal, np.random.default_rng([job.seed, 1]))
    targets = smooth_labels(np.eye(classes, dtype=np.float32)[labels], job.label_smoothing)
    batches = Batches(images, targets, job.batch_size, lambda epoch: np.random.default_rng([job.seed, 2, epoch]))
    options = {"epochs": job.epochs, "learning_rate": job.learning_rate, "weight_decay": job.weight_decay}
    yield network.predict
    for _ in fit(network, batches, Nesterov(MOMENTUM), one_cycle, **options):
        yield network.predict


def pytorch(images: np.ndarray, labels: np.ndarray, job: Job, compiled: bool = False) -> Iterator[Predict]:
    """Train with PyTorch: eager, or its step compiled; its fused optimizer, no data loader."""
    import torch

    torch.set_num_threads(job.threads)
    torch.manual_seed(job.seed)
    X, y = torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))
    model = torch.nn.Sequential(
        torch.nn.Linear(X.shape[1], job.width), torch.nn.ReLU(), torch.nn.Linear(job.width, int(labels.max()) + 1)
    )
    for layer in (model[0], model[2]):
        torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        torch.nn.init.zeros_(layer.bias)
    groups = [
        {"params": [model[0].weight, model[2].weight], "weight_decay": job.weight_decay},
        {"params": [model[0].bias, model[2].bias], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(groups, lr=job.learning_rate, momentum=MOMENTUM, nesterov=True, fused=True)
    cross_entropy = torch.nn.CrossEntropyLoss(label_smoothing=job.label_smoothing)

    def forward(x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return cross_entropy(model(x), target)

    def predict_all(new: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(model(torch.from_numpy(new)))

    loss_of = torch.compile(forward) if compiled else forward
    loss_of(X[: job.batch_size], y[: job.batch_size]).backward()
    yield predict_all
    steps = -(-len(X) // job.batch_size)
    for epoch in range(job.epochs):
        order = torch.randperm(len(X))
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = job.learning_rate * one_cycle((epoch * steps + step) / (job.epochs * steps))
            rows = order[step * job.batch_size : (step + 1) * job.batch_size]
            optimizer.zero_grad()
            loss_of(X[rows], y[rows]).backward()
            optimizer.step()
        yield predict_all


def scikit_learn(images: np.ndarray, labels: np.ndarray, job: Job) -> Iterator[Predict]:
    """Train scikit-learn's MLPClassifier; it takes one learning rate per epoch. Its BLAS is NumPy's."""
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        (job.width,),
        solver="sgd",
        momentum=MOMENTUM,
        nesterovs_momentum=True,
        batch_size=job.batch_size,
        learning_rate_init=job.learning_rate * one_cycle(0.5 / job.epochs),
        alpha=0.0,
        random_state=job.seed,
    )
    yield lambda new: np.zeros((len(new), int(labels.max()) + 1))  # it initializes itself in its first epoch
    for epoch in range(job.epochs):
        if epoch:
            model._optimizer.learning_rate = job.learning_rate * one_cycle((epoch + 0.5) / job.epochs)
        model.partial_fit(images, labels, classes=np.arange(labels.max() + 1))
        yield model.predict_proba


def jax(images: np.ndarray, labels: np.ndarray, job: Job) -> Iterator[Predict]:
    """Train with JAX: one compiled function per step, its buffers reused. It has as many threads as processors."""
    import jax
    import jax.numpy as jnp

    X, y = jnp.asarray(images), jnp.asarray(labels)
    classes = int(labels.max()) + 1
    rng = np.random.default_rng(job.seed)
    W1, W2 = he_normal(rng, X.shape[1], job.width), he_normal(rng, job.width, classes)
    theta = [jnp.asarray(p, jnp.float32) for p in (W1, np.zeros(job.width), W2, np.zeros(classes))]
    velocity = [jnp.zeros_like(p) for p in theta]

    def logits_of(theta: list[jax.Array], x: jax.Array) -> jax.Array:
        W1, b1, W2, b2 = theta
        return jnp.maximum(x @ W1 + b1, 0) @ W2 + b2

    def loss_of(theta: list[jax.Array], x: jax.Array, target: jax.Array) -> jax.Array:
        log_p = jax.nn.log_softmax(logits_of(theta, x))
        loss = -jnp.take_along_axis(log_p, target[:, None], axis=1).mean()
        return (1 - job.label_smoothing) * loss - job.label_smoothing * log_p.mean() if job.label_smoothing else loss

    @partial(jax.jit, donate_argnums=(0, 1))
    def step_of(
        theta: list[jax.Array], velocity: list[jax.Array], X: jax.Array, y: jax.Array, rows: jax.Array, rate: float
    ) -> tuple[list[jax.Array], list[jax.Array]]:
        grad = jax.grad(loss_of)(theta, X[rows], y[rows])
        if job.weight_decay:  # of the weights, not of the biases
            grad = [g + job.weight_decay * p if p.ndim == 2 else g for p, g in zip(theta, grad, strict=True)]
        velocity = [MOMENTUM * v + g for v, g in zip(velocity, grad, strict=True)]
        moved = [p - rate * (g + MOMENTUM * v) for p, g, v in zip(theta, grad, velocity, strict=True)]
        return moved, velocity

    def predict_all(new: np.ndarray) -> np.ndarray:
        return np.asarray(logits_of(theta, jnp.asarray(new)))

    for size in {job.batch_size, len(X) % job.batch_size or job.batch_size}:  # compile it for the last batch, too
        step_of([*map(jnp.copy, theta)], [*map(jnp.copy, velocity)], X, y, np.arange(size, dtype=np.int32), 0.0)
    yield predict_all
    steps = -(-len(X) // job.batch_size)
    for epoch in range(job.epochs):
        order = rng.permutation(len(X)).astype(np.int32)
        for step in range(steps):
            rate = job.learning_rate * one_cycle((epoch * steps + step) / (job.epochs * steps))
            rows = order[step * job.batch_size : (step + 1) * job.batch_size]
            theta, velocity = step_of(theta, velocity, X, y, rows, rate)
        jax.block_until_ready(theta)
        yield predict_all


def floor(images: np.ndarray, labels: np.ndarray, job: Job) -> Iterator[Predict]:
    """Do the matrix products of the job and nothing else, on one batch over and over: the limit of NumPy's BLAS."""
    N, D, M, K = job.batch_size, images.shape[1], job.width, int(labels.max()) + 1
    rng = np.random.default_rng(job.seed)
    x, W1, h, W2, dz = (rng.standard_normal(shape, np.float32) for shape in ((N, D), (D, M), (N, M), (M, K), (N, K)))
    y, dh, z, dW1, dW2 = (np.empty_like(a) for a in (h, h, dz, W1, W2))

    def predict_nothing(new: np.ndarray) -> np.ndarray:
        return np.zeros((len(new), K))

    yield predict_nothing
    for _ in range(job.epochs):
        for _ in range(-(-len(images) // N)):
            np.matmul(x, W1, out=y)
            np.matmul(h, W2, out=z)
            np.matmul(h.T, dz, out=dW2)
            np.matmul(dz, W2.T, out=dh)
            np.matmul(x.T, dh, out=dW1)
        yield predict_nothing


def on_frequencies(contender: Contender) -> Contender:
    """Give a contender the 136 lowest frequencies of the images instead of their pixels; done before it is timed."""
    inputs = LowFrequencies((28, 28), 16, FAST)

    def run(images: np.ndarray, labels: np.ndarray, job: Job) -> Iterator[Predict]:
        for predict in contender(inputs.transform(images), labels, job):
            yield lambda new, predict=predict: predict(inputs.transform(new))

    return run


CONTENDERS: dict[str, Contender] = {
    "ours": ours,
    "PyTorch eager": pytorch,
    "PyTorch compiled": partial(pytorch, compiled=True),
    "scikit-learn": scikit_learn,
    "JAX jit": jax,
    "matrix products alone": floor,
    "ours, exact": partial(ours, arithmetic=EXACT),
    "ours, 136 frequencies": on_frequencies(ours),
    "ours, exact, 136 frequencies": on_frequencies(partial(ours, arithmetic=EXACT)),
    "PyTorch eager, 136 frequencies": on_frequencies(pytorch),
    "JAX jit, 136 frequencies": on_frequencies(jax),
}
