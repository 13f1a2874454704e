// The twin of stages/nn/training.py and of stages/dataset/batches.py. It yields after every step, for all to watch.
"use strict";

// Minibatches of rows of x (D numbers each) and targets (K each), in an order drawn from order(epoch).
class Batches {
  constructor(x, targets, D, K, batchSize, order) {
    Object.assign(this, { x, targets, D, K, batchSize, order });
    this.count = x.length / D;
    this.length = Math.ceil(this.count / batchSize);
  }

  *epoch(number) {
    const order = this.order(number).permutation(this.count);
    for (let start = 0; start < this.count; start += this.batchSize) {
      const rows = order.subarray(start, start + this.batchSize);
      yield [gather(this.x, this.D, rows), gather(this.targets, this.K, rows)];
    }
  }
}

function gather(a, width, rows) {
  const result = new Float32Array(rows.length * width);
  rows.forEach((row, n) => result.set(a.subarray(row * width, row * width + width), n * width));
  return result;
}

// Trains the network. A loss that is not finite is the last: training has diverged.
function* fit(network, batches, direction, learningRate, { epochs, rng }) {
  const { theta, grad } = network;
  const steps = batches.length;
  for (let number = 1; number <= epochs; number++) {
    const epochRng = rng(number);
    let step = 0;
    for (const [x, targets] of batches.epoch(number)) {
      const logits = network.forward(x, epochRng); // (N, K)
      const [loss, dlogits] = softmaxCrossEntropy(logits, targets, batches.K); // nats, (N, K)
      network.backward(dlogits, epochRng); // fills grad (P,)
      const rate = learningRate(((number - 1) * steps + step) / (epochs * steps));
      if (Number.isFinite(loss)) {
        const towards = direction(grad, theta);
        for (let i = 0; i < theta.length; i++) theta[i] -= f(f(rate) * towards[i]); // (P,)
      }
      yield { step: ++step, steps, loss, rate };
      if (!Number.isFinite(loss)) return;
    }
  }
}
