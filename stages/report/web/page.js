// What happens when: a drawing or a test image goes through the network, and everything shows it.
"use strict";

const SIDE = Math.round((20 / 28) * Math.min(model.rows, model.columns)); // of the box around a digit
const digits = model.classes;
let shown = null; // what everything shows: the image, its preparation, and what the network makes of it
let chosen = -1; // the test image, -1 for a drawing

let frame = null; // the next one, which shows what has changed
let rest = null; // a timer, until the drawing rests
const pad = new Pad(byId("pad"), () => (frame ??= requestAnimationFrame(update)));

// Puts what is on the canvas through the network.
function update() {
  frame = null;
  if (!pad.image) chosen = -1;
  const cropped = pad.image ? null : crop(pad.strokes, SIDE);
  const image = pad.image ?? (cropped && center(cropped, SIDE, model));
  const prepared = image && prepare(image, model);
  shown = image && { cropped, image, ...prepared, result: network.forward(prepared.x), ...compare(prepared.x) };
  byId("pad-hint").hidden = Boolean(pad.image || pad.strokes.length);
  byId("undo").disabled = byId("clear").disabled = !pad.image && !pad.strokes.length;
  showAnswer();
  showSteps();
  showThinking();
  if (run) waiting ??= requestAnimationFrame(showRun);
  clearTimeout(rest);
  rest = setTimeout(() => {
    byId("announcement").textContent = spoken(); // to a screen reader
    showNearest();
  }, 300);
}

// Lets a network answer, and be looked into.
function useNetwork(other, trainedHere) {
  network = other;
  byId("put-back").disabled = !trainedHere;
  byId("in-use").textContent = trainedHere
    ? "Draw and Inside the network now use the network that you trained."
    : "Draw and Inside the network use the pipeline\u2019s network.";
  showNeurons();
  update();
}

// Puts a test image on the canvas; `n` counts the images in the page.
function showTest(n) {
  chosen = n;
  byId("truth").value = byId("to").value = tests.actual[n];
  pad.show(images[n]);
}

function compare(x) {
  const vector = unitVector(x);
  return { vector, similarity: bestSimilarity(vector) };
}

// Whether the network is confident, and what is shown is similar to digits that it was trained on.
function certain({ result, similarity }) {
  return confident(result) && similarity >= data.thresholds.similarity;
}

function confident({ confidence }) {
  return confidence >= data.thresholds.confidence;
}

const bars = digits.map((name) => {
  const bar = element("span", { className: "bar" });
  const value = element("span", { className: "value" });
  byId("bars").append(
    element(
      "div",
      {},
      element("span", { className: "name", textContent: name }),
      element("span", { className: "track" }, bar),
      value,
    ),
  );
  return { bar, value };
});

function showAnswer() {
  const result = shown?.result;
  const sure = shown && certain(shown);
  const name = result ? digits[result.answer] : "";
  byId("answer").textContent = result && !sure ? "?" : name;
  byId("answer").classList.toggle("unsure", Boolean(result) && !sure);
  byId("answer").classList.toggle("long", Boolean(sure) && name.length > 2);
  byId("verdict").textContent = sure ? `with ${percent(result.confidence)} confidence` : verdict();
  byId("origin").textContent = origin();
  bars.forEach(({ bar, value }, k) => {
    const p = result?.probabilities[k] ?? 0;
    bar.style.width = `${100 * p}%`;
    bar.parentElement.parentElement.classList.toggle("best", k === result?.answer);
    value.textContent = result ? percent(p) : "";
  });
}

// The answer in words.
function verdict() {
  if (!shown) return pad.strokes.length ? "Too small to be a digit." : "Draw a digit, and the answer follows.";
  const { answer, confidence } = shown.result;
  const [name, much] = [digits[answer], percent(confidence)];
  if (certain(shown)) return `${name}, with ${much} confidence.`;
  return confident(shown.result)
    ? `I don\u2019t know: it is like no digit that I have seen. ` +
        `The network alone would say ${name}, with ${much} confidence.`
    : `I don\u2019t know. Perhaps ${name}, with only ${much} confidence.`;
}

// Which test image is on the canvas, if one is.
function origin() {
  return chosen < 0 ? "" : `Test image ${tests.index[chosen]}: ${digits[tests.actual[chosen]]}`;
}

function spoken() {
  return [origin(), verdict()].filter(Boolean).join(". ");
}

function showSteps() {
  const { rows, columns, low, high, mean, std } = model;
  const blank = new Float64Array(rows * columns);
  const s = shown;
  const list = [
    [
      s?.cropped,
      SIDE,
      SIDE,
      0,
      1,
      "Cropped",
      s && !s.cropped ? "the test set is already" : `to its box, ${SIDE}\u00a0\u00d7\u00a0${SIDE}`,
    ],
    [s?.image, rows, columns, low, high, "Centered", `by its center of mass, ${rows}\u00a0\u00d7\u00a0${columns}`],
    [s?.straight, rows, columns, low, high, "Straightened", model.deskew ? slant(s) : "not for this model"],
    [
      s?.x,
      rows,
      columns,
      (low - mean) / std,
      (high - mean) / std,
      "Normalized",
      s ? `${number(Math.min(...s.x), 2)} to ${number(Math.max(...s.x), 2)}` : "mean 0, deviation 1",
    ],
  ];
  byId("steps").replaceChildren(
    ...list.map(([values, height, width, from, to, name, note], n) => {
      const draw = (canvas) => paintInk(canvas, values ?? blank.fill(from), height, width, from, to);
      return element(
        "figure",
        { className: values ? "" : "empty" },
        picture(draw, { "aria-label": `${name}, ${note}` }),
        element("figcaption", {}, element("b", { textContent: `${n + 1} ${name}` }), ` ${note}`),
      );
    }),
  );
}

function slant(shown) {
  if (!shown) return "by its slant";
  return `it leaned ${number(Math.abs(shown.degrees), 1)}\u00b0 to the ${shown.degrees > 0 ? "left" : "right"}`;
}

// A sample of class k: the next one of the right and confident test images at every call, or of those that there are.
const turns = digits.map(() => 0);
function sample(k) {
  const ofClass = tests.index.flatMap((_, n) => (tests.actual[n] === k ? [n] : []));
  const clear = ofClass.filter((n) => tests.predicted[n] === k && tests.confidence[n] > data.thresholds.confidence);
  const candidates = clear.length ? clear : ofClass;
  if (candidates.length) showTest(candidates[turns[k]++ % candidates.length]);
}

digits.forEach((name, k) => {
  byId("samples").append(element("button", { type: "button", textContent: name, onclick: () => sample(k) }));
});
byId("undo").onclick = () => pad.undo();
byId("clear").onclick = () => pad.clear();

document.addEventListener("keydown", (event) => {
  const free = event.target === document.body || event.target === pad.canvas;
  if (!free || event.altKey || event.metaKey) return;
  const undo = event.key === "Backspace" || (event.ctrlKey && event.key === "z");
  const clear = event.key === "Delete" || event.key === "Escape";
  const digit = !event.ctrlKey && /^\d$/.test(event.key) && Number(event.key) < digits.length;
  if (!undo && !clear && !digit) return;
  event.preventDefault();
  if (undo) pad.undo();
  else if (clear) pad.clear();
  else sample(Number(event.key));
});
