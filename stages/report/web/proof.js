// The proof: the recipe, trained to its end in this browser, has the weights that NumPy had.
"use strict";

byId("numpy-digest").textContent = lesson.outcome.sha256;
byId("prove").onclick = () => {
  const began = performance.now();
  const button = byId("prove");
  button.disabled = true;
  byId("verdict-of-proof").textContent = "";
  const trainer = newTrainer(async ({ step, last, done, accuracy, theta }) => {
    byId("proof-bar").value = step / last;
    if (!done) return;
    trainer.stop();
    const own = await digestOf(theta);
    byId("own-digest").textContent = own ?? NO_DIGEST;
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    const same = own === lesson.outcome.sha256;
    byId("verdict-of-proof").textContent = own
      ? `${same ? "The same" : "Not the same"}, after ${last} steps in ${seconds} s; ${percent(accuracy)} right.`
      : "";
    button.disabled = false;
  });
  trainer.send({ settings: recipe });
  trainer.send({ steps: Infinity });
};
