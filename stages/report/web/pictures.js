// Elements and pictures.
"use strict";

const byId = (id) => document.getElementById(id);

// A new element with properties, such as textContent or className, and children.
function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("aria-") || key === "role" || key === "style") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

// The color of a CSS variable, as [red, green, blue].
const colors = {};
function color(name) {
  colors[name] ??= getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  return [1, 3, 5].map((at) => parseInt(colors[name].slice(at, at + 2), 16));
}

// Paints one square per number, mixed from the colors that `mix` returns for it: [from, to, amount].
function paint(canvas, values, rows, columns, mix) {
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) {
    const [from, to, amount] = mix(values[i]);
    for (let c = 0; c < 3; c++) picture.data[4 * i + c] = from[c] + (to[c] - from[c]) * amount;
    picture.data[4 * i + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
}

// Ink on paper: `low` is paper, `high` is ink.
function paintInk(canvas, values, rows, columns, low, high) {
  const [paper, ink] = [color("paper"), color("ink")];
  paint(canvas, values, rows, columns, (value) => [paper, ink, clip((value - low) / (high - low), 0, 1)]);
}

// Positive numbers in one color, negative ones in another; zero is paper, `largest` the full color.
function paintSigned(canvas, values, rows, columns, largest = Math.max(...values.map(Math.abs))) {
  const [paper, positive, negative] = [color("paper"), color("for"), color("against")];
  paint(canvas, values, rows, columns, (value) => {
    return [paper, value > 0 ? positive : negative, Math.min(Math.abs(value) / (largest || 1), 1)];
  });
}

// A picture that is painted now and again when the colors change.
function picture(paintIt, properties = {}) {
  const canvas = element("canvas", { role: "img", ...properties });
  canvas.repaint = paintIt;
  paintIt(canvas);
  return canvas;
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const name of Object.keys(colors)) delete colors[name];
  for (const canvas of document.querySelectorAll("canvas")) canvas.repaint(canvas);
});

// Arrow keys move between the elements of a group, of which Tab reaches one.
function rove(group, columns) {
  const items = () => [...group.querySelectorAll("button")];
  items().forEach((item, n) => (item.tabIndex = n ? -1 : 0));
  group.addEventListener("focusin", (event) => {
    const item = event.target.closest("button");
    if (item) items().forEach((other) => (other.tabIndex = other === item ? 0 : -1));
  });
  group.addEventListener("keydown", (event) => {
    const all = items();
    const at = all.indexOf(event.target.closest("button"));
    const steps = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -columns(),
      ArrowDown: columns(),
      Home: -at,
      End: all.length - 1 - at,
    };
    if (at < 0 || !(event.key in steps)) return;
    event.preventDefault();
    all[clip(at + steps[event.key], 0, all.length - 1)].focus();
  });
}

// How many columns a group of equal elements has on the screen.
function columnsOf(group) {
  const tops = [...group.children].map((child) => child.offsetTop);
  return tops.filter((top) => top === tops[0]).length;
}

const minus = (text) => text.replace("-", "\u2212");
const number = (x, digits = 3) => minus(x.toFixed(digits));
const signed = (x, digits = 3) => (x < 0 ? "\u2212 " : "+ ") + Math.abs(x).toFixed(digits);
function percent(p) {
  if (p > 0.9999 && p < 1) return "> 99.99 %";
  if (p < 0.0001 && p > 0) return "< 0.01 %";
  return `${(100 * p).toFixed(p < 0.1 || p >= 0.99 ? 2 : 1)} %`;
}
const short = (x) => (x !== 0 && (Math.abs(x) < 1e-4 || Math.abs(x) >= 1e6) ? minus(x.toExponential(3)) : number(x, 4));
const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
