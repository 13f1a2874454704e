// The twin of stages/nn/exact.py, continued: the functions that C libraries and browsers do not agree on.
"use strict";

const [STEPS, DEEPEST, LOG_STEPS] = [1024, 32, 4096]; // of the tables of e^x and of log m
// Taylor series of e^x, of atanh(x) / x in x^2, and of cos(x) in x^2. 30! is more than a double holds.
const factorial = (n) => (n ? BigInt(n) * factorial(n - 1) : 1n);
const inverse = (n) => Number((1n << 300n) / factorial(n)) * powerOfTwo(-300);
const EXP = Array.from({ length: 14 }, (_, n) => inverse(n));
const ATANH = Array.from({ length: 11 }, (_, n) => 1 / (2 * n + 1));
const COS = Array.from({ length: 16 }, (_, n) => (n % 2 ? -1 : 1) * inverse(2 * n));

function polynomial(coefficients, x) {
  let result = coefficients.at(-1);
  for (let n = coefficients.length - 2; n >= 0; n--) result = result * x + coefficients[n];
  return result;
}

// e^x for x <= 0, in float64.
function exp(x) {
  x = Math.max(x, -746);
  const k = x / LN2_HIGH + HALF_EVEN - HALF_EVEN;
  let r = x - k * LN2_HIGH;
  r -= k * LN2_LOW;
  const e = polynomial(EXP, r);
  return k < -1000 ? e * powerOfTwo(-900) * powerOfTwo(k + 900) : e * powerOfTwo(k); // 2^k may be too small
}

// x = m 2^k with 0.5 <= m < 1, for x that is not subnormal.
function frexp(x) {
  const k = exponent(x);
  return [x * powerOfTwo(-k), k];
}

// The natural logarithm of x > 0, in float64.
function log(x) {
  let [m, k] = frexp(x);
  if (m < Math.sqrt(0.5)) [m, k] = [2 * m, k - 1];
  const s = (m - 1) / (m + 1);
  const atanh = s * polynomial(ATANH, s * s);
  return k * LN2_HIGH + (k * LN2_LOW + 2 * atanh);
}

function tanh(x) {
  const e = exp(-2 * Math.abs(x));
  const y = (1 - e) / (1 + e);
  return x < 0 || Object.is(x, -0) ? -y : y;
}

function cos(x) {
  const r = x - (x / (2 * Math.PI) + HALF_EVEN - HALF_EVEN) * (2 * Math.PI);
  return polynomial(COS, r * r);
}

// Normal numbers of mean 0 and variance 1, from two uniform ones each.
function standardNormal(rng, count) {
  const radius = rng.random(count).map((u) => Math.sqrt(-2 * log(1 - u)));
  const angle = rng.random(count);
  return radius.map((r, i) => r * cos(2 * Math.PI * angle[i]));
}

const EXP_TABLE = Float32Array.from({ length: DEEPEST * STEPS + 1 }, (_, k) => exp(-k / STEPS));
const LOG_TABLE = Float32Array.from({ length: LOG_STEPS + 1 }, (_, j) => log(Math.max(j, LOG_STEPS / 2) / LOG_STEPS));
const LOG_SLOPE = LOG_TABLE.map((value, j) => (j < LOG_STEPS ? LOG_TABLE[j + 1] - value : 0));

// e^x for x <= 0, in float32: e^(-k / STEPS) (1 + r).
function exp32(x) {
  x = Math.max(x, -DEEPEST);
  const k = Math.trunc(f(x * -STEPS));
  return f((EXP_TABLE[k] ?? NaN) * f(f(f(k / STEPS) + x) + 1));
}

// The natural logarithm of x > 0, in float32.
function log32(x) {
  const [m, k] = frexp(x);
  const j = Math.trunc(m * LOG_STEPS);
  return f(k * f(LN2_HIGH) + LOG_TABLE[j] + f(f(m * LOG_STEPS - j) * LOG_SLOPE[j]));
}

// The whole numbers below 2^bits in an order without pattern, by a hash that gives each of them once.
function shuffled(bits) {
  const [mask, half] = [2 ** bits - 1, bits >> 1];
  return Uint32Array.from({ length: 2 ** bits }, (_, i) => {
    for (const factor of [0x2c1b3c6d, 0x297a2d39, 0x1b56c4e9]) i = Math.imul(i ^ (i >>> half), factor) & mask;
    return i ^ (i >>> half);
  });
}

const NOISE = Float32Array.from(shuffled(18), (n) => (n + 0.5) / POOL - 0.5);
