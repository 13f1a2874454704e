// The arithmetic of stages/nn/exact.py: operands are rounded so that no sum is, and so every order gives the same bits.
// A number in JavaScript is the float64 of NumPy; Math.fround rounds it to float32.
"use strict";

const BITS = 21;
const TERMS = 2 ** 11; // a sum of more products is cut into pieces of so many
const FINEST = -479;
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
const HALF_EVEN = 1.5 * 2 ** 52; // added and subtracted, it rounds to whole numbers, halves to even

const EXP = [1]; // Taylor series of e^x
for (let n = 1, factorial = 1; n < 14; n++) {
  factorial *= n;
  EXP.push(1 / factorial);
}

// 2^n for -1022 <= n <= 1023, without a call of pow, which need not be exact.
function powerOfTwo(n) {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(0, (n + 1023) << 20);
  return view.getFloat64(0);
}

// The e of x = m 2^e with 0.5 <= m < 1.
function exponent(x) {
  if (x === 0) return 0;
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  return ((view.getUint32(0) >>> 20) & 0x7ff) - 1022;
}

// The multiples of 2^(e - bits) nearest to the numbers of a Float32Array or Float64Array, as a Float64Array; 2^e is
// above the largest of them.
function roundTo(a, bits) {
  let largest = 0;
  for (const value of a) largest = Math.max(largest, Math.abs(value));
  const e = Math.max(exponent(largest), FINEST);
  const single = a instanceof Float32Array;
  const C = 1.5 * powerOfTwo(e - bits + (single ? 23 : 52));
  const result = new Float64Array(a.length);
  for (let i = 0; i < a.length; i++) {
    result[i] = single ? Math.fround(Math.fround(a[i] + C) - C) : a[i] + C - C;
  }
  return result;
}

function rounded(a) {
  return roundTo(a, BITS);
}

// The sum of a Float64Array, whose terms are rounded so that it is exact.
function total(a) {
  const bits = Math.min(51, 53 - (32 - Math.clz32(a.length - 1)));
  return roundTo(a, bits).reduce((sum, term) => sum + term, 0);
}

function exp(x) {
  x = Math.min(Math.max(x, -746), 710);
  const k = x / LN2_HIGH + HALF_EVEN - HALF_EVEN;
  let r = x - k * LN2_HIGH;
  r -= k * LN2_LOW;
  let sum = EXP[13];
  for (let n = 12; n >= 0; n--) sum = sum * r + EXP[n];
  const half = Math.trunc(k / 2); // in two steps: 2^k alone may be too small or too large
  return k < -1000 ? sum * powerOfTwo(-900) * powerOfTwo(k + 900) : sum * powerOfTwo(half) * powerOfTwo(k - half);
}

function tanh(x) {
  const e = exp(2 * Math.min(Math.abs(x), 20));
  const y = 1 - 2 / (e + 1);
  return x < 0 || Object.is(x, -0) ? -y : y;
}

// Probabilities for logits: p = e^z / sum e^z, shifted so that no exponential overflows.
function softmax(logits) {
  const largest = Math.max(...logits);
  const shift = logits instanceof Float32Array ? (z) => Math.fround(z - largest) : (z) => z - largest;
  const e = Float64Array.from(logits, (z) => exp(shift(z)));
  const sum = total(e);
  return e.map((value) => value / sum);
}
