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
  if (!colors[name]) {
    const hex = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    colors[name] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  }
  return colors[name];
}

// Paints one square per number, paper mixed with a color for its sign; `amount` gives the share of the color.
function paint(canvas, values, rows, columns, [paper, positive, negative], amount) {
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) {
    const share = amount(values[i]);
    const ink = values[i] < 0 ? negative : positive;
    for (let c = 0; c < 3; c++) picture.data[4 * i + c] = paper[c] + (ink[c] - paper[c]) * share;
    picture.data[4 * i + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
}

// Ink on paper: `low` is paper, `high` is ink.
function paintInk(canvas, values, rows, columns, low, high) {
  const [paper, ink] = [color("paper"), color("ink")];
  paint(canvas, values, rows, columns, [paper, ink, ink], (value) => clip((value - low) / (high - low), 0, 1));
}

// Positive numbers in one color, negative ones in another; zero is paper, `largest` the full color.
function paintSigned(canvas, values, rows, columns, largest = Math.max(...values.map(Math.abs))) {
  const colors = [color("paper"), color("for"), color("against")];
  paint(canvas, values, rows, columns, colors, (value) => Math.min(Math.abs(value) / (largest || 1), 1));
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
  for (const canvas of document.querySelectorAll("canvas")) canvas.repaint?.(canvas);
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
const thousands = (n) => n.toLocaleString("en");
// Everywhere to two places, and never rounded to all or nothing.
function percent(p) {
  if (p > 0.9999 && p < 1) return "> 99.99%";
  if (p < 0.0001 && p > 0) return "< 0.01%";
  return `${(100 * p).toFixed(2)}%`;
}
const short = (x) => (x !== 0 && (Math.abs(x) < 1e-4 || Math.abs(x) >= 1e6) ? minus(x.toExponential(3)) : number(x, 4));
const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
