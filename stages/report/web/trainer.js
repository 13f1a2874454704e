// Trains networks on the page's images: stages/learning/lesson.py. It runs in a worker or, where there is none, in
// slices between other things; messages go both ways.
"use strict";

const SLICE = 25; // milliseconds of work between two messages
const [WEIGHTS, ORDER, TRAINING] = [1, 2, 3]; // one random stream per purpose

function bytes(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

// Images and targets for the network, from what the stage packed: waves in whole numbers, wave by wave, and classes.
async function examples({ levels, labels }, { classes, scale }) {
  const stream = new Blob([bytes(levels)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const packed = new Int8Array(await new Response(stream).arrayBuffer());
  const own = bytes(labels);
  const targets = new Float32Array(own.length * classes);
  own.forEach((label, n) => (targets[n * classes + label] = 1));
  return { x: Float32Array.from(transposed(packed, own.length), (level) => level * scale), targets, labels: own };
}

class Trainer {
  constructor(send) {
    this.send = send;
    this.until = 0; // the step up to which to go on
    const { port1, port2 } = new MessageChannel(); // unlike a timer, it does not wait
    port1.onmessage = () => this.work();
    this.soon = () => port2.postMessage(0);
  }

  // What the page asks for: { lesson }, the images; { settings, run }, a new network, and its number; { steps }, to train up to this step.
  async receive({ lesson, settings, run, steps }) {
    if (lesson) {
      const { classes } = lesson;
      this.ready = Promise.all([lesson.train, lesson.validation].map((part) => part && examples(part, lesson)));
      [this.train, this.validation] = await this.ready;
      Object.assign(this, { classes, D: this.train.x.length / this.train.labels.length });
    }
    await this.ready;
    if (settings) this.start(settings, run);
    if (steps === undefined || !this.run) return;
    const idle = this.step >= this.until;
    this.until = steps;
    if (idle) this.work();
  }

  start(settings, number) {
    const { seed, hidden, optimizer, momentum, weight_decay, batch_size, epochs } = settings;
    const network = multilayerPerceptron([this.D, hidden, this.classes], settings.input_dropout);
    network.initialize(INITIALIZERS.he_normal, new Hashed(seed, WEIGHTS));
    const order = (epoch) => new Hashed(seed, ORDER, epoch);
    const batches = new Batches(this.train.x, this.train.targets, this.D, this.classes, batch_size, order);
    const learningRate = (progress) => settings.learning_rate * SCHEDULES[settings.schedule](progress);
    const rng = (epoch) => new Hashed(seed, TRAINING, epoch);
    const direction = chain(optimizer, network.weights, momentum, weight_decay);
    this.run = fit(network, batches, direction, learningRate, { epochs, rng });
    Object.assign(this, { network, number, step: 0, until: 0, last: epochs * batches.length });
    this.report({ losses: [], rate: learningRate(0), accuracy: this.accuracy() });
  }

  // Trains until there is news, or nothing more to do.
  work() {
    const [end, losses] = [performance.now() + SLICE, []];
    let news = {};
    while (this.step < Math.min(this.until, this.last)) {
      const { loss, rate, step, steps } = this.run.next().value;
      this.step++;
      losses.push(loss);
      news = { losses, rate, diverged: !Number.isFinite(loss) };
      if (news.diverged) this.last = this.step;
      if (step === steps || news.diverged) news.accuracy = this.accuracy();
      if (news.accuracy !== undefined || performance.now() > end) break;
    }
    if (losses.length) this.report(news);
    if (this.step < Math.min(this.until, this.last)) this.soon();
  }

  report(news) {
    const { number: run, step, last } = this;
    this.send({ ...news, run, step, last, done: step === last, theta: this.network.theta.slice() });
  }

  // The fraction of the validation images, or where there are none of the training images, with the right answer.
  accuracy() {
    const { x, labels } = this.validation?.labels.length ? this.validation : this.train;
    const logits = this.network.predict(x);
    const K = this.classes;
    return labels.filter((label, n) => argmax(logits.subarray(n * K, n * K + K)) === label).length / labels.length;
  }
}

function argmax(values) {
  return values.indexOf(Math.max(...values));
}
