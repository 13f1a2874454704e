// The forward pass of stages/nn, and the way back from a class to the neurons and pixels that spoke for and against it.
"use strict";

const SLOPE = 0.01; // of leaky ReLU

const ACTIVATIONS = {
  relu: (z) => z.map((value) => Math.max(value, 0)),
  leaky_relu: (z) => z.map((value) => (value > 0 ? value : SLOPE * value)),
  tanh: (z) => z.map(tanh),
  sigmoid: (z) => z.map((value) => 0.5 * (1 + tanh(0.5 * value))),
};

class TracedNetwork {
  // `layers` have W (inputs x outputs, row after row) and b as Float32Array.
  constructor(layers, activation) {
    this.activation = activation;
    this.layers = layers.map(({ W, b }) => {
      return { W, b, rounded: rounded(new Float64Array(W)), inputs: W.length / b.length, outputs: b.length };
    });
  }

  // What every layer makes of a prepared image x (Float32Array). `x`, `z` and `y` of a layer are its rounded inputs,
  // its weighted sums with bias, and its outputs.
  forward(x) {
    const trace = [];
    let y = Float64Array.from(x);
    this.layers.forEach((layer, n) => {
      const input = rounded(y);
      const z = matmul(input, layer.rounded, layer.inputs).map((sum, j) => sum + layer.b[j]);
      y = n < this.layers.length - 1 ? ACTIVATIONS[this.activation](z) : z;
      trace.push({ x: input, z, y });
    });
    const probabilities = softmax(y);
    const answer = probabilities.indexOf(Math.max(...probabilities));
    return { trace, logits: y, probabilities, answer, confidence: probabilities[answer] };
  }

  // Output k of layer n as a sum: its bias, and input times weight for each input.
  terms(result, n, k) {
    const { rounded, b, outputs } = this.layers[n];
    return { bias: b[k], products: result.trace[n].x.map((value, j) => value * rounded[j * outputs + k]) };
  }

  // The logit of class k, or the weighted sum of neuron k of layer n, as a sum over pixels and one constant. Exact as
  // long as the network is linear once it is known which neurons are active; null for tanh and sigmoid in between.
  pixels(result, n, k) {
    if (n > 0 && !this.activation.endsWith("relu")) return null;
    let constant = this.layers[n].b[k];
    let gradient = column(this.layers[n], k);
    while (n-- > 0) {
      const { rounded, b, inputs, outputs } = this.layers[n];
      const { z } = result.trace[n];
      const slope = this.activation === "relu" ? 0 : SLOPE;
      gradient = gradient.map((value, j) => (z[j] > 0 ? value : slope * value));
      gradient.forEach((value, j) => (constant += value * b[j]));
      const before = new Float64Array(inputs);
      for (let i = 0; i < inputs; i++) {
        for (let j = 0; j < outputs; j++) before[i] += rounded[i * outputs + j] * gradient[j];
      }
      gradient = before;
    }
    return { constant, products: gradient.map((value, i) => value * result.trace[0].x[i]) };
  }
}

function column({ rounded, inputs, outputs }, k) {
  return Float64Array.from({ length: inputs }, (_, j) => rounded[j * outputs + k]);
}
