// One step of gradient descent for one image, with every number of docs/mathematics.md, in plain float64.
"use strict";

const MATH = "../docs/mathematics.html#";
const CODE = "../stages/nn/";
const K = model.classes.length;
let one = null; // the numbers that are shown

// Forward and backward for one image: a loss, and the gradients of it; the names are those of docs/reference.py.
function passes({ W1, b1, W2, b2 }, x, truth) {
  const h = Float64Array.from(b1, (bias, j) => x.reduce((sum, value, d) => sum + value * W1[d * b1.length + j], bias));
  const a = h.map((value) => Math.max(value, 0));
  const z = Float64Array.from(b2, (bias, k) => a.reduce((sum, value, j) => sum + value * W2[j * K + k], bias));
  const p = softmax(z);
  const dz = p.map((value, k) => value - (k === truth));
  const dW2 = Float64Array.from(W2, (_, i) => a[Math.floor(i / K)] * dz[i % K]);
  const da = a.map((_, j) => dz.reduce((sum, value, k) => sum + value * W2[j * K + k], 0));
  const dh = da.map((value, j) => (h[j] > 0 ? value : 0));
  const dW1 = Float64Array.from(W1, (_, i) => x[Math.floor(i / b1.length)] * dh[i % b1.length]);
  return { x, h, a, z, p, loss: -Math.log(p[truth]), dz, dW2, da, dh, dW1 };
}

// The loss with the chosen weight changed by `change`.
function lossWith({ z, a }, { j, k, truth }, change) {
  return -Math.log(softmax(z.map((value, c) => (c === k ? value + a[j] * change : value)))[truth]);
}

// A box: a picture of numbers, its formula, the section of the mathematics and the line of code that does it.
function box(values, rows, columns, name, words, section, [file, line]) {
  const draw = (canvas) => paintSigned(canvas, values, rows, columns);
  const canvas = values ? picture(draw, { "aria-label": `${name.replace(/<[^>]*>/g, "")}: ${words}` }) : "";
  if (values) canvas.style.aspectRatio = `${columns} / ${rows}`;
  return element(
    "figure",
    {},
    element("b", {}, element("i", { innerHTML: name })),
    canvas,
    element(
      "figcaption",
      {},
      element("a", { href: MATH + section, textContent: words }),
      element("a", { href: CODE + file, className: "code", textContent: `${file.replace(".py", "")}: ${line}` }),
    ),
  );
}

function showOneStep() {
  const ready = Boolean(shown && theta && !run.diverged);
  byId("one-take").disabled = !ready;
  if (!ready) return;
  const { hidden } = run.settings;
  const own = parametersOf(theta, hidden);
  one = passes(own, waves(shown.x), Number(byId("truth").value));
  const [high, wide] = [Math.ceil(hidden / 16), Math.min(hidden, 16)];
  const padded = (values) => Float64Array.from({ length: high * wide }, (_, j) => values[j] ?? 0);
  const strip = (values) => [values, 1, K];
  const first = onPixels(one.dW1, hidden);
  const strongest = argmax(Array.from(one.dh, Math.abs));
  const dense = ["layers.py", "Dense.forward"];
  const cross = ["losses.py", "softmax_cross_entropy"];
  const pixels = [shown.x, model.rows, model.columns];
  const answer = argmax(Array.from(one.p));
  byId("forward").replaceChildren(
    box(...pixels, "x", "the image", "1-an-image-is-a-row-of-numbers", ["frequencies.py", "transform"]),
    box(padded(one.h), high, wide, "h = x W<sub>1</sub> + b<sub>1</sub>", `${hidden} weighted sums`, "2-a-neuron-is-a-weighted-sum", dense),
    box(padded(one.a), high, wide, "a = max(0, h)", `${one.a.filter((v) => v > 0).length} are active`, "3-relu-why-a-network-must-bend", ["layers.py", "ReLU.forward"]),
    box(...strip(one.z), "z = a W<sub>2</sub> + b<sub>2</sub>", `largest ${number(Math.max(...one.z), 2)}`, "4-softmax-from-scores-to-probabilities", dense),
    box(...strip(one.p), "p = softmax(z)", `${model.classes[answer]}: ${percent(one.p[answer])}`, "4-softmax-from-scores-to-probabilities", ["losses.py", "softmax"]),
    box(null, 1, 1, "L = \u2212log p<sub>t</sub>", `loss ${number(one.loss)}`, "5-the-loss-how-wrong-is-that", cross),
  );
  byId("backward").replaceChildren(
    box(...strip(one.dz), "dz = p \u2212 t", "one pushes up, the others down", "softmax-and-loss-why-p--t", cross),
    box(one.dW2, hidden, K, "dW<sub>2</sub> = a<sup>T</sup> dz", `${hidden} \u00d7 ${K}`, "dense-where-each-transpose-comes-from", ["layers.py", "Dense.gradients"]),
    box(padded(one.da), high, wide, "da = dz W<sub>2</sub><sup>T</sup>", "blame, handed back", "dense-where-each-transpose-comes-from", ["layers.py", "Dense.backward"]),
    box(padded(one.dh), high, wide, "dh = da where h &gt; 0", "closed gates pass none", "relu-an-open-or-a-closed-gate", ["layers.py", "ReLU.backward"]),
    box(first[strongest], model.rows, model.columns, "dW<sub>1</sub> = x<sup>T</sup> dh", `of neuron ${strongest + 1}, on pixels`, "dense-where-each-transpose-comes-from", ["layers.py", "Dense.gradients"]),
  );
  fillOnce(byId("from"), hidden, (j) => j + 1, argmax(Array.from(one.a)));
  showWeight(own);
}

// The choices of a select, renewed when their number changes.
function fillOnce(select, count, text, value) {
  if (select.length === count) return;
  select.replaceChildren(...Array.from({ length: count }, (_, n) => element("option", { value: n, textContent: text(n) })));
  select.value = value;
}

// The update of the chosen weight with its numbers, and the true loss against the line that the gradient predicts.
function showWeight({ W2 } = parametersOf(theta, run.settings.hidden)) {
  const [j, k, truth] = ["from", "to", "truth"].map((name) => Number(byId(name).value));
  const rate = Number(byId("one-rate").value);
  const [w, slope, change] = [W2[j * K + k], one.dW2[j * K + k], Number(byId("nudge").value)];
  const at = `W<sub>2</sub>[${j + 1}, ${model.classes[k].replace(/[<&]/g, "")}]`;
  byId("update").innerHTML =
    `<i>${at} \u2190 ${at} \u2212 rate \u00b7 a dz</i> = ${number(w, 4)} \u2212 ${rate} \u00b7 ` +
    `${number(one.a[j], 4)} \u00b7 ${number(one.dz[k], 4)} = <b>${number(w - rate * slope, 4)}</b>`;
  const [real, line] = [lossWith(one, { j, k, truth }, change), one.loss + slope * change];
  byId("nudged").textContent = `by ${number(change, 2)}: loss ${number(real, 4)}, the line says ${number(line, 4)}`;
  const changes = Array.from({ length: 81 }, (_, n) => (n - 40) / 20);
  const curve = changes.map((c, n) => [n, lossWith(one, { j, k, truth }, c)]);
  const straight = changes.map((c, n) => [n, one.loss + slope * c]);
  const values = curve.map(([, value]) => value);
  const [top, bottom] = [Math.max(...values) + 0.01, Math.min(...values) - 0.01];
  const curves = [{ points: curve }, { points: straight, kept: true }, { points: [[(change + 2) * 20, real]], dots: true }];
  const label = "Loss as this weight changes by \u22122 to 2; dashed: the gradient's line";
  plot(byId("nudge-curve"), curves, { last: 80, top, bottom, label, ticks: [bottom, top], format: (v) => v.toFixed(2), corner: "+2" });
}

fillOnce(byId("truth"), K, (k) => model.classes[k], 0);
fillOnce(byId("to"), K, (k) => model.classes[k], byId("truth").value);
fillOnce(byId("one-rate"), 4, (n) => [0.01, 0.1, 0.5, 1][n], 0);
for (const option of byId("one-rate").options) option.value = option.textContent;
byId("one-rate").value = "0.1";
byId("truth").onchange = showOneStep;
for (const name of ["to", "from", "one-rate", "nudge"]) byId(name).oninput = () => one && showWeight();
byId("nudge-curve").repaint = () => one && showWeight();
byId("one-take").onclick = () => {
  const before = one.loss;
  const own = parametersOf(theta, run.settings.hidden);
  const rate = Number(byId("one-rate").value);
  const [db1, db2] = [one.dh, one.dz];
  const gradients = { W1: one.dW1, b1: db1, W2: one.dW2, b2: db2 };
  for (const [name, gradient] of Object.entries(gradients)) gradient.forEach((slope, i) => (own[name][i] -= rate * slope));
  showOneStep();
  showLive(own);
  byId("one-said").textContent = `The loss went from ${number(before, 4)} to ${number(one.loss, 4)}. ` +
    "Here alone: training goes on from its own weights.";
};
