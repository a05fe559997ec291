// The panel under a layer's feature maps: one pixel of one map, and the windows, the kernels and the sum that make it.

import { greyLevels, paint } from "./pad.js";
import { activate, explain } from "./unit.js";

const NAMES = {
  relu: "ReLU", leaky_relu: "Leaky ReLU", sigmoid: "sigmoid", tanh: "tanh", softmax: "softmax", log_softmax: "log-softmax",
};
const MOST_TERMS = 4, MOST_VALUES = 8; // shown of input maps, of input values

const number = (value, decimals = 3) => value.toFixed(decimals).replace("-", "−").replace(/^−(0\.0*)$/, "$1");
const signed = (value) => (value < 0 ? `(${number(value)})` : number(value)); // behind an operator
const operation = (step) => (step.op === "max_pool" ? `max pooling ${step.size.join("×")}` : NAMES[step.op]);
const count = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

// `ask(layer, map)` gives a promise of the unit for unit.js, or of null. Returns { element, show, refresh, close }.
export function makePanel({ make, ask, onClose }) {
  let chosen = null, unit = null, asked = 0;
  const heading = make("strong", {});
  const closeButton = make("button", { type: "button" }, "Close");
  const map = make("canvas", { tabindex: 0, role: "application" });
  const marker = make("span", { class: "lk-frame", "aria-hidden": "true" });
  const plane = make("div", { class: "lk-plane lk-own" }, map, marker);
  const said = make("p", { class: "lk-sum", "aria-live": "polite" });
  const rows = make("div", {});
  const element = make("section", { class: "lk-unit", "aria-label": "How one pixel is made" },
    make("div", { class: "lk-head" }, heading, closeButton),
    make("div", { class: "lk-made" }, plane, said), rows);

  function showPlane(canvas, frame, values, height, width, box, most) {
    const zoom = Math.max(4, Math.min(24, Math.floor(most / Math.max(height, width))));
    paint(canvas, greyLevels(values), width, height, zoom, zoom);
    const percent = (part, whole) => `${100 * part / whole}%`;
    Object.assign(frame.style, { left: percent(box.left, width), top: percent(box.top, height),
      width: percent(box.columns, width), height: percent(box.rows, height) });
  }

  function grid(caption, values, columns, scale, marked) {
    const table = make("table", { class: "lk-grid" }, make("caption", {}, caption));
    for (let start = 0; start < values.length; start += columns) {
      table.append(make("tr", {}, ...values.slice(start, start + columns).map((value, i) => {
        const cell = make("td", {}, value === null ? "0" : number(value, scale < 0.3 ? 3 : 2));
        if (value === null) cell.className = "lk-outside";
        else {
          const share = (0.4 * Math.min(1, Math.abs(value) / (scale || 1))).toFixed(2);
          cell.style.background = `rgba(${value < 0 ? "213, 94, 0" : "0, 114, 178"}, ${share})`;
          if (start + i === marked) cell.className = "lk-marked";
        }
        return cell;
      })));
    }
    return table;
  }

  const largest = (lists) => Math.max(0, ...lists.flat().map((value) => Math.abs(value ?? 0)));

  function inputCanvas(input, term) {
    if (input.height * input.width === 1) return "";
    const values = [];
    for (let y = 0; y < input.height; y++) {
      for (let x = 0; x < input.width; x++) values.push(input.at(term.channel, y, x));
    }
    const canvas = make("canvas", { role: "img", "aria-label": `Map ${term.channel} with the window marked` });
    const frame = make("span", { class: "lk-frame", "aria-hidden": "true" });
    showPlane(canvas, frame, values, input.height, input.width, term, 112);
    return make("div", { class: "lk-plane" }, canvas, frame);
  }

  function termRow(name, input, term, scales, marked) {
    const row = make("div", { class: "lk-term" }, make("p", { class: "lk-hint" }, name), inputCanvas(input, term),
      grid("window", term.values, term.columns, scales.window, marked));
    if (term.kernel) {
      const products = term.values.map((value, i) => (value ?? 0) * term.kernel[i]);
      row.append(make("span", { "aria-hidden": "true" }, "×"), grid("kernel", term.kernel, term.columns, scales.kernel),
        make("span", { "aria-hidden": "true" }, "="), grid("products", products, term.columns, scales.products),
        make("span", { class: "lk-total" }, `sum ${number(term.sum)}`));
    }
    return row;
  }

  function whence(wire, input, steps) {
    const done = steps.filter((step) => operation(step)).map(operation);
    const then = done.length ? ` after ${done.join(" and ")}` : "";
    if (wire.source === "pixels") {
      const { mean, std } = steps[0];
      const formula = mean || std !== 1 ? `(grey / 255 − ${mean}) / ${std}` : "grey / 255";
      return `the drawing, 28×28 pixels, each ${formula}`;
    }
    const what = input.height * input.width > 1 ? `maps of ${input.height}×${input.width}` : "values";
    return `${input.channels} ${what} of ${wire.source}${then}`;
  }

  function explainSum(found, name) {
    const { wire, arrays } = unit, { input } = found;
    const values = input.height * input.width === 1;
    const shown = found.terms.slice(0, values ? MOST_VALUES : MOST_TERMS);
    const rest = found.terms.slice(shown.length);
    const what = values ? "value" : "map", one = input.channels === 1;
    const parts = shown.map((term) => [term.sum, one ? "window × kernel" : `${what} ${term.channel}`]);
    if (rest.length) {
      parts.push([rest.reduce((sum, term) => sum + term.sum, 0), `the other ${count(rest.length, what)}`]);
    }
    if (arrays.bias) parts.push([arrays.bias[0], "bias"]);
    const addends = parts.map(([value, label], i) =>
      `${i ? (value < 0 ? " − " : " + ") : ""}${number(i ? Math.abs(value) : value)} (${label})`).join("");
    const { activation } = wire.step;
    const own = !activation ? "" : activation.op === "softmax"
      ? ` Softmax over all sums of the layer makes ${number(found.value)} of it.`
      : ` Its ${NAMES[activation.op]} makes ${number(found.value)} of it.`;
    said.textContent = `${name} = ${addends} = ${number(found.total)}.${own}${next(found.value)}`;
    const scales = { window: largest(shown.map((term) => term.values)), kernel: largest(shown.map((term) => term.kernel)),
      products: largest(shown.map((term) => term.values.map((value, i) => (value ?? 0) * term.kernel[i]))) };
    const most = rest.length ? `, of which the ${shown.length} that contribute most are shown` : "";
    const colours = values ? "" : " Blue is positive, orange negative.";
    rows.append(make("p", { class: "lk-hint" }, `Input: ${whence(wire, input, wire.before)}${most}.${colours}`));
    if (values) return void rows.append(valueTable(shown, what));
    rows.append(...shown.map((term) => termRow(one ? "" : `map ${term.channel}`, input, term, scales)));
  }

  function valueTable(shown, what) {
    const head = make("thead", {}, make("tr", {}, ...[what, "input", "weight", "product"].map((text) =>
      make("th", { scope: "col" }, text))));
    const body = shown.map((term) => make("tr", {}, make("th", { scope: "row" }, String(term.channel)),
      ...[term.values[0], term.kernel[0], term.sum].map((value) => make("td", {}, number(value)))));
    return make("table", { class: "lk-values" }, head, make("tbody", {}, ...body));
  }

  function explainValue(found, name) {
    const { step, before } = unit.wire, [under] = found.terms;
    const best = found.pooled ? Math.max(...under.values.filter((value) => value !== null)) : under.values[0];
    let text = found.pooled ? `the largest of ${under.values.length} numbers, ${number(best)}` : number(best);
    const acted = before.slice(found.pooled ? before.map((s) => s.op).lastIndexOf("max_pool") + 1 : before.length)
      .filter((s) => NAMES[s.op]);
    if (found.pooled && step.op !== "max_pool" && acted.length) {
      text += `; ${acted.map(operation).join(" and ")} makes ${number(acted.reduce((v, s) => activate(s, v), best))} of it`;
    }
    if (found.kind === "batch_norm") {
      const { mean, variance, eps, weight, bias } = found.scale;
      text += `. Batch normalisation: (${number(found.given)} − mean ${signed(mean)}) / √(variance ${number(variance)} + ` +
        `${eps}) × ${signed(weight)} + ${signed(bias)} = ${number(found.total)}`;
    } else if (step.op !== "max_pool") text += `. ${operation(step)} makes ${number(found.total)} of it`;
    said.textContent = `${name} = ${found.kind === "batch_norm" ? number(found.total) : number(found.value)}: from ${text}.` +
      next(found.value);
    const ahead = step.op === "max_pool" || !found.pooled ? before
      : before.slice(0, before.map((s) => s.op).lastIndexOf("max_pool"));
    rows.append(make("p", { class: "lk-hint" }, `Input: map ${unit.map} of the ${whence(unit.wire, found.input, ahead)}.`),
      termRow("", found.input, under, { window: largest([under.values]) }, found.pooled ? under.values.indexOf(best) : -1));
  }

  function next(value) {
    const step = unit.wire.after;
    if (!step) return "";
    if (step.op === "max_pool") return ` Next: ${operation(step)}.`;
    if (step.op === "softmax") return " Next: softmax over all values of the layer.";
    return ` Next: ${NAMES[step.op]} makes ${number(activate(step, value))} of it.`;
  }

  function draw() {
    if (!unit || !chosen) return;
    const [, height = 1, width = 1] = unit.shape;
    chosen.y = Math.min(chosen.y, height - 1);
    chosen.x = Math.min(chosen.x, width - 1);
    const vector = unit.shape.length === 1;
    const name = vector ? `${unit.layer}, value ${unit.map}` : `${unit.layer}, map ${unit.map}, row ${chosen.y}, column ${chosen.x}`;
    heading.textContent = name;
    plane.hidden = vector;
    if (!vector) {
      showPlane(map, marker, unit.values, height, width, { left: chosen.x, top: chosen.y, rows: 1, columns: 1 }, 224);
    }
    map.setAttribute("aria-label", `Map ${unit.map} of ${unit.layer}, ${height} by ${width} pixels. Arrow keys move the ` +
      "pixel, Escape goes back to the maps.");
    const found = explain(unit, chosen.y, chosen.x);
    rows.replaceChildren();
    if (!found) {
      said.textContent = `${name} = ${number(unit.values[chosen.y * width + chosen.x])}. How this layer computes it is not ` +
        "known here: what stands between it and the layer before cannot be followed.";
    } else if (found.kind === "sum") explainSum(found, name);
    else explainValue(found, name);
  }

  async function fetchUnit() {
    if (!chosen) return;
    const mine = ++asked;
    const answer = await ask(chosen.layer, chosen.map);
    if (mine !== asked || !answer) return; // a later question is under way
    unit = answer;
    draw();
  }

  map.addEventListener("click", (event) => {
    const box = map.getBoundingClientRect();
    chosen.x = Math.floor((event.clientX - box.left) * map.width / box.width);
    chosen.y = Math.floor((event.clientY - box.top) * map.height / box.height);
    draw();
  });
  map.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (way) {
      chosen.x = Math.max(0, Math.min(map.width - 1, chosen.x + way[0]));
      chosen.y = Math.max(0, Math.min(map.height - 1, chosen.y + way[1]));
      draw();
    } else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation(); // Jupyter would take the keys for its own
  });
  closeButton.addEventListener("click", close);

  function close() {
    const { layer } = chosen;
    chosen = unit = null;
    asked += 1;
    element.remove();
    onClose(layer);
  }

  return {
    element,
    chosen: () => chosen,
    // Shows a pixel; without y and x the one shown last, or the middle
    async show(layer, index, y, x) {
      if (layer !== chosen?.layer) unit = null;
      chosen = { layer, map: index, y: y ?? chosen?.y ?? 14, x: x ?? chosen?.x ?? 14 };
      await fetchUnit();
    },
    refresh: fetchUnit, // after another drawing
    focus() { (plane.hidden ? closeButton : map).focus(); },
  };
}
