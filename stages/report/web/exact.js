// The arithmetic of stages/nn/exact.py in float64, the type of a number in JavaScript: operands are rounded so that no
// sum is, and so every order gives the same bits.
"use strict";

const BITS = 21;
const TERMS = 2 ** 11; // a longer sum of products is cut into pieces of this length
const FINEST = -490;
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

// The multiples of 2^(e - bits) nearest to the numbers of a Float64Array; 2^e is the least power of two that is not
// below the largest of them.
function roundTo(a, bits) {
  let largest = 0;
  for (const value of a) largest = Math.max(largest, Math.abs(value));
  const e = exponent(largest);
  const unit = powerOfTwo(Math.max(e - (largest === powerOfTwo(e - 1)), FINEST) - bits);
  const C = 1.5 * 2 ** 52 * unit;
  return a.map((value) => value + C - C);
}

function rounded(a) {
  return roundTo(a, BITS);
}

// The sum of a Float64Array, whose terms are rounded so that it is exact.
function total(a) {
  const bits = Math.min(51, 53 - (32 - Math.clz32(a.length - 1)));
  return roundTo(a, bits).reduce((sum, term) => sum + term, 0);
}

// e^x for x <= 0.
function exp(x) {
  x = Math.max(x, -746);
  const k = x / LN2_HIGH + HALF_EVEN - HALF_EVEN;
  let r = x - k * LN2_HIGH;
  r -= k * LN2_LOW;
  let sum = EXP[13];
  for (let n = 12; n >= 0; n--) sum = sum * r + EXP[n];
  return k < -1000 ? sum * powerOfTwo(-900) * powerOfTwo(k + 900) : sum * powerOfTwo(k); // 2^k may be too small
}

function tanh(x) {
  const e = exp(-2 * Math.abs(x));
  const y = (1 - e) / (1 + e);
  return x < 0 || Object.is(x, -0) ? -y : y;
}

// Probabilities for logits: p = e^z / sum e^z, shifted so that no exponential overflows.
function softmax(logits) {
  const largest = Math.max(...logits);
  const e = logits.map((z) => exp(z - largest));
  const sum = total(e);
  return e.map((value) => value / sum);
}
