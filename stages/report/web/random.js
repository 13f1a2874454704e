// The twin of stages/nn/random.py: random numbers from a hash of 32 bits.
"use strict";

const STEP = 0x9e3779b9;

class Hashed {
  constructor(...key) {
    this.next = key.reduce((state, part) => mixed(state + STEP + part), 0);
  }

  // The next number, from 0 to 2^32 - 1.
  integer() {
    const n = mixed(this.next);
    this.next = (this.next + STEP) >>> 0;
    return n;
  }

  // A number from 0 to less than 1, or a Float64Array of `count` of them.
  random(count = null) {
    if (count === null) return this.integer() * 2 ** -32;
    return new Float64Array(count).map(() => this.integer() * 2 ** -32);
  }

  // random(count, dtype=np.float32).
  random32(count) {
    return new Float32Array(count).map(() => (this.integer() >>> 8) * 2 ** -24);
  }

  // 0 to n - 1 in random order: sorted by a random number each, in front of the number itself in a double.
  permutation(n) {
    const keys = new Float64Array(n).map((_, i) => this.integer() * 2 ** 21 + i).sort();
    return Uint32Array.from(keys, (key) => key % 2 ** 21);
  }
}

function mixed(n) {
  n >>>= 0;
  n = Math.imul(n ^ (n >>> 16), 0x7feb352d);
  n = Math.imul(n ^ (n >>> 15), 0x846ca68b);
  return (n ^ (n >>> 16)) >>> 0;
}
