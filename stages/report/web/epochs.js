// The network after earlier epochs: a slider puts what is on the canvas through each of them.
"use strict";

const { networks: earlier, frequencies, waves } = data.snapshots;
const [down, across] = waves.map((wave) => new Float64Array(bytes(wave).buffer));
const epochs = data.history.epoch.at(-1);
const replayed = [...earlier.map(() => null), trained]; // the networks, restored when they are needed
let position = earlier.length; // of the slider: an earlier network, or at its end the trained one

// Weights on low frequencies as weights on the pixels of an image: fold() of stages/nn/frequencies.py.
function fold(W, { rows, columns, frequencies, down, across }, round) {
  const [K, L] = [down.length / rows, across.length / columns];
  const chosen = Array.from({ length: K * L }, (_, i) => i).filter((i) => Math.floor(i / L) + (i % L) < frequencies);
  const M = W.length / chosen.length;
  const x = new Float32Array(K * L * M);
  chosen.forEach((i, f) => x.set(W.subarray(f * M, (f + 1) * M), i * M));
  const lines = round(product(round(down), round(x), K)); // rows x L x M
  const wide = round(across);
  const pixels = new Float32Array(rows * columns * M);
  for (let row = 0; row < rows; row++) {
    const line = lines.subarray(row * L * M, (row + 1) * L * M);
    pixels.set(product(wide, line, L), row * columns * M);
  }
  return pixels;
}

// A network from whole numbers, each times the unit of its array; every W comes before every b.
function restore({ numbers, units }) {
  const whole = new Int8Array(bytes(numbers).buffer);
  const { layers, round } = trained;
  const others = sum(layers.map(({ inputs, outputs }, n) => (n ? inputs * outputs : 0) + outputs));
  const lengths = layers.map(({ inputs, outputs }, n) => (n ? inputs * outputs : whole.length - others));
  let end = 0;
  const arrays = [...lengths, ...layers.map(({ outputs }) => outputs)].map((length, n) => {
    return Float32Array.from(whole.subarray(end, (end += length)), (value) => value * units[n]);
  });
  if (frequencies) {
    arrays[0] = fold(arrays[0], { rows: model.rows, columns: model.columns, frequencies, down, across }, round);
  }
  const restored = layers.map((_, n) => ({ W: arrays[n], b: arrays[layers.length + n] }));
  return new Network(restored, model.activation, model.arithmetic === "exact");
}

// Lets the network at a position of the slider answer, from now on.
function replay(to) {
  position = to;
  network = replayed[position] ??= restore(earlier[position]);
  showWeights();
  showEpoch();
  update();
}

// Which network answers, in words.
function moment() {
  if (position === earlier.length) return `After ${epochs} of ${epochs} epochs`;
  const { epoch } = earlier[position];
  return epoch ? `After ${epoch} of ${epochs} epochs` : "Before training";
}

function showEpoch() {
  const { images, wrong } = data.thresholds;
  const exact = position === earlier.length;
  const accuracy = exact ? (images ? 1 - wrong / images : null) : earlier[position].accuracy;
  const weights = exact ? "the exact network" : "weights rounded to 8 bits";
  const score = accuracy === null ? "" : `; ${(100 * accuracy).toFixed(1)} % of the validation images right`;
  for (const { slider, marks, note } of sliders) {
    slider.value = position;
    slider.setAttribute("aria-valuetext", `${moment()}, ${weights}`);
    marks.forEach((mark, n) => mark.classList.toggle("at", n === position));
    note.replaceChildren(element("b", { textContent: moment() }), `, ${weights}${score}.`);
  }
}

// The same slider beside the answer and above the neurons.
const sliders = [...document.querySelectorAll(".epochs")].map((place) => {
  const slider = element("input", { type: "range", name: "epoch", min: 0, max: earlier.length });
  slider.addEventListener("input", () => replay(Number(slider.value)));
  const numbers = [...earlier.map(({ epoch }) => epoch), epochs];
  const marks = numbers.map((epoch) => element("span", { textContent: epoch }));
  const note = element("p", { className: "note" });
  place.append(
    element("label", {}, "Replay the training", slider),
    element("div", { className: "marks", "aria-hidden": "true" }, ...marks),
    note,
  );
  return { slider, marks, note };
});
