// Train it yourself: a trainer in a worker, or in slices where there is none, its controls, and what it shows.
"use strict";

// A trainer with the page's images, to send messages to; `receive` gets its reports.
function newTrainer(receive) {
  const local = () => {
    const trainer = new Trainer(receive);
    return (message) => trainer.receive(message);
  };
  const sent = [{ lesson }];
  let [worker, send] = [null, null];
  try {
    const source = `${byId("nn").textContent}
      const trainer = new Trainer((report) => postMessage(report));
      onmessage = ({ data }) => trainer.receive(data);`;
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    worker = new Worker(url);
    worker.onmessage = (event) => receive(event.data);
    worker.onerror = () => {
      send = local(); // this browser starts none here: the same in slices
      sent.forEach(send);
    };
    send = (message) => worker.postMessage(message);
  } catch {
    send = local();
  }
  send(sent[0]);
  return {
    send: (message) => {
      if (sent.push(message) > 9) sent.splice(1, 1);
      send(message);
    },
    stop: () => worker?.terminate(),
  };
}

const SHOWN = 64; // hidden neurons, as pictures
let run = null; // the run that is shown
let kept = null; // another one, to compare with
let runs = 0; // how many there were, which is the number of `run`
let theta = null; // its weights
let playing = false;
let trainer = null;
let waiting = null; // the next frame, which shows what has come in
let spokenAt = 0;

function startAgain() {
  run = new Run(chosenSettings());
  theta = null;
  play(false);
  trainer ??= newTrainer(received);
  trainer.send({ settings: run.settings, run: ++runs });
  byId("train-link").href = linkTo(run.settings);
}

function received(report) {
  if (report.run !== runs) return; // of a run that has been replaced
  run.add(report);
  theta = report.theta;
  if (report.done) play(false);
  waiting ??= requestAnimationFrame(showRun);
}

function play(on) {
  playing = on;
  if (run && !on) waiting ??= requestAnimationFrame(showRun);
  byId("play").textContent = on ? "Pause" : run.done ? "Play again" : run.step ? "Go on" : "Play";
}

// Goes on for some steps, or up to a number of them.
function goTo(step) {
  if (run.done) startAgain();
  trainer.send({ steps: step });
}

function showRun() {
  waiting = null;
  const { settings, step, last, rate, accuracy } = run;
  if (!theta) return;
  const own = parametersOf(theta, settings.hidden);
  showCurves(run, kept);
  showWeights(byId("weights"), onPixels(own.W1, settings.hidden, SHOWN));
  byId("weights-shown").textContent = settings.hidden > SHOWN ? `The first ${SHOWN} of ${settings.hidden}.` : "";
  showLive(own);
  if (!playing || !one) showOneStep(); // it is too much to read while weights change
  const epochs = (step * settings.epochs) / last;
  const now = run.done ? "" : ` Learning rate now ${Number(rate.toPrecision(3))}.`;
  const state = run.diverged
    ? `Diverged at step ${step}: the loss is no longer a number. A smaller learning rate helps.`
    : `Step ${step} of ${last}, epoch ${epochs.toFixed(1)} of ${settings.epochs}.${now}`;
  const images = lesson.validation.labels ? "unseen images" : "training images, as there are no validation images,";
  byId("train-state").textContent = `${state} ${percent(accuracy)} of the ${images} right.`;
  byId("compared").textContent = kept ? comparison() : "";
  byId("take").disabled = !step;
  if (performance.now() - spokenAt > 1000 || run.done) {
    spokenAt = performance.now();
    byId("train-spoken").textContent = run.diverged ? state : `Epoch ${Math.floor(epochs)}: ${percent(accuracy)} right`;
  }
  if (run.done) showDigest();
}

function comparison() {
  const different = differences(run.settings, kept.settings);
  const what = different.length ? `This run has ${different.join(", ")}` : "Both runs have the same settings";
  const at = (each) => `${percent(each.accuracy)} after ${each.step} steps`;
  return `${what}. This one: ${at(run)}. The one kept, dashed: ${at(kept)}.`;
}

// The answer of the network in training for the digit on the canvas.
const blank = new Uint8Array(model.rows * model.columns).fill(model.low);
const liveBars = model.classes.map((name) => {
  const bar = element("span", { className: "bar" });
  byId("live-bars").append(
    element("span", { className: "name", textContent: name }),
    element("span", { className: "track" }, bar),
  );
  return bar;
});

function showLive(own) {
  const p = shown && own ? answerOf(own, waves(shown.x)) : model.classes.map(() => 0);
  liveBars.forEach((bar, k) => {
    bar.style.width = `${100 * p[k]}%`;
    bar.classList.toggle("best", Boolean(shown) && k === argmax(Array.from(p)));
  });
  paintInk(byId("live-digit"), shown?.image ?? blank, model.rows, model.columns, model.low, model.high);
  const best = argmax(Array.from(p));
  byId("live-answer").textContent = shown ? `${model.classes[best]}, ${percent(p[best])}` : "Draw a digit above.";
}

async function digestOf(weights) {
  if (!globalThis.crypto?.subtle) return null; // a browser has it on https and for files alone
  const digest = await crypto.subtle.digest("SHA-256", weights);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const NO_DIGEST = "This browser computes SHA-256 only for pages from https or from a file.";

async function showDigest() {
  const own = await digestOf(theta);
  const standard = !differences(run.settings, recipe).length;
  const same = own === lesson.outcome.sha256 ? ": the same as NumPy\u2019s" : ": not NumPy\u2019s";
  byId("train-digest").textContent = own ? `SHA-256 of these weights: ${own}${standard ? same : ""}` : NO_DIGEST;
}

for (const name of ["loss-curve", "error-curve", "weights", "live-digit"]) byId(name).repaint = () => run && showRun();
byId("play").onclick = () => {
  if (playing) trainer.send({ steps: 0 });
  else goTo(Infinity);
  play(!playing);
};
byId("step").onclick = () => goTo(run.done ? 1 : run.step + 1);
byId("epoch").onclick = () => {
  const length = run.last / run.settings.epochs;
  goTo(run.done ? length : (Math.floor(run.step / length + 1e-9) + 1) * length);
};
byId("again").onclick = startAgain;
byId("keep").onclick = () => {
  kept = Object.assign(new Run(run.settings), run);
  byId("forget").disabled = false;
  showRun();
};
byId("forget").onclick = () => {
  kept = null;
  byId("forget").disabled = true;
  showRun();
};
byId("defaults").onclick = () => {
  choose(recipe);
  startAgain();
};
byId("take").onclick = () => {
  const { W1, b1, W2, b2 } = parametersOf(theta.slice(), run.settings.hidden);
  const images = onPixels(W1, b1.length);
  const W = Float32Array.from(
    { length: images[0].length * b1.length },
    (_, i) => images[i % b1.length][Math.floor(i / b1.length)],
  );
  useNetwork(
    new TracedNetwork(
      [
        { W, b: b1 },
        { W: W2, b: b2 },
      ],
      "relu",
    ),
    true,
  );
};
byId("put-back").onclick = () => useNetwork(ownNetwork, false);
form.addEventListener("change", startAgain);
function followLink() {
  if (!location.hash.startsWith("#train?")) return;
  choose(settingsOf(location.hash));
  startAgain();
  byId("train").scrollIntoView();
}
addEventListener("hashchange", followLink);
