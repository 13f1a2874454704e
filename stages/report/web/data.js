// What the stage put into the page: the model, test images, the training history.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);

function floats(base64) {
  return new Float32Array(bytes(base64).buffer);
}

// Images from runs: the number of zeros, the number of other pixels, and these pixels.
function unpack(packed, count, size) {
  const images = [];
  let at = 0;
  for (let n = 0; n < count; n++) {
    const image = new Uint8Array(size);
    let filled = 0;
    while (filled < size) {
      const [zeros, others] = [packed[at], packed[at + 1]];
      image.set(packed.subarray(at + 2, at + 2 + others), filled + zeros);
      filled += zeros + others;
      at += 2 + others;
    }
    images.push(image);
  }
  return images;
}

const { model, tests } = data;
const ownNetwork = new TracedNetwork(
  model.layers.map(({ W, b }) => ({ W: floats(W), b: floats(b) })),
  model.activation,
);
let network = ownNetwork; // what answers: the pipeline's, or one that was trained in the page
const images = unpack(bytes(tests.images), tests.index.length, model.rows * model.columns);
const knownImages = unpack(bytes(data.known.images), data.known.count, model.rows * model.columns); // already deskewed
