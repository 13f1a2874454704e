// What the page says of the network and of itself; then it opens, with a digit that is answered.
"use strict";

const sizes = [network.layers[0].inputs, ...network.layers.map((layer) => layer.outputs)].join("\u2013");
const right = sum(data.confusion.map((row, k) => row[k]));
byId("summary").textContent =
  `${data.title}: a ${sizes} network written in NumPy, that classifies ` +
  `${percent(right / tests.count)} of the test images correctly. It runs in this page; nothing is sent anywhere.`;
byId("digest").textContent = model.sha256;
byId("exactness").textContent =
  "The same numbers as NumPy: this page computes in the exact arithmetic of stages/nn/exact.py, so that the logits of " +
  "an image are those of the Python code for this image alone, bit for bit.";
const [validation, withheld, wrong, caught] = data.thresholds.validation;
byId("threshold").textContent = !validation
  ? "Every image gets an answer: without validation images there is no threshold for \u201cI don\u2019t know\u201d."
  : `\u201cI don\u2019t know\u201d: below a confidence of ${percent(data.thresholds.confidence)}, or where the most ` +
    `similar of ${knownImages.length} training images has a cosine with it, both blurred, below ` +
    `${number(data.thresholds.similarity, 2)}. Both were chosen on the ${validation} validation images: ${withheld} of ` +
    `their answers are withheld, ${caught} of them wrong; ${wrong - caught} of the ` +
    `${validation - withheld} others are wrong.`;

byId("train-lead").textContent =
  `A network with random weights learns to read here, in your browser, from ${thousands(atob(lesson.train.labels).length)} of ` +
  `the ${thousands(lesson.of)} training images. Draw a digit above, press Play, and watch its answer for it. The default recipe ` +
  `comes to ${percent(lesson.outcome.accuracy)} of images that it has not seen; the pipeline\u2019s network, which ` +
  `learns from all of them, distorted anew in each epoch, to ${percent(right / tests.count)} of the test images.`;
showNeurons();
sample(Math.min(3, digits.length - 1)); // the page opens alive
choose(settingsOf(location.hash));
startAgain();
followLink();
