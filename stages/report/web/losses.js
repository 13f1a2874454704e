// The twin of stages/nn/losses.py. Arrays are N rows of K numbers, one after the other.
"use strict";

// Probabilities in float64 for the logits of one image: p = e^z / sum e^z, shifted so that no exponential overflows.
function softmax(logits) {
  const largest = Math.max(...logits);
  const e = logits.map((z) => exp(z - largest));
  const sum = total(e);
  return e.map((value) => value / sum);
}

// The mean loss over the batch, in nats, and its gradient with respect to the logits, in float32.
function softmaxCrossEntropy(logits, targets, K) {
  const N = logits.length / K;
  const z = new Float32Array(logits.length);
  for (let n = 0; n < N; n++) {
    const row = logits.subarray(n * K, n * K + K);
    const largest = Math.max(...row);
    row.forEach((value, k) => (z[n * K + k] = value - largest));
  }
  const e = z.map(exp32);
  const sums = Float32Array.from(totals(e, K));
  const logs = sums.map(log32);
  const row = (i) => Math.floor(i / K);
  const loss = total(z.map((value, i) => targets[i] * f(logs[row(i)] - value))) / N;
  const dlogits = e.map((value, i) => f(f(value / sums[row(i)]) - targets[i]) / N); // (p - t) / N
  return [loss, dlogits];
}
