// The page's side of the pad: runs the network in the browser with onnxruntime-web. No request leaves the folder.

import * as ort from "./ort/ort.wasm.min.mjs";
import { greyLevels, makePad } from "./pad.js";

const classNames = [..."0123456789"];
const root = document.getElementById("pad");
ort.env.wasm.numThreads = 1; // more need headers that a plain web server does not send
ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;

const session = await ort.InferenceSession.create(new URL("./network.onnx", import.meta.url).href);
let running = false, next;

// image: 28x28 bytes. The network takes grey levels as they are and normalises them itself.
export async function predict(image) {
  const start = performance.now();
  const pixels = new ort.Tensor("float32", Float32Array.from(image), [1, 28, 28]);
  const outputs = await session.run({ pixels });
  const layers = session.outputNames.slice(1).map((name) => ({
    name, shape: outputs[name].dims.slice(1), levels: greyLevels(outputs[name].data),
  }));
  return { probabilities: Array.from(outputs.probabilities.data), layers, milliseconds: performance.now() - start };
}

const pad = makePad(root, { classNames, networks: [""], network: "", async onImage(image) {
  next = image;
  if (running) return;
  running = true;
  while (next) {
    const current = next;
    next = undefined;
    const result = await predict(current);
    if (next === undefined) pad.show(result); // an empty canvas sets it to null
  }
  running = false;
} });
root.dataset.ready = "yes";
window.labkitPad = { pad, predict }; // for the tests
