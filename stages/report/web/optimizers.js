// The twin of stages/nn/optimizers.py: each turns a gradient into a direction, and may write it over the gradient.
"use strict";

class WeightDecay {
  constructor(decay, weights) {
    Object.assign(this, { decay: f(decay), weights });
  }

  direction(grad, theta) {
    for (let i = 0; i < this.weights; i++) grad[i] += f(this.decay * theta[i]);
    return grad;
  }
}

class Momentum {
  constructor(momentum) {
    this.momentum = f(momentum);
  }

  direction(grad) {
    this.velocity ??= new Float32Array(grad.length);
    const v = this.velocity;
    for (let i = 0; i < v.length; i++) v[i] = f(v[i] * this.momentum) + grad[i]; // v = momentum v + g
    return v;
  }
}

class Nesterov extends Momentum {
  direction(grad) {
    this.velocity ??= new Float32Array(grad.length);
    const v = this.velocity; // momentum times that of Momentum
    for (let i = 0; i < v.length; i++) {
      v[i] = f(v[i] + grad[i]) * this.momentum;
      grad[i] += v[i]; // g + momentum v
    }
    return grad;
  }
}

class Adam {
  constructor() {
    const [beta1, beta2] = [0.9, 0.999];
    Object.assign(this, { beta1, beta2, epsilon: f(1e-8), power1: 1, power2: 1 });
  }

  direction(grad) {
    this.m ??= new Float32Array(grad.length);
    this.v ??= new Float32Array(grad.length);
    const { m, v, beta1, beta2, epsilon } = this;
    this.power1 *= beta1;
    this.power2 *= beta2;
    const [new1, new2, rest1, rest2] = [1 - beta1, 1 - beta2, 1 - this.power1, 1 - this.power2].map(f);
    for (let i = 0; i < m.length; i++) {
      const g = grad[i];
      m[i] += f(new1 * f(g - m[i])); // moving average of g
      v[i] += f(new2 * f(f(g * g) - v[i])); // moving average of g^2
      grad[i] = f(m[i] / rest1) / f(f(Math.sqrt(f(v[i] / rest2))) + epsilon);
    }
    return grad;
  }
}

const OPTIMIZERS = {
  gradient_descent: () => [],
  momentum: (momentum) => [new Momentum(momentum)],
  nesterov: (momentum) => [new Nesterov(momentum)],
  adam: () => [new Adam()],
  adamw: () => [new Adam()],
};

// The directions of an optimizer by name, one after the other, with weight decay on the first `weights` parameters.
function chain(optimizer, weights, momentum, weightDecay) {
  const own = OPTIMIZERS[optimizer](momentum);
  const decay = weightDecay ? [new WeightDecay(weightDecay, weights)] : [];
  const links = optimizer === "adamw" ? [...own, ...decay] : [...decay, ...own];
  return (grad, theta) => links.reduce((gradient, link) => link.direction(gradient, theta), grad);
}
