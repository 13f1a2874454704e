// Inside the network: the classes, the hidden neurons, and one of them in full: its formula with the numbers of this
// image, and what it adds up.
"use strict";

const LISTED = 6; // neurons listed for and against a class; the others are one line
const last = network.layers.length - 1;
const hidden = last > 0 ? network.layers[0].outputs : 0;
let pinned = null; // what the inspector shows: { layer, k }; null for the answer
let previewed = null; // what the pointer or the focus is on

const neuronImages = Array.from({ length: hidden }, (_, j) => column(network.layers[0], j));

const classTiles = model.classes.map((name, k) => {
  const bar = element("span", { className: "bar" });
  const numbers = element("small");
  const tile = element(
    "button",
    { type: "button" },
    element("b", { textContent: name }),
    element("span", { className: "track" }, bar),
    numbers,
  );
  watch(tile, { layer: last, k });
  byId("classes").append(tile);
  return { tile, bar, numbers };
});

const neuronTiles = neuronImages.map((_, j) => {
  const draw = (canvas) => {
    const weights = neuronImages[j];
    paintSigned(canvas, weights, model.rows, model.columns, 0.6 * Math.max(...weights.map(Math.abs)));
  };
  const level = element("span", { className: "level" });
  const tile = element("button", { type: "button" }, picture(draw, { "aria-hidden": "true" }), level);
  watch(tile, { layer: 0, k: j });
  byId("neurons").append(tile);
  return { tile, level };
});
byId("classes").classList.toggle(
  "long",
  model.classes.some((name) => name.length > 3),
);
rove(byId("classes"), () => columnsOf(byId("classes")));
rove(byId("neurons"), () => columnsOf(byId("neurons")));

// Shows a neuron or class in the inspector while the pointer or the focus is on its tile, and after a click for good.
function watch(tile, unit) {
  const preview = (what) => {
    previewed = what;
    showInspector();
  };
  tile.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && preview(unit));
  tile.addEventListener("pointerleave", () => preview(null));
  tile.addEventListener("focus", () => preview(unit));
  tile.addEventListener("blur", () => preview(null));
  tile.addEventListener("click", () => {
    pinned = same(pinned, unit) ? null : unit;
    showThinking();
  });
}

function same(a, b) {
  return Boolean(a && b) && a.layer === b.layer && a.k === b.k;
}

// What the inspector shows: what the pointer is on, or what was chosen, or else the answer.
function inspected() {
  return previewed ?? pinned ?? (shown && { layer: last, k: shown.result.answer });
}

function showThinking() {
  const result = shown?.result;
  const largest = result && last > 0 ? Math.max(...result.trace[0].y.map(Math.abs)) : 0;
  classTiles.forEach(({ tile, bar, numbers }, k) => {
    const p = result?.probabilities[k] ?? 0;
    bar.style.height = `${100 * p}%`;
    numbers.textContent = result ? `z ${number(result.logits[k], 1)}` : "";
    tile.classList.toggle("best", k === result?.answer);
    tile.setAttribute("aria-pressed", same(pinned, { layer: last, k }));
    const values = result ? `: logit ${number(result.logits[k], 2)}, probability ${percent(p)}` : "";
    tile.setAttribute("aria-label", `Class ${model.classes[k]}${values}`);
  });
  neuronTiles.forEach(({ tile, level }, j) => {
    const y = result ? result.trace[0].y[j] : 0;
    const share = largest ? Math.abs(y) / largest : 0;
    tile.style.setProperty("--light", result ? 0.28 + 0.72 * share : 0.75);
    level.style.width = `${100 * share}%`;
    tile.setAttribute("aria-pressed", same(pinned, { layer: 0, k: j }));
    tile.setAttribute("aria-label", `Neuron ${j + 1}${result ? `: activation ${number(y, 2)}` : ""}`);
  });
  const active = result && last > 0 ? result.trace[0].y.filter((y) => y > 0).length : 0;
  byId("neurons-note").hidden = !hidden;
  byId("neurons-note").textContent =
    `Each tile is one of the ${hidden} neurons${last > 1 ? " of the first hidden layer" : ""}: its weights, blue ` +
    "where ink speaks for it and orange where ink speaks against it. The brighter, the stronger it answers to this " +
    `image${result ? `; ${active} are active` : ""}.` +
    (last === 1 ? " A border: it speaks for the class in the inspector (blue) or against it (orange)." : "");
  byId("think-lead").textContent = result
    ? `Every number below belongs to the image above. Point at a class${hidden ? " or a neuron" : ""}, or focus it, ` +
      "to see its formula; choose it to keep it."
    : "Draw a digit or pick one from the test set: its numbers appear here.";
  showInspector();
}

function showInspector() {
  const unit = inspected();
  byId("inspector").hidden = !unit || !shown;
  if (!unit || !shown) return;
  const parts = unit.layer === last ? explainClass(unit.k) : explainNeuron(unit.k);
  byId("inspector").replaceChildren(...parts);
  markVotes(unit);
}

// The neurons that speak for and against the class in the inspector have a border in its color.
function markVotes(unit) {
  const votes = unit.layer === last && last === 1 ? network.terms(shown.result, 1, unit.k).products : null;
  const largest = votes && Math.max(...votes.map(Math.abs));
  neuronTiles.forEach(({ tile }, j) => {
    const vote = votes ? votes[j] / (largest || 1) : 0;
    tile.classList.toggle("pro", vote > 0.15);
    tile.classList.toggle("contra", vote < -0.15);
  });
}

// Why class k has its logit: a sum over neurons, and, where the network is linear, over pixels.
function explainClass(k) {
  const { result } = shown;
  const name = model.classes[k];
  const { bias, products } = network.terms(result, last, k);
  const z = result.logits[k];
  const weighted = sum(products);
  const p = result.probabilities[k];
  const all = sum(Array.from(result.logits, Math.exp));
  const at = `<sub>${k}</sub>`;
  const parts = [
    element("h3", { textContent: `Why ${name}${k === result.answer ? "" : "?"}` }),
    formula(`z${at} = Σ ${last ? "a" : "x"} W + b`, `= ${number(weighted)} ${signed(bias)} = `, number(z)),
    formula(`p${at} = e<sup>z${at}</sup> / Σ e<sup>z</sup>`, `= ${short(Math.exp(z))} / ${short(all)} = `, short(p)),
  ];
  if (last > 0) parts.push(element("h4", { textContent: "Neuron by neuron" }), votes(products, bias, z));
  const pixels = network.pixels(result, last, k);
  if (pixels) {
    const inked = sum(pixels.products);
    const draw = (canvas) => paintSigned(canvas, pixels.products, model.rows, model.columns);
    const linear = "Through the neurons that are active the network is linear, so the logit is also";
    const why = last > 0 ? linear : "The logit is";
    const text =
      `${why} a sum over pixels: ${number(inked)} from the pixels ` +
      `${signed(pixels.constant)} from the biases = ${number(inked + pixels.constant)}. ` +
      `Blue pixels speak for ${name}, orange ones against it.`;
    parts.push(
      element("h4", { textContent: "Pixel by pixel" }),
      element(
        "div",
        { className: "pixels" },
        picture(draw, { "aria-label": `Pixels for and against ${name}` }),
        element("p", { className: "note", textContent: text }),
      ),
    );
  } else {
    const text = `With ${model.activation} between the layers, the network is not linear; a logit is not a sum over pixels.`;
    parts.push(element("p", { className: "note", textContent: text }));
  }
  return parts;
}

// What neuron j of the first layer computes, and what its activation says to each class.
function explainNeuron(j) {
  const { result, x } = shown;
  const { bias, products } = network.terms(result, 0, j);
  const { z, y } = result.trace[0];
  const { rows, columns } = model;
  const functions = {
    relu: "max(0, h)",
    leaky_relu: "max(0.01 h, h)",
    tanh: "tanh h",
    sigmoid: "1 / (1 + e<sup>−h</sup>)",
  };
  const figure = (draw, text) =>
    element("figure", {}, picture(draw, { "aria-label": text }), element("figcaption", { textContent: text }));
  const parts = [
    element("h3", { textContent: `Neuron ${j + 1}` }),
    formula("h = Σ x W + b", `= ${number(sum(products))} ${signed(bias)} = `, number(z[j])),
    formula(`a = ${functions[model.activation]}`, "= ", number(y[j])),
    element(
      "div",
      { className: "triple" },
      figure(
        (canvas) =>
          paintInk(
            canvas,
            x,
            rows,
            columns,
            (model.low - model.mean) / model.std,
            (model.high - model.mean) / model.std,
          ),
        "x, the pixels",
      ),
      figure((canvas) => paintSigned(canvas, neuronImages[j], rows, columns), "W, its weights"),
      figure((canvas) => paintSigned(canvas, products, rows, columns), "x W, added up"),
    ),
  ];
  if (last === 1) {
    const { rounded, outputs } = network.layers[1];
    const activation = result.trace[1].x[j];
    const said = model.classes.map((name, k) => ({ name, value: activation * rounded[j * outputs + k] }));
    const largest = Math.max(...said.map(({ value }) => Math.abs(value))) || 1;
    parts.push(
      element("h4", {
        textContent: activation ? "What it says to each class: a W" : "It is not active, and says nothing",
      }),
    );
    if (activation)
      parts.push(element("div", { className: "votes" }, ...said.map(({ name, value }) => vote(name, value, largest))));
  }
  return parts;
}

// A formula, as HTML, and the same with numbers.
function formula(general, numbers, value) {
  return element(
    "p",
    { className: "formula" },
    element("i", { innerHTML: general }),
    ` ${numbers}`,
    element("b", { textContent: value }),
  );
}

// The terms of a logit as signed bars, from the strongest for to the strongest against; they add up to it.
function votes(products, bias, z) {
  const sorted = Array.from(products, (value, j) => ({ j, value }))
    .filter(({ value }) => value !== 0)
    .sort((a, b) => b.value - a.value);
  const pro = sorted.filter(({ value }) => value > 0);
  const contra = sorted.filter(({ value }) => value < 0);
  const rest = (terms) => ({ name: `${terms.length} more`, value: sum(terms.map(({ value }) => value)) });
  const named = ({ j, value }) => ({ name: `neuron ${j + 1}`, value, j });
  const lines = [
    ...pro.slice(0, LISTED).map(named),
    rest(pro.slice(LISTED)),
    { name: "bias", value: bias },
    rest(contra.slice(0, -LISTED || undefined)),
    ...contra.slice(-LISTED).map(named),
  ].filter(({ name, value }) => value !== 0 || name === "bias");
  const largest = Math.max(...lines.map(({ value }) => Math.abs(value)));
  const list = element(
    "div",
    { className: "votes" },
    ...lines.map(({ name, value, j }) => vote(name, value, largest, j)),
  );
  list.append(
    element(
      "div",
      { className: "total" },
      element("span", { textContent: "logit" }),
      element("span"),
      element("b", { textContent: number(z) }),
    ),
  );
  return list;
}

function vote(name, value, largest, j) {
  const bar = element("span", {
    className: value < 0 ? "contra" : "pro",
    style: `width: ${(50 * Math.abs(value)) / largest}%`,
  });
  const label = element("span", { className: "name" });
  if (j !== undefined && last === 1)
    label.append(
      picture((canvas) => paintSigned(canvas, neuronImages[j], model.rows, model.columns), { "aria-hidden": "true" }),
    );
  label.append(name);
  return element(
    "div",
    {},
    label,
    element("span", { className: "track" }, bar),
    element("span", { className: "value", textContent: signed(value) }),
  );
}
