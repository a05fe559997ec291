// The notebook's side of the pad: sends the image to the kernel, shows what comes back. The other files stand before it.

const KERNEL_PATIENCE_MS = 3000;

function render({ model, el }) {
  let busy = false; // one image under way at a time: a slow kernel must not build up a queue
  let next; // the newest image that has not been sent; undefined: nothing to send
  let number = 0; // of the last image, to tell late answers from the current one
  let timer;
  let shown; // the image that the maps are of
  let question = 0, answerTo; // the last question about a map, and what takes its answer

  const pad = makePad(el, {
    classNames: [..."0123456789"],
    networks: model.get("networks"),
    network: model.get("network"),
    onNetwork(name) {
      model.set("network", name);
      model.save_changes();
    },
    onImage(image) {
      next = image;
      number += 1;
      if (!busy) send();
    },
    askUnit(layer, map) {
      question += 1;
      answerTo?.(null); // an older question: nobody waits for it any more
      if (!shown) return Promise.resolve(null);
      model.send({ kind: "unit", question, network: shown.network, layer, map }, undefined, [shown.image.buffer.slice(0)]);
      return new Promise((resolve) => { answerTo = resolve; });
    },
  });

  let sent;
  function send() {
    const image = next;
    next = undefined;
    if (!image) return;
    busy = true;
    timer = setTimeout(() => {
      busy = false; // the next stroke tries again
      pad.say("The kernel does not answer: is it running, and free?");
    }, KERNEL_PATIENCE_MS);
    sent = { image: image.slice(), network: model.get("network") };
    model.send({ number, network: sent.network }, undefined, [image.buffer]);
  }

  const bytes = (buffer) => new Uint8Array(buffer.buffer || buffer, buffer.byteOffset || 0, buffer.byteLength);
  const floats = (buffer) => new Float32Array(bytes(buffer).slice().buffer); // a copy: Float32Array must be aligned

  function receive(content, buffers) {
    if (content.kind === "unit" && content.question === question) {
      const { unit } = content;
      answerTo({ ...unit, values: floats(buffers[0]), source: { shape: unit.source, values: floats(buffers[1]) } });
    }
    if (content.kind !== "result") return;
    clearTimeout(timer);
    busy = false;
    if (next !== undefined) send();
    else if (content.number === number) {
      let start = 0;
      const levels = bytes(buffers[0]);
      shown = sent;
      const layers = content.layers.map(({ name, shape }) => {
        const size = shape.reduce((a, b) => a * b, 1);
        start += size;
        return { name, shape, levels: levels.subarray(start - size, start) };
      });
      pad.show({ probabilities: content.probabilities, layers, milliseconds: content.milliseconds });
    }
  }
  model.on("msg:custom", receive);
  return () => {
    clearTimeout(timer);
    model.off("msg:custom", receive);
  };
}

export default { render };
