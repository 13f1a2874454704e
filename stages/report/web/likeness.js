// How much an image looks like the test images in the page: stages/dataset/similarity.py.
"use strict";

const DIRECTION_UNIT = 2 ** -20; // so fine are the numbers of a direction; a product of two, and any sum of them, is exact

// A prepared image blurred (1 2 1 down and across) and scaled to length 1: directions(), with its roundings.
function direction(x) {
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
  const kept = roundTo(blurred, (53 - (32 - Math.clz32(x.length - 1))) >> 1);
  const length = Math.sqrt(kept.reduce((squares, value) => squares + value * value, 0)) || 1;
  return Float32Array.from(kept, (value) => {
    return (value / length / DIRECTION_UNIT + HALF_EVEN - HALF_EVEN) * DIRECTION_UNIT;
  });
}

// The directions of the test images, of so many more at every call.
const known = [];
function learn(count) {
  const end = Math.min(known.length + count, images.length);
  for (let n = known.length; n < end; n++) known.push(direction(prepare(images[n], model).x));
}

// The likeness of a direction to each of the first `count` test images: the cosine of the angle between them.
function likenesses(own, count = known.length) {
  return known.slice(0, count).map((other) => {
    let product = 0;
    for (let i = 0; i < own.length; i++) product += own[i] * other[i];
    return product;
  });
}

// The most similar test image, other than `except`, as { n, likeness }.
function mostSimilar(own, except) {
  learn(images.length);
  const all = likenesses(own);
  if (except >= 0) all[except] = -1;
  const likeness = Math.max(...all);
  return { n: all.indexOf(likeness), likeness };
}

// While nothing else happens, so that the first stroke need not wait.
(function learnInPieces() {
  learn(100);
  if (known.length < images.length) setTimeout(learnInPieces);
})();
