// How much an image looks like the test images in the page: stages/dataset/likeness.py.
"use strict";

// A prepared image blurred (1 2 1 down and across) and scaled to length 1.
function direction(x) {
  const { rows, columns, low, mean, std } = model;
  const background = (low - mean) / std;
  const across = new Float64Array(x.length);
  for (let i = 0; i < x.length; i++) {
    const column = i % columns;
    const before = column > 0 ? x[i - 1] - background : 0;
    const after = column < columns - 1 ? x[i + 1] - background : 0;
    across[i] = before + 2 * (x[i] - background) + after;
  }
  let squares = 0;
  const blurred = across.map((value, i) => {
    const both =
      (i >= columns ? across[i - columns] : 0) + 2 * value + (i + columns < x.length ? across[i + columns] : 0);
    squares += both * both;
    return both;
  });
  const length = Math.sqrt(squares) || 1;
  return Float32Array.from(blurred, (value) => value / length);
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
