// One step of gradient descent for one image, with every number of docs/mathematics.md, in plain float64.
"use strict";

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

// Shows numbers as a picture in the box of page.html that names them, and says something of them.
function fill(name, words, values = null, rows = 1, columns = K) {
  const figure = document.querySelector(`#one-step [data-shows="${name}"]`);
  figure.querySelector("a").textContent = words;
  const canvas = figure.querySelector("canvas");
  if (!values) return;
  canvas.repaint = () => paintSigned(canvas, values, rows, columns);
  canvas.repaint();
  canvas.style.aspectRatio = `${columns} / ${rows}`;
  canvas.setAttribute("aria-label", `${name}: ${words}`);
}

function showOneStep() {
  const ready = Boolean(shown && theta && !run.diverged);
  byId("one-take").disabled = !ready;
  if (!ready) return;
  const { hidden } = run.settings;
  one = passes(parametersOf(theta, hidden), waves(shown.x), Number(byId("truth").value));
  const [high, wide] = [Math.ceil(hidden / 16), Math.min(hidden, 16)];
  const grid = (values) => [Float64Array.from({ length: high * wide }, (_, j) => values[j] ?? 0), high, wide];
  const strongest = argmax(Array.from(one.dh, Math.abs));
  const answer = argmax(Array.from(one.p));
  const { rows, columns } = model;
  fill("x", "the image", shown.x, rows, columns);
  fill("h", `${hidden} weighted sums`, ...grid(one.h));
  fill("a", `${one.a.filter((value) => value > 0).length} are active`, ...grid(one.a));
  fill("z", `largest ${number(Math.max(...one.z), 2)}`, one.z);
  fill("p", `${model.classes[answer]}: ${percent(one.p[answer])}`, one.p);
  fill("loss", `loss ${number(one.loss)}`);
  fill("dz", "one pushes up, the others down", one.dz);
  fill("dW2", `${hidden} \u00d7 ${K}`, one.dW2, hidden, K);
  fill("da", "blame, handed back", ...grid(one.da));
  fill("dh", "closed gates pass none", ...grid(one.dh));
  fill("dW1", `of neuron ${strongest + 1}, on pixels`, onPixels(one.dW1, hidden)[strongest], rows, columns);
  fillOnce(byId("from"), hidden, (j) => j + 1, argmax(Array.from(one.a)));
  showWeight();
}

// The choices of a select, renewed when their number changes.
function fillOnce(select, count, text, value) {
  if (select.length === count) return;
  select.replaceChildren(
    ...Array.from({ length: count }, (_, n) => element("option", { value: n, textContent: text(n) })),
  );
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
  const curves = [
    { points: curve },
    { points: straight, kept: true },
    { points: [[(change + 2) * 20, real]], dots: true },
  ];
  const label = "Loss as this weight changes by \u22122 to 2; dashed: the gradient's line";
  plot(byId("nudge-curve"), curves, {
    last: 80,
    top,
    bottom,
    label,
    ticks: [bottom, top],
    format: (v) => v.toFixed(2),
    corner: "+2",
  });
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
  for (const [name, gradient] of Object.entries(gradients))
    gradient.forEach((slope, i) => (own[name][i] -= rate * slope));
  showOneStep();
  showLive(own);
  byId("one-said").textContent =
    `The loss went from ${number(before, 4)} to ${number(one.loss, 4)}. ` +
    "Here alone: training goes on from its own weights.";
};
