"""The page's JavaScript computes what stages/nn computes, operation by operation, bit for bit."""

import numpy as np
import pytest

from stages.learning import lesson
from stages.nn import exact, initializers, losses, schedules
from stages.nn.network import multilayer_perceptron
from stages.nn.optimizers import chain
from stages.nn.random import Hashed
from stages.page import lesson_data
from tests.helpers.node import evaluate, needs_node

pytestmark = needs_node
RNG = np.random.default_rng(0)
KINDS = [np.float32, np.float64]


def same(found, expected):
    """Assert that arrays have the same bytes, whatever their shapes."""
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.tobytes() == np.ascontiguousarray(theirs).tobytes()


def normal(shape, kind=np.float32, scale=1.0):
    return (RNG.standard_normal(shape) * scale).astype(kind)


def test_random_numbers_and_orders():
    code = """
    const rng = new Hashed(3, 2 ** 32 - 1, 7);
    return [Float64Array.of(rng.random()), rng.random(5), rng.random32(7), rng.permutation(3000), rng.random(2)];
    """
    rng = Hashed(3, 2**32 - 1, 7)
    one = [rng.random(()), rng.random((5,)), rng.random((7,), np.float32), rng.permutation(3000), rng.random((2,))]
    one[3] = one[3].astype(np.uint32)
    same(evaluate(code), one)
    assert np.array_equal(np.sort(one[3]), np.arange(3000))
    many = Hashed(0).random((10**5,))
    assert abs(many.mean() - 0.5) < 0.003
    assert abs(np.corrcoef(many[1:], many[:-1])[0, 1]) < 0.01
    assert len({float(Hashed(seed, use).random(())) for seed in range(50) for use in range(50)}) == 2500


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1e-30, 0.01, 1.0, 2.0**10, 0.0, np.inf])
def test_rounding_and_sums(kind, scale):
    a = normal(3000, kind) * kind(scale) if scale < np.inf else np.array([1, np.inf, 0], kind)
    rng = Hashed(5)
    expected = [exact.rounded(a), exact.round_to(a, 6), exact.total(a.reshape(-1, 3), axis=1)]
    code = "const a = values.a; return [rounded(a), roundTo(a, 6), totals(a, 3)"
    if kind == np.float32:
        expected += [exact.rounded(a, rng), exact.rounded(np.resize(a, 2**18 + 9), rng)]
        code += ", ...(() => { const rng = new Hashed(5); const long = new Float32Array(2 ** 18 + 9).map((_, i) => "
        code += "a[i % a.length]); return [rounded(a, rng), rounded(long, rng)]; })()"
    same(evaluate(f"{code}];", a=a), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("N", "D", "M"), [(1, 1, 1), (7, 5, 3), (33, 136, 10), (8, 255, 65), (5, 600, 4), (2, 4500, 2)]
)
def test_products(kind, N, D, M):
    a, b = exact.rounded(normal((N, D), kind)), exact.rounded(normal((D, M), kind, 0.01))
    a[0], b[:, 0] = np.abs(a).max(), -np.abs(b).max()  # the largest sums that there can be
    code = "return [matmul(values.a, values.b, values.D), transposed(values.a, values.D)];"
    same(evaluate(code, a=a.ravel(), b=b.ravel(), D=D), [exact.matmul(a, b), a.T])


def test_functions():
    x = np.concatenate([-np.geomspace(1e-7, 800, 4000), np.linspace(-40, -0.001, 4000)])
    x32, u = x.astype(np.float32), np.linspace(-9, 9, 1001)
    progress = np.linspace(0, 1, 501)
    expected = [exact.exp(x), exact.log(-x), exact.exp(x32), exact.log(-x32), exact.tanh(u), exact.cos(u)]
    expected += [np.array([schedule(float(p)) for p in progress]) for schedule in schedules.SCHEDULES.values()]
    expected += [initializers.he_normal(Hashed(1), 30, 20), exact.NOISE[: exact.POOL]]
    expected += [np.array(series) for series in (exact.EXP, exact.ATANH, exact.COS)]
    code = """
    const { x, x32, u, progress } = values;
    return [x.map(exp), x.map((v) => log(-v)), x32.map(exp32), x32.map((v) => log32(-v)), u.map(tanh), u.map(cos),
      ...Object.values(SCHEDULES).map((schedule) => progress.map(schedule)),
      INITIALIZERS.he_normal(new Hashed(1), 30, 20), NOISE, ...[EXP, ATANH, COS].map((a) => Float64Array.from(a))];
    """
    same(evaluate(code, x=x, x32=x32, u=u, progress=progress), expected)


@pytest.mark.parametrize(
    ("sizes", "dropout"), [((20, 7, 3), 0.0), ((136, 33, 10), 0.1), ((9, 8, 6, 4), 0.5), ((5, 3), 0)]
)
def test_a_network_its_loss_and_its_gradient(sizes, dropout):
    network = multilayer_perceptron(sizes, input_dropout=dropout)
    network.theta[:] = normal(network.theta.size, scale=0.3)
    x, targets = normal((300, sizes[0])), np.eye(sizes[-1], dtype=np.float32)[RNG.integers(0, sizes[-1], 300)]
    rng = Hashed(1)
    logits = network.forward(x, rng)
    loss, dlogits = losses.softmax_cross_entropy(logits, targets)
    network.backward(dlogits, rng)
    scores = network.predict(x, chunk=128)
    code = """
    const { sizes, dropout, theta, x, targets } = values;
    const network = multilayerPerceptron(sizes, dropout);
    const rng = new Hashed(1);
    network.theta.set(theta);
    const logits = network.forward(x, rng);
    const [loss, dlogits] = softmaxCrossEntropy(logits, targets, sizes.at(-1));
    network.backward(dlogits, rng);
    const scores = network.predict(x, 128);
    return [logits, Float64Array.of(loss), dlogits, network.grad, scores, softmax(scores.subarray(0, sizes.at(-1)))];
    """
    found = evaluate(code, sizes=sizes, dropout=dropout, theta=network.theta, x=x.ravel(), targets=targets.ravel())
    same(found, [logits, np.array([loss]), dlogits, network.grad, scores, losses.softmax(scores[:1])])


@pytest.mark.parametrize("optimizer", ["gradient_descent", "momentum", "nesterov", "adam", "adamw"])
def test_directions(optimizer):
    gradients, theta = normal((4, 50)), normal(50)
    direction = chain(optimizer, 40, 0.9, 0.01)
    expected = [direction(grad.copy(), theta).copy() for grad in gradients]
    code = """
    const direction = chain(values.optimizer, 40, 0.9, 0.01);
    return [0, 1, 2, 3].map((n) => Float32Array.from(direction(values.g.slice(50 * n, 50 * n + 50), values.theta)));
    """
    same(evaluate(code, optimizer=optimizer, g=gradients.ravel(), theta=theta), expected)


@pytest.mark.parametrize("optimizer", ["momentum", "nesterov", "adam"])
def test_a_whole_training_comes_to_the_same_bytes(optimizer):
    split = normal((150, 600)), np.eye(3, dtype=np.float32)[RNG.integers(0, 3, 150)]
    rare = split[0][:40], split[1][:40]
    chosen = lesson.choose(split, rare, (90, 30), (24, 25), seed=0)
    assert np.array_equal(np.bincount(chosen.train.labels), [30, 30, 30])
    rate = 0.003 if optimizer == "adam" else 0.1
    settings = lesson.RECIPE | {
        "optimizer": optimizer,
        "hidden": 17,
        "batch_size": 16,
        "epochs": 3,
        "learning_rate": rate,
    }
    *_, network = lesson.learn(chosen, settings)
    found = evaluate(
        """
        const news = [];
        const trainer = new Trainer((report) => news.push(report));
        await trainer.receive({ lesson: values.lesson });
        await trainer.receive({ settings: values.settings });
        await trainer.receive({ steps: Infinity });
        while (!news.at(-1).done) await new Promise(setImmediate);
        return [news.at(-1).theta, ...news.map(({ accuracy }) => accuracy).filter((value) => value !== undefined)];
        """,
        lesson=lesson_data(chosen),
        settings=settings,
    )
    x, targets = chosen.inputs(chosen.validation)
    assert found[0].tobytes() == network.theta.tobytes()
    assert len(found) == 2 + 3  # epoch 0, too
    assert found[-1] == (network.predict(x).argmax(axis=1) == targets.argmax(axis=1)).mean()
