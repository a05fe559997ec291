// The page's side of the pad: runs the network in the browser with onnxruntime-web. No request leaves the folder.

import * as ort from "./ort/ort.wasm.min.mjs";
import { greyLevels, makePad } from "./pad.js";

const classNames = [..."0123456789"];
const root = document.getElementById("pad");
ort.env.wasm.numThreads = 1; // more need headers that a plain web server does not send
ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;

// How each layer is made of the one before; its weights are outputs of the network as well: `conv1/weight`
const wires = await (await fetch(new URL("./network.json", import.meta.url))).json();
const session = await ort.InferenceSession.create(new URL("./network.onnx", import.meta.url).href);
const layerNames = session.outputNames.slice(1).filter((name) => !name.includes("/"));
let running = false, next, shown, weights;

// image: 28x28 bytes. The network takes grey levels as they are and normalises them itself.
export async function predict(image) {
  const start = performance.now();
  const pixels = new ort.Tensor("float32", Float32Array.from(image), [1, 28, 28]);
  const outputs = await session.run({ pixels }, ["probabilities", ...layerNames]);
  const layers = layerNames.map((name) => ({
    name, shape: outputs[name].dims.slice(1), values: outputs[name].data, levels: greyLevels(outputs[name].data),
  }));
  const probabilities = Array.from(outputs.probabilities.data);
  return { image, probabilities, layers, milliseconds: performance.now() - start };
}

// All that the numbers of one map need: see unit.js.
async function unitOf(name, map) {
  while (running) await new Promise((resolve) => setTimeout(resolve, 20)); // one run at a time
  if (!shown) return null;
  if (!weights) {
    const names = session.outputNames.filter((output) => output.includes("/"));
    weights = await session.run({ pixels: new ort.Tensor("float32", new Float32Array(784), [1, 28, 28]) }, names);
  }
  const layer = shown.layers.find((each) => each.name === name), wire = wires[name];
  const part = (data, count) => data.slice(map * data.length / count, (map + 1) * data.length / count);
  const [count] = layer.shape;
  const source = shown.layers.find((each) => each.name === wire?.source) || { shape: [1, 28, 28], values: shown.image };
  const arrays = (wire?.arrays || []).map((array) => [array, part(weights[`${name}/${array}`].data, count)]);
  return { layer: name, map, shape: layer.shape, values: part(layer.values, count), wire, source,
    arrays: Object.fromEntries(arrays) };
}

const pad = makePad(root, { classNames, networks: [""], network: "", askUnit: unitOf, async onImage(image) {
  next = image;
  if (running) return;
  running = true;
  while (next) {
    const current = next;
    next = undefined;
    const result = await predict(current);
    if (next === undefined) { // an empty canvas sets it to null
      shown = result;
      pad.show(result);
    }
  }
  running = false;
} });
root.dataset.ready = "yes";
window.labkitPad = { pad, predict, unitOf }; // for the tests
