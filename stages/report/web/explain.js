// One class or neuron in full: its formula with the numbers of this image, and what it adds up.
"use strict";

const LISTED = 6; // neurons listed for and against a unit; the others are one line

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
  if (last > 0) parts.push(element("h4", { textContent: "Neuron by neuron" }), votes(products, bias, z, last, "logit"));
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
    const text = `With ${network.activation} between the layers, the network is not linear; a logit is not a sum over pixels.`;
    parts.push(element("p", { className: "note", textContent: text }));
  }
  return parts;
}

// What neuron k of a hidden layer computes, and what its activation says to each unit of the next one.
function explainNeuron(layer, k) {
  const { result, x } = shown;
  const { bias, products } = network.terms(result, layer, k);
  const { z, y } = result.trace[layer];
  const { rows, columns, low, high, mean, std } = model;
  const functions = {
    relu: "max(0, h)",
    leaky_relu: "max(0.01 h, h)",
    tanh: "tanh h",
    sigmoid: "1 / (1 + e<sup>\u2212h</sup>)",
  };
  const figure = (draw, text) =>
    element("figure", {}, picture(draw, { "aria-label": text }), element("figcaption", { textContent: text }));
  const { image } = neuronTiles[layer].tiles[k];
  const parts = [
    element("h3", { textContent: last > 1 ? `Layer ${layer + 1}, neuron ${k + 1}` : `Neuron ${k + 1}` }),
    formula(`h = \u03a3 ${layer ? "a" : "x"} W + b`, `= ${number(sum(products))} ${signed(bias)} = `, number(z[k])),
    formula(`a = ${functions[network.activation]}`, "= ", number(y[k])),
  ];
  if (layer) parts.push(element("h4", { textContent: "Neuron by neuron" }), votes(products, bias, z[k], layer, "h"));
  else {
    const ink = (canvas) => paintInk(canvas, x, rows, columns, (low - mean) / std, (high - mean) / std);
    const triple = [
      figure(ink, "x, the pixels"),
      figure((canvas) => paintSigned(canvas, image, rows, columns), "W, its weights"),
      figure((canvas) => paintSigned(canvas, products, rows, columns), "x W, added up"),
    ];
    parts.push(element("div", { className: "triple" }, ...triple));
  }
  if (layer === last - 1) {
    const { rounded: W, outputs } = network.layers[last];
    const activation = result.trace[last].x[k];
    const said = model.classes.map((name, c) => ({ name, value: activation * W[k * outputs + c] }));
    const largest = Math.max(...said.map(({ value }) => Math.abs(value))) || 1;
    const says = activation ? "What it says to each class: a W" : "It is not active, and says nothing";
    parts.push(element("h4", { textContent: says }));
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
function votes(products, bias, z, layer, name) {
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
    ...lines.map(({ name, value, j }) =>
      vote(name, value, largest, j === undefined ? null : neuronTiles[layer - 1].tiles[j].image),
    ),
  );
  list.append(
    element(
      "div",
      { className: "total" },
      element("span", { textContent: name }),
      element("span"),
      element("b", { textContent: number(z) }),
    ),
  );
  return list;
}

function vote(name, value, largest, image = null) {
  const bar = element("span", {
    className: value < 0 ? "contra" : "pro",
    style: `width: ${(50 * Math.abs(value)) / largest}%`,
  });
  const label = element("span", { className: "name" });
  if (image) {
    const draw = (canvas) => paintSigned(canvas, image, model.rows, model.columns);
    label.append(picture(draw, { "aria-hidden": "true" }));
  }
  label.append(name);
  return element(
    "div",
    {},
    label,
    element("span", { className: "track" }, bar),
    element("span", { className: "value", textContent: signed(value) }),
  );
}
