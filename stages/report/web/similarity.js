// How similar an image is to training images: stages/dataset/similarity.py.
"use strict";

const VECTOR_UNIT = 2 ** -20; // vectors are rounded to it, so that products of two, and any sum of them, are exact

// A prepared image blurred (1 2 1 down and across) and scaled to length 1: unit_vectors(), with its roundings.
function unitVector(x) {
  const { rows, columns, low, mean, std } = model;
  const background = (low - mean) / std;
  const ink = Float64Array.from(x, (value) => value - background);
  const down = ink.map((value, i) => {
    return (i >= columns ? ink[i - columns] : 0) + 2 * value + (i + columns < x.length ? ink[i + columns] : 0);
  });
  const blurred = down.map((value, i) => {
    const column = i % columns;
    return (column > 0 ? down[i - 1] : 0) + 2 * value + (column < columns - 1 ? down[i + 1] : 0);
  });
  const bits = (53 - (32 - Math.clz32(x.length - 1))) >> 1;
  const scale = powerOfTwo(bits - exponent(blurred.reduce((most, value) => Math.max(most, Math.abs(value)), 0)));
  const whole = blurred.map((value) => value * scale + HALF_EVEN - HALF_EVEN);
  const length = Math.sqrt(whole.reduce((squares, value) => squares + value * value, 0)) || 1;
  return Float32Array.from(whole, (value) => {
    return (value / length / VECTOR_UNIT + HALF_EVEN - HALF_EVEN) * VECTOR_UNIT;
  });
}

// The cosines of the angles between a vector and others.
function similarities(own, others) {
  return others.map((other) => {
    let product = 0;
    for (let i = 0; i < own.length; i++) product += own[i] * other[i];
    return product;
  });
}

// The vectors of the training images in the model, of `count` more at every call.
const known = [];
function learn(count) {
  const [mean, std] = [Math.fround(model.mean), Math.fround(model.std)];
  const end = Math.min(known.length + count, knownImages.length);
  for (let n = known.length; n < end; n++) {
    known.push(unitVector(Float32Array.from(knownImages[n], (pixel) => Math.fround(pixel - mean) / std)));
  }
}

// The similarity of a vector to the most similar of them.
function bestSimilarity(own) {
  learn(knownImages.length);
  return Math.max(...similarities(own, known));
}

// While nothing else happens, so that the first stroke need not wait.
(function learnInPieces() {
  learn(100);
  if (known.length < knownImages.length) setTimeout(learnInPieces);
})();
