// The twin of stages/nn/frequencies.py, in plain float64: what is shown needs no exact sums. Images have waves in whole
// numbers here, and weights on these are weights on pixels.
"use strict";

const { lesson } = data;
const FREQUENCIES = lesson.frequencies;
const [down, across] = [model.rows, model.columns].map((n) =>
  Array.from({ length: Math.min(n, FREQUENCIES) }, (_, k) =>
    Float64Array.from({ length: n }, (_, i) => Math.sqrt((k ? 2 : 1) / n) * Math.cos((Math.PI / n) * k * (i + 0.5))),
  ),
);
const pairs = down.flatMap((_, k) => across.flatMap((_, l) => (k + l < FREQUENCIES ? [[k, l]] : [])));

// What the network that the page trains takes for a prepared image x.
function waves(x) {
  const { rows, columns } = model;
  const rowsOfWaves = down.map((wave) => {
    return Float64Array.from({ length: columns }, (_, c) =>
      wave.reduce((sum, w, r) => sum + w * x[r * columns + c], 0),
    );
  });
  return Float32Array.from(pairs, ([k, l]) => {
    const wave = across[l].reduce((sum, w, c) => sum + w * rowsOfWaves[k][c], 0);
    return Math.round(wave / lesson.unit) * lesson.scale;
  });
}

// Weights (F x M) on waves as weights (D x M) on pixels, neuron by neuron: M images, or the first `count` of them.
function onPixels(W, M, count = M) {
  const { rows, columns } = model;
  return Array.from({ length: Math.min(count, M) }, (_, j) => {
    const image = new Float32Array(rows * columns);
    const lines = down.map(() => new Float64Array(columns));
    pairs.forEach(([k, l], n) => {
      const weight = (W[n * M + j] * lesson.scale) / lesson.unit;
      for (let c = 0; c < columns; c++) lines[k][c] += weight * across[l][c];
    });
    for (let r = 0; r < rows; r++) {
      for (let k = 0; k < down.length; k++) {
        for (let c = 0; c < columns; c++) image[r * columns + c] += down[k][r] * lines[k][c];
      }
    }
    return image;
  });
}
