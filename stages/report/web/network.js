// The twin of stages/nn/network.py: layers in a row, on one flat vector of parameters, every W before every b.
"use strict";

class Network {
  constructor(layers) {
    this.layers = layers;
    this.dense = layers.filter((layer) => layer instanceof Dense);
    const weights = this.dense.reduce((sum, { inputs, outputs }) => sum + inputs * outputs, 0);
    const biases = this.dense.reduce((sum, { outputs }) => sum + outputs, 0);
    this.theta = new Float32Array(weights + biases);
    this.grad = new Float32Array(weights + biases);
    this.weights = weights;
    let [w, b] = [0, weights];
    for (const layer of this.dense) {
      const ends = [w + layer.inputs * layer.outputs, b + layer.outputs];
      Object.assign(layer, { W: this.theta.subarray(w, ends[0]), dW: this.grad.subarray(w, ends[0]) });
      Object.assign(layer, { b: this.theta.subarray(b, ends[1]), db: this.grad.subarray(b, ends[1]) });
      [w, b] = ends;
    }
  }

  initialize(initializer, rng) {
    for (const layer of this.dense) layer.W.set(initializer(rng, layer.inputs, layer.outputs));
  }

  forward(x, rng = null) {
    for (const layer of this.layers) x = layer.forward(x, rng);
    return x;
  }

  // Fills `grad` from dlogits of the last `forward`; with `rng`, gradients are rounded at random.
  backward(dlogits, rng = null) {
    let dy = dlogits;
    for (const layer of [...this.layers].reverse()) {
      if (layer === this.dense[0]) return layer.gradients(rounded(dy, rng)); // nobody asks for dL/dpixels
      dy = layer.backward(dy, rng);
    }
  }

  // The logits for rows of x, computed in float64, `chunk` rows at a time.
  predict(x, chunk = 4096) {
    const D = this.dense[0].inputs;
    const logits = new Float64Array((x.length / D) * this.dense.at(-1).outputs);
    for (let start = 0, at = 0; start < x.length; start += chunk * D) {
      const some = this.forward(new Float64Array(x.subarray(start, start + chunk * D)));
      logits.set(some, at);
      at += some.length;
    }
    return logits;
  }
}

// A network with ReLU between dense layers of `sizes`, from the inputs to the classes; its parameters are zero.
function multilayerPerceptron(sizes, inputDropout = 0) {
  const layers = inputDropout ? [new Dropout(inputDropout)] : [];
  for (let n = 1; n < sizes.length; n++) {
    layers.push(new Dense(sizes[n - 1], sizes[n]));
    if (n < sizes.length - 1) layers.push(new ReLU());
  }
  return new Network(layers);
}
