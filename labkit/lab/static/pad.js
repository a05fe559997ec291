// The drawing pad: a canvas for a digit, and beside it what a network makes of the drawing.
// Used by the notebook widget (draw.js, which Python joins to these files) and by the page (draw_page.js).

import { makePanel } from "./panel.js";

const FIELD = 28, BOX = 20, CENTRE = 14, FAINT = 0.02, TIE = 1e-6;
const SIDE = 280; // pixels of the canvas: ten for each of the image

// The same arithmetic as `mnist_image` in labkit/data/digits.py: change both or neither.
// ink: numbers from 0 (paper) up, row by row. Returns 28x28 bytes, or null where there is no ink.
export function mnistImage(ink, width, height) {
  let strongest = 0;
  for (const value of ink) if (value > strongest) strongest = value;
  if (strongest <= 0) return null;
  let top = height, bottom = -1, left = width, right = -1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (ink[y * width + x] > FAINT * strongest) {
        top = Math.min(top, y); bottom = Math.max(bottom, y);
        left = Math.min(left, x); right = Math.max(right, x);
      }
    }
  }
  const rows = bottom - top + 1, columns = right - left + 1;
  const longest = Math.max(rows, columns);
  const fit = (side) => Math.max(1, Math.floor(BOX * side / longest + 0.5 + TIE));
  const fittedRows = fit(rows), fittedColumns = fit(columns);

  const narrow = new Float64Array(rows * fittedColumns);
  for (const [target, source, weight] of areaWeights(columns, fittedColumns)) {
    for (let y = 0; y < rows; y++) {
      narrow[y * fittedColumns + target] += weight * ink[(top + y) * width + left + source];
    }
  }
  const small = new Float64Array(fittedRows * fittedColumns);
  for (const [target, source, weight] of areaWeights(rows, fittedRows)) {
    for (let x = 0; x < fittedColumns; x++) {
      small[target * fittedColumns + x] += weight * narrow[source * fittedColumns + x];
    }
  }
  const peak = small.reduce((a, b) => Math.max(a, b));
  const levels = small.map((value) => Math.floor(255 * value / peak + 0.5 + TIE));

  let total = 0, massY = 0, massX = 0;
  for (let y = 0; y < fittedRows; y++) {
    for (let x = 0; x < fittedColumns; x++) {
      const level = levels[y * fittedColumns + x];
      total += level; massY += level * y; massX += level * x;
    }
  }
  const corner = (centre, size) =>
    Math.min(Math.max(Math.floor(CENTRE - centre + 0.5 + TIE), 0), FIELD - size);
  const startY = corner(massY / total, fittedRows), startX = corner(massX / total, fittedColumns);
  const image = new Uint8Array(FIELD * FIELD);
  for (let y = 0; y < fittedRows; y++) {
    image.set(levels.subarray(y * fittedColumns, (y + 1) * fittedColumns), (startY + y) * FIELD + startX);
  }
  return image;
}

// The share of each source pixel in each target pixel, by covered area: [target, source, weight].
function areaWeights(source, target) {
  const weights = [];
  const step = source / target;
  for (let t = 0; t < target; t++) {
    const start = step * t;
    for (let s = Math.floor(start); s < Math.min(source, Math.ceil(start + step)); s++) {
      const overlap = Math.min(start + step, s + 1) - Math.max(start, s);
      if (overlap > 0) weights.push([t, s, overlap / step]);
    }
  }
  return weights;
}

// Numbers to grey levels, from the lowest to the highest. The same as `grey_maps` in labkit/lab/drawing_widget.py.
export function greyLevels(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const scale = high > low ? 255 / (high - low) : 0;
  return Uint8Array.from(values, (value) => Math.floor((value - low) * scale + 0.5));
}

// Builds the pad inside `root`. `onImage(image)` gets 28x28 bytes after every stroke, or null for an empty canvas;
// `askUnit(layer, map)` gives a promise of what unit.js needs of one map.
// Returns { show, say, clear, draw }: see the end.
export function makePad(root, { classNames, networks, network, onImage, onNetwork, askUnit }) {
  root.classList.add("labkit-pad");
  const make = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  const canvas = make("canvas", {
    width: SIDE, height: SIDE, tabindex: 0, role: "application", class: "lk-canvas",
    "aria-label": "Drawing area for a digit. Arrow keys move the pen, space puts it down and lifts it, Delete clears.",
  });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const marker = make("span", { class: "lk-marker", "aria-hidden": "true" });
  const clearButton = make("button", { type: "button" }, "Clear");
  const brush = make("input", { type: "range", min: 8, max: 40, step: 2, value: 22 });
  const controls = make("div", { class: "lk-controls" }, clearButton, make("label", {}, "Pen ", brush));
  if (networks.length > 1) {
    const choice = make("select", {}, ...networks.map((name) => make("option", { value: name }, name)));
    choice.value = network;
    choice.addEventListener("change", () => { onNetwork(choice.value); changed(); });
    controls.append(make("label", {}, "Network ", choice));
  }
  const hint = make("p", { class: "lk-hint" },
    "Draw with mouse, pen or finger. Keyboard: arrow keys move the pen, space puts it down and lifts it, Delete clears.");

  const seen = make("canvas", { width: FIELD, height: FIELD, class: "lk-seen", role: "img",
    "aria-label": "The digit as the network sees it: 28 by 28 pixels" });
  const status = make("p", { class: "lk-status", "aria-live": "polite" }, "Draw a digit.");
  const bars = classNames.map((name) => {
    const fill = make("span", { class: "lk-fill" });
    const number = make("td", { class: "lk-number" }, "–");
    const row = make("tr", {}, make("th", { scope: "row" }, name),
      make("td", { class: "lk-bar", "aria-hidden": "true" }, fill), number);
    return { row, fill, number };
  });
  const head = make("thead", { class: "lk-hidden" }, make("tr", {}, make("th", { scope: "col" }, "class"),
    make("td", {}), make("th", { scope: "col" }, "probability")));
  const table = make("table", { class: "lk-bars" }, make("caption", {}, "Probabilities"), head,
    make("tbody", {}, ...bars.map((bar) => bar.row)));
  const maps = makeMaps(make, askUnit);
  const details = make("details", { open: "" }, make("summary", {}, "Feature maps, layer by layer"),
    make("p", { class: "lk-hint" }, "Click a pixel of a map to see the numbers that make it. Keyboard: arrow keys choose " +
      "a map, Enter opens it; then arrow keys move the pixel, Escape closes. Maps, rows and columns count from 0."), maps.element);
  root.append(
    make("div", { class: "lk-top" },
      make("div", {}, make("div", { class: "lk-paper" }, canvas, marker), controls),
      make("figure", {}, seen, make("figcaption", {}, "as the network sees it")),
      make("div", { class: "lk-result" }, status, table)),
    hint, details);

  let last = null; // where the stroke is, in canvas pixels; null while the pen is up
  let cursor = { x: SIDE / 2, y: SIDE / 4 }, cursorDown = false; // of the keyboard
  let waiting = false;

  function line(from, to) {
    pen.lineWidth = Number(brush.value);
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(from.x, from.y);
    pen.lineTo(to.x, to.y);
    pen.stroke();
    changed();
  }
  function changed() {
    if (waiting) return;
    waiting = true;
    // a timer beside the frame: a page in the background gets no frames
    const run = () => { if (waiting) { waiting = false; onImage(read()); } };
    requestAnimationFrame(run);
    setTimeout(run, 50);
  }
  function read() {
    const pixels = pen.getImageData(0, 0, SIDE, SIDE).data;
    const ink = new Uint8Array(SIDE * SIDE);
    for (let i = 0; i < ink.length; i++) ink[i] = pixels[4 * i + 3]; // opacity: the paper is transparent
    const image = mnistImage(ink, SIDE, SIDE);
    paint(seen, image || new Uint8Array(FIELD * FIELD), FIELD, FIELD);
    return image;
  }
  function place(event) {
    const box = canvas.getBoundingClientRect();
    return { x: (event.clientX - box.left) * SIDE / box.width, y: (event.clientY - box.top) * SIDE / box.height };
  }
  function moveMarker() {
    marker.style.left = `${100 * cursor.x / SIDE}%`;
    marker.style.top = `${100 * cursor.y / SIDE}%`;
    marker.classList.toggle("lk-down", cursorDown);
  }
  function clear() {
    pen.clearRect(0, 0, SIDE, SIDE);
    cursorDown = false;
    moveMarker();
    for (const bar of bars) {
      bar.fill.style.width = "0";
      bar.number.textContent = "–";
      bar.row.classList.remove("lk-best");
    }
    maps.clear();
    status.textContent = "Draw a digit.";
    changed();
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    last = place(event);
    line(last, last);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (last === null) return;
    const steps = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
    for (const step of steps.length ? steps : [event]) {
      const next = place(step);
      line(last, next);
      last = next;
    }
  });
  for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, () => { last = null; });
  canvas.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 2 : 10;
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (way) {
      const limit = (value) => Math.min(Math.max(value, 0), SIDE);
      const next = { x: limit(cursor.x + step * way[0]), y: limit(cursor.y + step * way[1]) };
      if (cursorDown) line(cursor, next);
      cursor = next;
    } else if (event.key === " ") {
      cursorDown = !cursorDown;
      if (cursorDown) line(cursor, cursor);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      clear();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation(); // Jupyter would take the keys for its own
    moveMarker();
  });
  clearButton.addEventListener("click", clear);
  moveMarker();

  return {
    // result: { probabilities, layers: [{ name, shape, levels }], milliseconds }
    show({ probabilities, layers, milliseconds }) {
      const best = probabilities.indexOf(Math.max(...probabilities));
      bars.forEach((bar, index) => {
        const percent = 100 * probabilities[index];
        bar.fill.style.width = `${percent}%`;
        bar.number.textContent = `${percent.toFixed(1)}%`;
        bar.row.classList.toggle("lk-best", index === best);
      });
      const text = `${classNames[best]}: ${(100 * probabilities[best]).toFixed(1)}%`;
      if (status.textContent !== text) status.textContent = text; // said only when it changes
      status.title = `network: ${milliseconds.toFixed(0)} ms`;
      maps.show(layers);
    },
    say(text) { status.textContent = text; },
    clear,
    // For tests: a stroke through points in canvas pixels.
    draw(points) { points.slice(1).forEach((point, index) => line(points[index], point)); },
    read,
  };
}

// How the maps of a layer lie in its picture, a gap of one pixel between them; values in a row count as maps of 1x1.
function mosaicOf([count, height, width]) {
  if (!height) {
    return { count, columns: count, rows: 1, stepX: 1, stepY: 1, sizeX: 1, sizeY: 1, wide: count, high: 1,
      zoomX: Math.max(3, Math.floor(512 / count)), zoomY: 14 };
  }
  const columns = Math.min(count, Math.floor(560 / (width + 1)) || 1, 16), rows = Math.ceil(count / columns);
  const wide = columns * (width + 1) - 1, high = rows * (height + 1) - 1;
  const zoom = Math.max(1, Math.min(6, Math.floor(560 / wide)));
  return { count, columns, rows, stepX: width + 1, stepY: height + 1, sizeX: width, sizeY: height, wide, high,
    zoomX: zoom, zoomY: zoom };
}

// The feature maps, a picture for each layer, and the panel for one pixel of one of them.
function makeMaps(make, askUnit) {
  const element = make("div", { class: "lk-maps" });
  let names = "", parts = [], timer;
  const panel = makePanel({ make, ask: askUnit, onClose(layer) {
    const part = parts.find((p) => p.name === layer);
    part?.frame.classList.remove("lk-on");
    part?.canvas.focus();
  } });

  function build(layers) {
    parts = layers.map(({ name, shape }) => {
      const [count, height, width] = shape;
      const what = height ? `${count} maps of ${height}×${width}` : `${count} values`;
      const canvas = make("canvas", { tabindex: 0, role: "application",
        "aria-label": `Feature maps of layer ${name}: ${what}. Arrow keys choose one, Enter opens it.` });
      const frame = make("span", { class: "lk-frame", "aria-hidden": "true" });
      const figure = make("figure", {}, make("figcaption", {}, `${name}: ${what}`),
        make("div", { class: "lk-plane lk-mosaic" }, canvas, frame));
      const part = { name, figure, canvas, frame, mosaic: mosaicOf(shape), current: 0 };
      canvas.addEventListener("click", (event) => pick(part, event));
      canvas.addEventListener("keydown", (event) => move(part, event));
      place(part);
      return part;
    });
    element.replaceChildren(...parts.map((part) => part.figure));
    const open = parts.find((part) => part.name === panel.chosen()?.layer);
    if (open) attach(open);
  }

  function place({ mosaic: m, frame, current }) {
    const x = (current % m.columns) * m.stepX, y = Math.floor(current / m.columns) * m.stepY;
    Object.assign(frame.style, { left: `${100 * x / m.wide}%`, top: `${100 * y / m.high}%`,
      width: `${100 * m.sizeX / m.wide}%`, height: `${100 * m.sizeY / m.high}%` });
  }
  function attach(part) {
    for (const other of parts) other.frame.classList.toggle("lk-on", other === part);
    if (panel.element.parentNode !== part.figure) part.figure.append(panel.element);
  }
  async function open(part, y, x) {
    place(part);
    attach(part);
    await panel.show(part.name, part.current, y, x);
  }
  function pick(part, event) {
    const { mosaic: m, canvas } = part, box = canvas.getBoundingClientRect();
    const x = Math.floor((event.clientX - box.left) * m.wide / box.width);
    const y = Math.floor((event.clientY - box.top) * m.high / box.height);
    const map = Math.floor(y / m.stepY) * m.columns + Math.floor(x / m.stepX);
    if (map >= m.count) return;
    part.current = map;
    open(part, Math.min(y % m.stepY, m.sizeY - 1), Math.min(x % m.stepX, m.sizeX - 1));
  }
  async function move(part, event) {
    const { columns, count } = part.mosaic;
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    if (!by && event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation(); // Jupyter would take the keys for its own
    if (by) {
      if (part.current + by >= 0 && part.current + by < count) part.current += by;
      place(part);
      if (panel.chosen()?.layer === part.name) open(part);
    } else {
      await open(part);
      panel.focus();
    }
  }

  return {
    element,
    show(layers) {
      const found = layers.map((layer) => `${layer.name} ${layer.shape}`).join("\n");
      if (names !== found || !element.children.length) build(layers);
      names = found;
      layers.forEach((layer, index) => {
        const { canvas, mosaic: m } = parts[index];
        const levels = new Uint8Array(m.wide * m.high).fill(128);
        for (let map = 0; map < m.count; map++) {
          const x0 = (map % m.columns) * m.stepX, y0 = Math.floor(map / m.columns) * m.stepY;
          for (let y = 0; y < m.sizeY; y++) {
            const start = (map * m.sizeY + y) * m.sizeX;
            levels.set(layer.levels.subarray(start, start + m.sizeX), (y0 + y) * m.wide + x0);
          }
        }
        paint(canvas, levels, m.wide, m.high, m.zoomX, m.zoomY);
      });
      clearTimeout(timer);
      timer = setTimeout(panel.refresh, 150); // once the stroke rests
    },
    clear() {
      clearTimeout(timer);
      element.replaceChildren();
    },
  };
}

export function paint(canvas, levels, width, height, zoomX, zoomY) {
  canvas.width = width;
  canvas.height = height;
  if (zoomX) canvas.style.width = `${width * zoomX}px`;
  if (zoomX) canvas.style.aspectRatio = `${width * zoomX} / ${height * zoomY}`;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    pixels.data.set([levels[i], levels[i], levels[i], 255], 4 * i);
  }
  context.putImageData(pixels, 0, 0);
}
