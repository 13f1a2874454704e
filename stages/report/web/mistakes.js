// The test images: by class and answer, by search, and those mistakes that are most like what is on the canvas.
"use strict";

const PAGE_OF_IMAGES = 48;
const NEAREST = 8;
const mistaken = tests.index.flatMap((_, n) => (tests.actual[n] === tests.predicted[n] ? [] : [n]));
let mistakenVectors = null; // made when they are needed

// A button that shows test image n and puts it through the network.
function thumbnail(n) {
  const [is, answer] = [tests.actual[n], tests.predicted[n]].map((k) => model.classes[k]);
  const wrong = is !== answer;
  const draw = (canvas) => paintInk(canvas, images[n], model.rows, model.columns, model.low, model.high);
  const words = `${is}, ${wrong ? `wrong: ${answer}` : "right"}`;
  const label = `Test image ${tests.index[n]}: ${words}, ${percent(tests.confidence[n])}`;
  const button = element(
    "button",
    { type: "button", title: label, "aria-label": label },
    picture(draw, { "aria-hidden": "true" }),
    element("span", { textContent: `${words}, ` }),
    element("small", { textContent: percent(tests.confidence[n]) }),
  );
  button.addEventListener("click", () => {
    showTest(n);
    const see = (place, text) => element("a", { href: `#${place}`, textContent: text });
    const places = [see("draw", "its answer"), " and ", see("think", "why")];
    byId("on-canvas").replaceChildren(`Test image ${tests.index[n]} is on the canvas above: see `, ...places, ".");
  });
  return button;
}

// The mistakes that look most like what is shown.
function showNearest() {
  const none = (text) => byId("nearest").replaceChildren(element("p", { className: "note", textContent: text }));
  if (!mistaken.length) return none("This network makes no mistake on the test set.");
  if (!shown) return none("Draw a digit, and they appear here.");
  mistakenVectors ??= mistaken.map((n) => unitVector(prepare(images[n], model).x));
  const similarity = similarities(shown.vector, mistakenVectors); // the mistakes are the first images of the page
  const ranked = mistaken.filter((n) => n !== chosen).sort((a, b) => similarity[b] - similarity[a]);
  return byId("nearest").replaceChildren(...ranked.slice(0, NEAREST).map(thumbnail));
}

const search = byId("search").elements;
for (const select of [search.actual, search.predicted]) {
  select.append(element("option", { value: "", textContent: "any" }));
  model.classes.forEach((name, k) => select.append(element("option", { value: k, textContent: name })));
}

// The confusion matrix; a cell shows its images.
function showConfusion() {
  const largest = Math.max(...data.confusion.flatMap((row, k) => row.filter((_, j) => j !== k)));
  const head = element(
    "tr",
    {},
    element("td"),
    ...model.classes.map((name) => element("th", { scope: "col", textContent: name })),
  );
  const rows = data.confusion.map((counts, actual) => {
    const cells = counts.map((count, predicted) => {
      const [is, answer] = [actual, predicted].map((k) => model.classes[k]);
      const cell = element("button", { type: "button", textContent: count || "\u00b7" });
      cell.setAttribute("aria-label", `${count} images of ${is} with answer ${answer}`);
      cell.className = actual === predicted ? "right" : count ? "wrong" : "none";
      if (actual !== predicted) cell.style.setProperty("--share", count / largest);
      cell.addEventListener("click", () => {
        search.actual.value = actual;
        search.predicted.value = predicted;
        search.which.value = "all";
        [search.from.value, search.to.value] = [0, 100];
        find();
        byId("found").scrollIntoView({ block: "nearest" });
      });
      return element("td", {}, cell);
    });
    return element("tr", {}, element("th", { scope: "row", textContent: model.classes[actual] }), ...cells);
  });
  byId("confusion").append(
    element("caption", {
      className: "unseen",
      textContent: "Confusion matrix: rows are the classes, columns the answers",
    }),
    element("thead", {}, head),
    element("tbody", {}, ...rows),
  );
  rove(byId("confusion"), () => model.classes.length);
}

let results = [];

// Finds the images that the form asks for, and shows the first of them.
function find() {
  const { actual, predicted, which, from, to, order } = search;
  const isClass = (select, k) => select.value === "" || Number(select.value) === k;
  const of = (n) => tests.confidence[n];
  results = tests.index.flatMap((_, n) => {
    const wrong = tests.actual[n] !== tests.predicted[n];
    const fits = which.value === "all" || wrong === (which.value === "wrong");
    const between = of(n) >= from.value / 100 && of(n) <= to.value / 100;
    return fits && between && isClass(actual, tests.actual[n]) && isClass(predicted, tests.predicted[n]) ? [n] : [];
  });
  results.sort((a, b) => (order.value === "high" ? of(b) - of(a) : of(a) - of(b)));
  byId("gallery").replaceChildren();
  showMore();
}

function showMore() {
  const gallery = byId("gallery");
  const start = gallery.childElementCount;
  gallery.append(...results.slice(start, start + PAGE_OF_IMAGES).map(thumbnail));
  const seen = gallery.childElementCount;
  byId("more").hidden = seen === results.length;
  const others = tests.index.length - mistaken.length;
  const held =
    others + mistaken.length === tests.count
      ? `This page has all ${tests.count} test images.`
      : `This page has ${tests.index.length} of the ${tests.count} test images: ` +
        `all ${mistaken.length} mistakes and the first ${others} others.`;
  const some = seen < results.length ? `, ${seen} shown` : "";
  byId("found").textContent = `${results.length || "None"} found${some}. ${held}`;
}

byId("search").addEventListener("input", find);
byId("search").addEventListener("submit", (event) => event.preventDefault());
byId("more").addEventListener("click", () => {
  const start = byId("gallery").childElementCount;
  showMore();
  byId("gallery").children[start].focus();
});
showConfusion();
find();
