// Training curves, with the numbers of the epoch under the pointer or chosen with the arrow keys.
"use strict";

const [CHART_WIDTH, CHART_HEIGHT] = [560, 300];
const MARGIN = { left: 52, right: 12, top: 12, bottom: 34 };

function svg(name, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

// Round steps for an axis from 0 to `top`.
function ticks(top) {
  const rough = top / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough);
  return Array.from({ length: Math.ceil(top / step - 1e-9) + 1 }, (_, n) => n * step);
}

function chart(title, unit, series) {
  const { epoch } = data.history;
  const values = series.flatMap(({ values }) => values).filter((value) => value !== null);
  const axis = ticks(Math.max(...values, 1e-9));
  const top = axis.at(-1);
  const x = (n) => MARGIN.left + ((CHART_WIDTH - MARGIN.left - MARGIN.right) * n) / Math.max(epoch.length - 1, 1);
  const y = (value) => CHART_HEIGHT - MARGIN.bottom - ((CHART_HEIGHT - MARGIN.top - MARGIN.bottom) * value) / top;
  const drawing = svg("svg", { viewBox: `0 0 ${CHART_WIDTH} ${CHART_HEIGHT}`, tabindex: 0, role: "slider" });
  drawing.setAttribute("aria-label", `${title} by epoch`);
  drawing.setAttribute("aria-valuemin", epoch[0]);
  drawing.setAttribute("aria-valuemax", epoch.at(-1));
  for (const value of axis) {
    drawing.append(
      svg("line", { class: "grid", x1: MARGIN.left, x2: CHART_WIDTH - MARGIN.right, y1: y(value), y2: y(value) }),
      svg("text", { x: MARGIN.left - 8, y: y(value) + 4, "text-anchor": "end" }, String(Number(value.toPrecision(6)))),
    );
  }
  const every = [1, 2, 5, 10, 20, 50, 100].find((step) => epoch.length / step <= 8) ?? epoch.length;
  epoch.forEach((each, n) => {
    if (n && each % every) return;
    drawing.append(svg("text", { x: x(n), y: CHART_HEIGHT - 14, "text-anchor": "middle" }, each));
  });
  for (const { name, values } of series) {
    const points = values.flatMap((value, n) => (value === null ? [] : [`${x(n)},${y(value)}`]));
    drawing.append(svg("polyline", { class: name, points: points.join(" ") }));
  }
  const cursor = svg("line", { class: "cursor", y1: MARGIN.top, y2: CHART_HEIGHT - MARGIN.bottom });
  const dots = series.map(({ name }) => svg("circle", { class: name, r: 4.5 }));
  drawing.append(cursor, ...dots);

  const legend = element("figcaption");
  let at = epoch.length - 1;
  const show = (n) => {
    at = clip(n, 0, epoch.length - 1);
    cursor.setAttribute("x1", x(at));
    cursor.setAttribute("x2", x(at));
    const words = series.map(({ name, values }, s) => {
      const value = values[at];
      dots[s].setAttribute("cx", x(at));
      dots[s].setAttribute("cy", y(value ?? 0));
      dots[s].style.display = value === null ? "none" : "";
      return [name, value === null ? "not measured" : `${Number(value.toPrecision(4))}${unit}`];
    });
    legend.replaceChildren(
      element("b", { textContent: `${title}, epoch ${epoch[at]}` }),
      ...words.map(([name, text]) => element("span", { className: name, textContent: `${name} ${text}` })),
    );
    drawing.setAttribute("aria-valuenow", epoch[at]);
    drawing.setAttribute("aria-valuetext", `epoch ${epoch[at]}: ${words.map((pair) => pair.join(" ")).join(", ")}`);
  };
  drawing.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    const along = ((event.clientX - box.left) / box.width) * CHART_WIDTH;
    show(Math.round(((along - MARGIN.left) / (x(epoch.length - 1) - MARGIN.left || 1)) * (epoch.length - 1)));
  });
  drawing.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, Home: -at, End: epoch.length - 1 - at };
    if (!(event.key in steps)) return;
    event.preventDefault();
    show(at + steps[event.key]);
  });
  show(at);
  return element("figure", {}, legend, drawing);
}

const { history: scores } = data;
const errorRate = (accuracy) => accuracy.map((value) => (value === null ? null : 100 * (1 - value)));
byId("curves").append(
  chart("Loss", "", [
    { name: "training", values: scores.train_loss },
    { name: "validation", values: scores.validation_loss },
  ]),
  chart("Error rate", "%", [
    { name: "training", values: errorRate(scores.train_accuracy) },
    { name: "validation", values: errorRate(scores.validation_accuracy) },
  ]),
);
