// The twin of stages/nn/exact.py: operands are rounded so that no sum is, and so every order gives the same bits. A
// Float32Array is rounded as in training, a Float64Array as in scores. What is stored in a Float32Array is rounded to
// float32 by that; within a formula, f does it after each operation.
"use strict";

const f = Math.fround;
const HALF_EVEN = 1.5 * 2 ** 52; // added and subtracted, it rounds to whole numbers, halves to even
const KINDS = new Map([
  [Float32Array, { BITS: 8, TERMS: 2 ** 8, FINEST: -55, LARGEST: 2 ** 59, C: 1.5 * 2 ** 23 }],
  [Float64Array, { BITS: 21, TERMS: 2 ** 11, FINEST: -490, LARGEST: 2 ** 506, C: HALF_EVEN }],
]);
const POOL = 2 ** 18; // numbers for rounding at random
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;

// The bits of a number, to read its exponent and to make powers of two: the functions of Math need not be exact.
const bitsOf = new DataView(new ArrayBuffer(8));

// 2^n for -1022 <= n <= 1023.
function powerOfTwo(n) {
  bitsOf.setUint32(0, (n + 1023) << 20);
  bitsOf.setUint32(4, 0);
  return bitsOf.getFloat64(0);
}

// The e of x = m 2^e with 0.5 <= m < 1, for x that is not subnormal.
function exponent(x) {
  if (x === 0) return 0;
  bitsOf.setFloat64(0, x);
  return ((bitsOf.getUint32(0) >>> 20) & 0x7ff) - 1022;
}

// The least power of two that is not below any |entry|, as its exponent; NaN if one is not finite or too large.
function topOf(a) {
  const { FINEST, LARGEST } = KINDS.get(a.constructor);
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]));
  if (!(largest <= LARGEST)) return NaN;
  const e = exponent(largest);
  return Math.max(e - (largest === powerOfTwo(e - 1)), FINEST);
}

// The numbers of `a` with BITS bits relative to the largest: to nearest, or with `rng` up or down at random.
function rounded(a, rng = null) {
  return roundTo(a, KINDS.get(a.constructor).BITS, rng);
}

// The multiples of 2^(e - bits) nearest to the numbers of an array; 2^e is not below any of them.
function roundTo(a, bits, rng = null) {
  const top = topOf(a);
  if (Number.isNaN(top)) return new a.constructor(a.length).fill(NaN);
  const unit = powerOfTwo(top - bits);
  const C = KINDS.get(a.constructor).C * unit;
  const result = new a.constructor(a.length);
  const start = rng ? Math.floor(rng.random() * POOL) : 0;
  for (let i = 0; i < a.length; i++) {
    result[i] = rng ? f(a[i] + NOISE[(start + i) & (POOL - 1)] * unit) + C : a[i] + C;
    result[i] -= C;
  }
  return result;
}

// a (N x D) @ b (D x M), both rounded and row after row; exact up to TERMS terms, and pieces of a longer sum are added.
//
// Sums of float32 need 24 bits and a double has 53. So two columns of b share a double, the second times 2^26, and every
// product is two. Two rows of a and four terms at a time make the most of what has been read.
function matmul(a, b, D) {
  const { BITS, TERMS } = KINDS.get(a.constructor);
  const [N, M] = [a.length / D, b.length / D];
  const paired = a instanceof Float32Array;
  const H = paired ? (M + 1) >> 1 : M; // column m of b shares with column m + H
  const result = new a.constructor(N * M);
  const top = topOf(a) + topOf(b);
  if (Number.isNaN(top)) return result.fill(NaN);
  const C = HALF_EVEN * 2 ** 26 * (paired ? powerOfTwo(top - 2 * BITS) : 1); // rounds to whole units of the second
  const [own, shared] = [new Float64Array(a), paired ? new Float64Array(D * H) : b];
  for (let d = 0; paired && d < D; d++) {
    for (let m = 0; m < H; m++) shared[d * H + m] = b[d * M + m] + (m + H < M ? b[d * M + m + H] * 2 ** 26 : 0);
  }
  const sums = [new Float64Array(H), new Float64Array(H)];
  for (let start = 0; start < D; start += TERMS) {
    for (let n = 0; n < N; n += 2) {
      addRows(sums[0], sums[1], own, n * D, Math.min(n + 1, N - 1) * D, shared, start, Math.min(start + TERMS, D));
      for (let i = 0; i < 2 && n + i < N; i++) {
        for (let m = 0, at = (n + i) * M; m < H; m++, at++) {
          const second = paired ? sums[i][m] + C - C : 0;
          result[at] += sums[i][m] - second;
          if (m + H < M) result[at + H] += second * 2 ** -26;
        }
      }
    }
  }
  return result;
}

// Puts the products of two rows of a, which begin at k and l, with rows start to end of b into s and t.
function addRows(s, t, a, k, l, b, start, end) {
  const H = s.length;
  s.fill(0);
  t.fill(0);
  let d = start;
  for (; d + 3 < end; d += 4) {
    const [i, j, p, q, r, u] = [k + d, l + d, d * H, d * H + H, d * H + 2 * H, d * H + 3 * H];
    const a0 = a[i];
    const a1 = a[i + 1];
    const a2 = a[i + 2];
    const a3 = a[i + 3];
    const c0 = a[j];
    const c1 = a[j + 1];
    const c2 = a[j + 2];
    const c3 = a[j + 3];
    for (let m = 0; m < H; m++) {
      const w = b[p + m];
      const x = b[q + m];
      const y = b[r + m];
      const z = b[u + m];
      s[m] += a0 * w + a1 * x + a2 * y + a3 * z;
      t[m] += c0 * w + c1 * x + c2 * y + c3 * z;
    }
  }
  for (; d < end; d++) {
    for (let m = 0, p = d * H; m < H; m++) {
      s[m] += a[k + d] * b[p + m];
      t[m] += a[l + d] * b[p + m];
    }
  }
}

// An array of rows of D numbers with rows and columns exchanged.
function transposed(a, D) {
  const N = a.length / D;
  const result = new a.constructor(a.length);
  for (let n = 0; n < N; n++) for (let d = 0; d < D; d++) result[d * N + n] = a[n * D + d];
  return result;
}

// The sum of every `count` numbers of an array, in float64, of terms rounded so that it is exact: total(axis=1).
function totals(a, count) {
  const terms = roundTo(new Float64Array(a), Math.min(51, 53 - (32 - Math.clz32(count - 1))));
  const result = new Float64Array(a.length / count);
  for (let i = 0; i < a.length; i++) result[Math.floor(i / count)] += terms[i];
  return result;
}

const total = (a) => totals(a, a.length)[0];
