// The twin of stages/nn/layers.py: the layers that the page trains. Arrays are N rows, one after the other.
"use strict";

class Dense {
  constructor(inputs, outputs) {
    Object.assign(this, { inputs, outputs }); // W, b, dW, db are views of the network's theta and grad
  }

  forward(x) {
    this.x = rounded(x);
    this.roundedW = rounded(new x.constructor(this.W));
    const y = matmul(this.x, this.roundedW, this.inputs);
    for (let i = 0; i < y.length; i++) y[i] += this.b[i % this.outputs];
    return y; // x W + b   (N, M)
  }

  gradients(dy) {
    const N = dy.length / this.outputs;
    this.dW.set(matmul(transposed(this.x, this.inputs), dy, N)); // x^T dy   (D, M)
    this.db.set(matmul(new Float32Array(N).fill(1), dy, N)); // the sum of the rows   (M,)
  }

  backward(dy, rng) {
    dy = rounded(dy, rng);
    this.gradients(dy);
    return matmul(dy, transposed(this.roundedW, this.outputs), this.outputs); // dy W^T   (N, D)
  }
}

class ReLU {
  forward(x) {
    this.y = x.map((value) => Math.max(value, 0));
    return this.y;
  }

  backward(dy) {
    return dy.map((value, i) => (this.y[i] > 0 ? value : 0));
  }
}

class Dropout {
  constructor(rate) {
    this.rate = rate;
  }

  forward(x, rng = null) {
    if (!rng) return x;
    const scale = f(1 / f(1 - this.rate));
    this.mask = rng.random32(x.length).map((u) => (u >= f(this.rate) ? scale : 0)); // 0 or 1 / (1 - rate)   (N, D)
    return x.map((value, i) => value * this.mask[i]);
  }

  backward(dy) {
    return dy.map((value, i) => value * this.mask[i]);
  }
}
