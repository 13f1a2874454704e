// From a drawing to what the network takes: as the digits of MNIST were made, then as stages/dataset prepares them.
"use strict";

const PEN = 1.25; // radius of the pen, in pixels of the small picture
const SOFT = 1.0; // width of its soft edge
const SMALLEST = 0.04; // a drawing with a smaller longest side, as a fraction of the canvas, is not a digit

// Strokes, lists of points [x, y] in fractions of the canvas, as a picture of `side` x `side` pixels from 0 to 1. They
// are cropped to their box and scaled with their proportions kept, so that the longest side of the ink is `side`; then
// the pen draws them, as thick as in MNIST whatever the size. Null when there is nothing to see.
function crop(strokes, side) {
  const points = strokes.flat();
  if (!points.length) return null;
  const [left, top] = [0, 1].map((axis) => Math.min(...points.map((point) => point[axis])));
  const [right, bottom] = [0, 1].map((axis) => Math.max(...points.map((point) => point[axis])));
  const longest = Math.max(right - left, bottom - top);
  if (longest < SMALLEST) return null;
  const reach = PEN + SOFT / 2; // from the middle of the pen to where it leaves no ink
  const scale = (side - 2 * reach) / longest;
  const marginX = (side - (right - left) * scale) / 2;
  const marginY = (side - (bottom - top) * scale) / 2;
  const placed = strokes.map((stroke) => {
    return stroke.map(([x, y]) => [(x - left) * scale + marginX, (y - top) * scale + marginY]);
  });
  const picture = new Float64Array(side * side);
  for (const stroke of placed) {
    stroke.forEach((end, n) => {
      const start = stroke[Math.max(n - 1, 0)];
      for (let row = 0; row < side; row++) {
        for (let column = 0; column < side; column++) {
          const distance = distanceToSegment(column + 0.5, row + 0.5, start, end);
          const ink = Math.min(Math.max((reach - distance) / SOFT, 0), 1);
          picture[row * side + column] = Math.max(picture[row * side + column], ink);
        }
      }
    });
  }
  return picture;
}

function distanceToSegment(x, y, [x0, y0], [x1, y1]) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const length = dx * dx + dy * dy;
  const along = length ? Math.min(Math.max(((x - x0) * dx + (y - y0) * dy) / length, 0), 1) : 0;
  return Math.hypot(x - x0 - along * dx, y - y0 - along * dy);
}

// A picture of `side` x `side` from 0 to 1 as pixels low..high in an image of rows x columns, its center of mass moved
// by whole pixels to the middle: index 14 of 28. The sums are of whole numbers: center() of stages/photos/center.py.
function center(picture, side, { rows, columns, low, high }) {
  let [mass, sumX, sumY] = [0, 0, 0];
  const pixels = Array.from(picture, (ink) => Math.round(ink * (high - low)));
  pixels.forEach((ink, i) => {
    mass += ink;
    sumX += ink * (i % side);
    sumY += ink * Math.floor(i / side);
  });
  const left = clip(Math.round(columns / 2 - sumX / mass), 0, columns - side);
  const top = clip(Math.round(rows / 2 - sumY / mass), 0, rows - side);
  const image = new Uint8Array(rows * columns).fill(low);
  pixels.forEach((ink, i) => {
    image[(top + Math.floor(i / side)) * columns + left + (i % side)] = low + ink;
  });
  return image;
}

function clip(x, low, high) {
  return Math.min(Math.max(x, low), high);
}

// The slant of an image, in columns per row, and the row of its center of mass: moments() of stages/dataset/deskew.py.
function moments(image, rows, columns) {
  let [mass, sx, sy, sxy, syy] = [0, 0, 0, 0, 0];
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const ink = image[y * columns + x];
      mass += ink;
      sx += ink * x;
      sy += ink * y;
      sxy += ink * x * y;
      syy += ink * y * y;
    }
  }
  mass = Math.max(mass, 1);
  const covariance = sxy / mass - (sx / mass) * (sy / mass);
  const variance = syy / mass - (sy / mass) * (sy / mass);
  return { slant: variance < 1e-6 ? 0 : covariance / variance, row: sy / mass };
}

// The image sheared so that it is not slanted: remove_skew() of stages/dataset/deskew.py, with its float32 roundings.
function removeSkew(image, rows, columns) {
  const { slant, row } = moments(image, rows, columns);
  const bits = exponent(Math.max(...image));
  const step = powerOfTwo(Math.max(bits, 1) - 8);
  const result = new Float32Array(image.length);
  for (let y = 0; y < rows; y++) {
    const shift = clip(slant * (y - row), -columns, columns);
    const whole = Math.floor(shift);
    const fraction = Math.fround(shift - whole);
    const rest = Math.fround(1 - fraction);
    const pixel = (x) => (x >= 0 && x < columns ? image[y * columns + x] : 0);
    for (let x = 0; x < columns; x++) {
      const [here, next] = [pixel(x + whole), pixel(x + whole + 1)];
      const value = Math.fround(Math.fround(rest * here) + Math.fround(fraction * next));
      result[y * columns + x] = (value / step + HALF_EVEN - HALF_EVEN) * step;
    }
  }
  return { image: result, slant };
}

// An image of pixels (Uint8Array) as the network takes it, with the steps in between.
function prepare(image, { rows, columns, deskew, mean, std }) {
  const straight = deskew ? removeSkew(image, rows, columns) : { image: Float32Array.from(image), slant: 0 };
  const [m, s] = [Math.fround(mean), Math.fround(std)];
  const x = straight.image.map((pixel) => Math.fround(pixel - m) / s);
  return { straight: straight.image, degrees: (Math.atan(straight.slant) * 180) / Math.PI, x };
}
