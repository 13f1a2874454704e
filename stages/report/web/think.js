// Inside the network: the classes, the hidden neurons, and one of them in full.
"use strict";

let last, neuronTiles; // the last layer, and the tiles of each hidden one
let pinned = null; // what the inspector shows: { layer, k }; null for the answer
let previewed = null; // what the pointer or the focus is on

const classTiles = model.classes.map((name, k) => {
  const bar = element("span", { className: "bar" });
  const numbers = element("small");
  const tile = element(
    "button",
    { type: "button" },
    element("b", { textContent: name }),
    element("span", { className: "track" }, bar),
    " ", // between the class and its number, for who hears them
    numbers,
  );
  watch(tile, () => ({ layer: last, k }));
  byId("classes").append(tile);
  return { tile, bar, numbers };
});
byId("classes").classList.toggle(
  "long",
  model.classes.some((name) => name.length > 3),
);
rove(byId("classes"), () => columnsOf(byId("classes")));

// The neurons of each hidden layer, as pictures: their weights on pixels, as if all neurons before were active.
function showNeurons() {
  last = network.layers.length - 1;
  pinned = previewed = null;
  let before = null;
  neuronTiles = network.layers.slice(0, last).map((layer, n) => {
    const group = element("div", {
      className: "neurons",
      role: "group",
      "aria-label": `Hidden neurons, layer ${n + 1}`,
    });
    before = Array.from({ length: layer.outputs }, (_, j) => {
      const own = Float32Array.from({ length: layer.inputs }, (_, i) => layer.W[i * layer.outputs + j]);
      return before
        ? own.reduce(
            (image, weight, i) => image.map((v, d) => v + weight * before[i][d]),
            before[0].map(() => 0),
          )
        : own;
    });
    const tiles = before.map((image, k) => {
      const largest = 0.6 * image.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);
      const draw = (canvas) => paintSigned(canvas, image, model.rows, model.columns, largest);
      const level = element("span", { className: "level" });
      const tile = element("button", { type: "button" }, picture(draw, { "aria-hidden": "true" }), level);
      watch(tile, () => ({ layer: n, k }));
      group.append(tile);
      return { tile, level, image };
    });
    return { group, tiles };
  });
  const headed = ({ group }, n) =>
    last > 1 ? [element("h3", { textContent: `Hidden layer ${n + 1}` }), group] : [group];
  byId("neurons").replaceChildren(...neuronTiles.flatMap(headed));
  for (const { group } of neuronTiles) rove(group, () => columnsOf(group));
}

// Shows a neuron or class in the inspector while the pointer or the focus is on its tile, and after a click for good.
function watch(tile, unitOf) {
  const preview = (what) => {
    previewed = what;
    showInspector();
  };
  tile.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && preview(unitOf()));
  tile.addEventListener("pointerleave", () => preview(null));
  tile.addEventListener("focus", () => preview(unitOf()));
  tile.addEventListener("blur", () => preview(null));
  tile.addEventListener("click", () => {
    pinned = same(pinned, unitOf()) ? null : unitOf();
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
  classTiles.forEach(({ tile, bar, numbers }, k) => {
    const p = result?.probabilities[k] ?? 0;
    bar.style.height = `${100 * p}%`;
    numbers.textContent = result ? `z ${number(result.logits[k], 1)}` : "";
    tile.classList.toggle("best", k === result?.answer);
    tile.setAttribute("aria-pressed", same(pinned, { layer: last, k }));
    const values = result ? ` ${numbers.textContent}, probability ${percent(p)}` : "";
    tile.setAttribute("aria-label", `${model.classes[k]}${values}`);
  });
  neuronTiles.forEach(({ tiles }, n) => {
    const ys = result?.trace[n].y ?? [];
    const largest = Math.max(...ys.map(Math.abs)) || 1;
    tiles.forEach(({ tile, level }, k) => {
      const y = result ? ys[k] : 0;
      const share = Math.abs(y) / largest;
      tile.style.setProperty("--light", result ? 0.28 + 0.72 * share : 0.75);
      level.style.width = `${100 * share}%`;
      tile.setAttribute("aria-pressed", same(pinned, { layer: n, k }));
      const name = last > 1 ? `Layer ${n + 1}, neuron ${k + 1}` : `Neuron ${k + 1}`;
      tile.setAttribute("aria-label", `${name}${result ? `: activation ${number(y, 2)}` : ""}`);
      tile.dataset.numbers = result ? `h ${number(result.trace[n].z[k], 2)}, a ${number(y, 2)}` : "";
    });
  });
  const counts = neuronTiles.map((_, n) => result?.trace[n].y.filter((y) => y > 0).length);
  byId("neurons-note").hidden = !last;
  byId("neurons-note").textContent =
    `Each tile is a hidden neuron: its weights, blue where positive (ink speaks for it), orange where negative (ink ` +
    "speaks against it). The brighter the tile and the longer its bar, the stronger it answers to this " +
    `image${result ? `; ${counts.join(" and ")} are active` : ""}. ` +
    "A border: it speaks for the class in the inspector (blue, solid) or against it (orange, dashed).";
  byId("think-lead").textContent = result
    ? `Every number below belongs to the image above. Point at a class${last ? " or a neuron" : ""}, or focus it, ` +
      "to see its formula; choose it to keep it."
    : "Draw a digit or pick one from the test set: its numbers appear here.";
  showInspector();
}

function showInspector() {
  const unit = inspected();
  byId("inspector").hidden = !unit || !shown;
  if (!unit || !shown) return;
  const parts = unit.layer === last ? explainClass(unit.k) : explainNeuron(unit.layer, unit.k);
  byId("inspector").replaceChildren(...parts);
  markVotes(unit);
}

// The neurons that speak for and against the unit in the inspector, from the layer before it, have a border.
function markVotes({ layer, k }) {
  neuronTiles.forEach(({ tiles }, n) => {
    const votes = n === layer - 1 ? network.terms(shown.result, layer, k).products : null;
    const largest = votes && Math.max(...votes.map(Math.abs));
    tiles.forEach(({ tile }, j) => {
      const vote = votes ? votes[j] / (largest || 1) : 0;
      tile.classList.toggle("pro", vote > 0.15);
      tile.classList.toggle("contra", vote < -0.15);
    });
  });
}
