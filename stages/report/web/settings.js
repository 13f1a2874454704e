// The settings of a run: their controls, the link that carries them, and what differs between two of them, in words.
"use strict";

const { recipe } = lesson;
const CHOICES = {
  hidden: ["Hidden neurons", [1, 2, 4, 8, 16, 32, 64, 128, 256]],
  learning_rate: ["Learning rate", [0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.5, 1, 3]],
  momentum: ["Momentum", [0, 0.5, 0.8, 0.9, 0.95, 0.99]],
  batch_size: ["Batch size", [8, 16, 32, 64, 128, 256, 512]],
  weight_decay: ["Weight decay", [0, 0.0001, 0.0003, 0.001, 0.01, 0.1]],
  optimizer: ["Optimizer", Object.keys(OPTIMIZERS)],
  schedule: ["Schedule", Object.keys(SCHEDULES)],
  epochs: ["Epochs", [1, 2, 4, 8, 16, 32]],
  input_dropout: ["Inputs dropped", [0, 0.1, 0.2, 0.5]],
  seed: ["Seed", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
};
const LIMITS = {
  hidden: [1, 1024],
  learning_rate: [1e-9, 1000],
  momentum: [0, 0.999],
  batch_size: [1, 4096],
  weight_decay: [0, 1],
  epochs: [1, 1000],
  input_dropout: [0, 0.9],
  seed: [0, 2 ** 32 - 1],
};
const WHOLE = new Set(["hidden", "batch_size", "epochs", "seed"]);
const words = (value) => String(value).replaceAll("_", " ");
const form = byId("settings");

for (const [name, [title, choices]] of Object.entries(CHOICES)) {
  const select = element("select", { name });
  for (const value of choices) select.append(choice(name, value));
  form.append(element("label", {}, element("span", { textContent: title }), select));
}

function choice(name, value) {
  return element("option", { value, textContent: words(value) + (value === recipe[name] ? " (default)" : "") });
}

// The settings that the controls show.
function chosenSettings() {
  return Object.fromEntries(
    Object.keys(CHOICES).map((name) => {
      const { value } = form.elements[name];
      return [name, name in LIMITS ? Number(value) : value];
    }),
  );
}

function fits(name, value, choices) {
  const [low, high] = LIMITS[name] ?? [];
  return name in LIMITS ? value >= low && value <= high && !(WHOLE.has(name) && value % 1) : choices.includes(value);
}

// Sets the controls; a value that is none of the choices becomes one; one out of bounds is the default's.
function choose(settings) {
  for (const [name, [, choices]] of Object.entries(CHOICES)) {
    const select = form.elements[name];
    const value = fits(name, settings[name], choices) ? settings[name] : recipe[name];
    if (![...select.options].some((option) => option.value === String(value))) select.append(choice(name, value));
    select.value = value;
  }
}

// "learning rate 3 instead of 0.2"
function differences(settings, others) {
  return Object.keys(CHOICES)
    .filter((name) => settings[name] !== others[name])
    .map((name) => `${CHOICES[name][0].toLowerCase()} ${words(settings[name])} instead of ${words(others[name])}`);
}

// The part of an address that carries settings, and back; what is not said is as in the recipe.
function linkTo(settings) {
  const changed = Object.entries(settings).filter(([name, value]) => value !== recipe[name]);
  return `#train${changed.length ? "?" : ""}${new URLSearchParams(changed)}`;
}

function settingsOf(hash) {
  const given = Object.fromEntries(new URLSearchParams(hash.split("?")[1] ?? ""));
  for (const name of Object.keys(given)) if (name in LIMITS) given[name] = Number(given[name]);
  return given;
}
