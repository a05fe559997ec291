// The notebook's side of the pad: sends the image to the kernel, shows what comes back. pad.js stands before it.

const KERNEL_PATIENCE_MS = 3000;

function render({ model, el }) {
  let busy = false; // one image under way at a time: a slow kernel must not build up a queue
  let next; // the newest image that has not been sent; undefined: nothing to send
  let number = 0; // of the last image, to tell late answers from the current one
  let timer;

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
  });

  function send() {
    const image = next;
    next = undefined;
    if (!image) return;
    busy = true;
    timer = setTimeout(() => {
      busy = false; // the next stroke tries again
      pad.say("The kernel does not answer: is it running, and free?");
    }, KERNEL_PATIENCE_MS);
    model.send({ number, network: model.get("network") }, undefined, [image.buffer]);
  }

  function receive(content, buffers) {
    if (content.kind !== "result") return;
    clearTimeout(timer);
    busy = false;
    if (next !== undefined) send();
    else if (content.number === number) {
      let start = 0;
      const levels = new Uint8Array(buffers[0].buffer || buffers[0], buffers[0].byteOffset || 0);
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
