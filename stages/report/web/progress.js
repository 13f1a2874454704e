// What a run looks like: its curves, its weights as pictures, and its answer for the digit on the canvas.
"use strict";

const PANEL = { left: 46, right: 12, top: 22, bottom: 24 };
const SMOOTH = 0.95; // of the moving average of the loss

// Draws curves over a range of steps on a canvas; each has `points`, [step, value], and whether it is the kept run's.
function plot(
  canvas,
  curves,
  { last, top, bottom, logarithmic, label, ticks: marks, format, corner = `step ${last}` },
) {
  const ratio = Math.min(devicePixelRatio || 1, 2);
  const [width, height] = [canvas.clientWidth || 400, canvas.clientHeight || 200];
  [canvas.width, canvas.height] = [width * ratio, height * ratio];
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.font = "12px system-ui, sans-serif";
  const css = (name) => `rgb(${color(name)})`;
  const scale = logarithmic ? Math.log : (value) => value;
  const x = (step) => PANEL.left + ((width - PANEL.left - PANEL.right) * step) / Math.max(last, 1);
  const y = (value) => {
    const share = (scale(clip(value, bottom, top)) - scale(bottom)) / (scale(top) - scale(bottom));
    return height - PANEL.bottom - (height - PANEL.top - PANEL.bottom) * share;
  };
  context.textAlign = "right";
  for (const mark of marks) {
    context.fillStyle = css("line");
    context.fillRect(PANEL.left, y(mark), width - PANEL.left - PANEL.right, 1);
    context.fillStyle = css("muted");
    context.fillText(format(mark), PANEL.left - 6, y(mark) + 4);
  }
  context.textAlign = "left";
  context.fillText(label, PANEL.left, 13);
  context.textAlign = "right";
  context.fillText(corner, width - PANEL.right, height - 7);
  for (const { points, kept, dots } of curves) {
    context.strokeStyle = context.fillStyle = css(kept ? "muted" : "ink");
    context.lineWidth = kept ? 1.5 : 2;
    context.setLineDash(kept ? [5, 4] : []);
    context.beginPath();
    points.forEach(([step, value]) => context.lineTo(x(step), y(value)));
    context.stroke();
    for (const [step, value] of dots ? points : []) {
      context.beginPath();
      context.arc(x(step), y(value), 3, 0, 7);
      context.fill();
    }
  }
}

// A run as it is recorded: the loss of each step, smoothed, and the accuracy after each epoch.
class Run {
  constructor(settings) {
    Object.assign(this, { settings, losses: [], smooth: null, accuracies: [], step: 0, last: 1, rate: 0 });
  }

  add({ losses, accuracy, step, last, rate, diverged, done }) {
    losses.forEach((loss, n) => {
      if (Number.isFinite(loss)) this.smooth = this.smooth === null ? loss : SMOOTH * this.smooth + (1 - SMOOTH) * loss;
      this.losses.push([step - losses.length + n + 1, Number.isFinite(loss) ? this.smooth : Infinity]);
    });
    if (accuracy !== undefined) this.accuracies.push([step, accuracy]);
    Object.assign(this, { step, last: diverged ? this.last : last, rate, diverged, done });
  }

  get accuracy() {
    return this.accuracies.at(-1)?.[1] ?? 0;
  }
}

function showCurves(run, kept) {
  const runs = kept ? [kept, run] : [run];
  const last = Math.max(...runs.map((each) => each.last));
  const format = (value) => String(value);
  const loss = { last, top: 5, bottom: 0.01, logarithmic: true, label: "Loss, nats, mean of recent steps", format };
  const of = (name, dots) => runs.map((each) => ({ points: each[name], kept: each === kept, dots }));
  plot(byId("loss-curve"), of("losses", false), { ...loss, ticks: [0.01, 0.1, 1, 5] });
  const errors = of("accuracies", true).map((curve) => {
    return { ...curve, points: curve.points.map(([step, accuracy]) => [step, 100 * (1 - accuracy)]) };
  });
  const unseen = lesson.validation.labels ? "images it has not seen" : "its training images";
  const error = { last, top: 100, bottom: 0.5, logarithmic: true, label: `Errors on ${unseen}, %`, format };
  plot(byId("error-curve"), errors, { ...error, ticks: [1, 2, 5, 10, 50, 100] });
}

// The weights of hidden neurons as pictures, side by side on one canvas.
function showWeights(canvas, pictures) {
  const { rows, columns } = model;
  const wide = Math.ceil(Math.sqrt(pictures.length));
  const high = Math.ceil(pictures.length / wide);
  const [width, height] = [wide * (columns + 1) - 1, high * (rows + 1) - 1];
  const all = new Float32Array(width * height);
  pictures.forEach((image, n) => {
    const [left, top] = [(n % wide) * (columns + 1), Math.floor(n / wide) * (rows + 1)];
    const largest = image.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9) * 0.7;
    for (let i = 0; i < image.length; i++) {
      all[(top + Math.floor(i / columns)) * width + left + (i % columns)] = image[i] / largest;
    }
  });
  paintSigned(canvas, all, height, width, 1);
}

// The probabilities of a network with one hidden layer for waves x, in plain numbers.
function answerOf({ W1, b1, W2, b2 }, x) {
  const a = Float64Array.from(b1, (bias, j) => x.reduce((sum, value, d) => sum + value * W1[d * b1.length + j], bias));
  const z = Float64Array.from(b2, (bias, k) =>
    a.reduce((sum, h, j) => sum + Math.max(h, 0) * W2[j * b2.length + k], bias),
  );
  return z.every(Number.isFinite) ? softmax(z) : z.fill(0);
}

// The parameters of a network with one hidden layer, as views of theta.
function parametersOf(theta, hidden) {
  const [F, K] = [pairs.length, model.classes.length];
  const ends = [F * hidden, F * hidden + hidden * K, F * hidden + hidden * K + hidden];
  return {
    W1: theta.subarray(0, ends[0]),
    W2: theta.subarray(ends[0], ends[1]),
    b1: theta.subarray(ends[1], ends[2]),
    b2: theta.subarray(ends[2]),
  };
}
