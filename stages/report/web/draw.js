// The canvas: strokes of mouse, finger or pen.
"use strict";

const WIDTH = 0.075; // of the pen, as a fraction of the canvas

class Pad {
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.changed = changed;
    this.strokes = [];
    this.image = null; // a test image, instead of strokes
    this.drawing = null; // the pointer that draws
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.extend(event));
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => (this.drawing = event.pointerId === this.drawing ? null : this.drawing));
    }
    canvas.repaint = () => this.paint();
  }

  begin(event) {
    if (this.drawing !== null || event.button > 0) return;
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.drawing = event.pointerId;
    this.image = null;
    this.strokes.push([this.point(event)]);
    this.update();
  }

  extend(event) {
    if (event.pointerId !== this.drawing) return;
    const events = event.getCoalescedEvents?.() ?? [];
    this.strokes.at(-1).push(...(events.length ? events : [event]).map((each) => this.point(each)));
    this.update();
  }

  // Where an event is, in fractions of the canvas.
  point({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    return [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
  }

  undo() {
    if (!this.image) this.strokes.pop();
    this.image = null;
    this.update();
  }

  clear() {
    this.strokes = [];
    this.image = null;
    this.update();
  }

  show(image) {
    this.strokes = [];
    this.image = image;
    this.update();
  }

  update() {
    this.paint();
    this.changed();
  }

  paint() {
    const { canvas } = this;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (this.image) {
      const small = document.createElement("canvas");
      paintInk(small, this.image, model.rows, model.columns, model.low, model.high);
      const scale = Math.min(canvas.width / model.columns, canvas.height / model.rows);
      const [width, height] = [model.columns * scale, model.rows * scale];
      context.imageSmoothingEnabled = false;
      context.drawImage(small, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
      return;
    }
    const ink = `rgb(${color("ink")})`;
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = context.shadowColor = ink;
    context.shadowBlur = 0.012 * canvas.width; // a soft edge
    context.lineWidth = (WIDTH - 0.012) * canvas.width;
    for (const stroke of this.strokes) {
      context.beginPath();
      const points = stroke.map(([x, y]) => [x * canvas.width, y * canvas.height]);
      context.moveTo(...points[0]);
      points.forEach(([x, y], n) => {
        const [nextX, nextY] = points[n + 1] ?? [x, y];
        context.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2); // rounds the corners between samples
      });
      context.lineTo(...points.at(-1));
      context.stroke();
    }
  }
}
