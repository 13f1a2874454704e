// The twin of stages/nn/initializers.py.
"use strict";

const INITIALIZERS = {
  // Variance 2 / inputs, for ReLU, which zeroes half of its inputs.
  he_normal: (rng, inputs, outputs) => standardNormal(rng, inputs * outputs).map((x) => Math.sqrt(2 / inputs) * x),
};
