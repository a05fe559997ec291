// How one number of a feature map is made of the layer before. Only arithmetic: panel.js shows it.
// A wire is what `Wire.to_dict` in labkit/runs/wiring.py gives; a unit is one map with all that its numbers need:
// { layer, map, shape, values, wire, source: { shape, values }, arrays: { weight, bias, ... } of this map }.

const ACTIVATIONS = {
  relu: (v) => Math.max(v, 0),
  leaky_relu: (v, { slope }) => (v > 0 ? v : slope * v),
  sigmoid: (v) => 1 / (1 + Math.exp(-v)),
  tanh: Math.tanh,
};

// The input of a layer: its source after the steps between. `at(channel, y, x)`; no zeros around.
function inputAfter({ shape, values }, steps) {
  const [channels, height = 1, width = 1] = shape;
  let input = { channels, height, width, at: (c, y, x) => values[(c * height + y) * width + x] };
  for (const step of steps) input = after(input, step);
  return input;
}

function after(input, step) {
  if (step.op === "normalise") return { ...input, at: (c, y, x) => (input.at(c, y, x) / 255 - step.mean) / step.std };
  if (step.op === "flatten") return { ...input, channelsLast: step.channels_last };
  if (step.op !== "max_pool") return { ...input, at: (c, y, x) => ACTIVATIONS[step.op](input.at(c, y, x), step) };
  const side = (length, i) => Math.floor((length + 2 * step.padding[i] - step.size[i]) / step.stride[i]) + 1;
  return {
    ...input,
    height: side(input.height, 0), width: side(input.width, 1),
    at: (c, y, x) => Math.max(...windowOf(input, step, c, y, x).values.filter((value) => value !== null)),
  };
}

// The numbers under a window of `step.size` for the output pixel (y, x), null where the window leaves the map.
function windowOf(input, step, channel, y, x) {
  const [rows, columns] = step.size;
  const top = y * step.stride[0] - step.padding[0], left = x * step.stride[1] - step.padding[1];
  const values = [];
  for (let row = top; row < top + rows; row++) {
    for (let column = left; column < left + columns; column++) {
      const inside = row >= 0 && row < input.height && column >= 0 && column < input.width;
      values.push(inside ? input.at(channel, row, column) : null);
    }
  }
  return { channel, top, left, rows, columns, values };
}

// A term for each input channel: its window, the kernel, and the sum of their products; the largest sums first.
function terms(unit, input, y, x) {
  const { step } = unit.wire, linear = step.op === "linear";
  const whole = { size: [input.height, input.width], stride: [1, 1], padding: [0, 0] };
  const [rows, columns] = linear ? whole.size : step.size;
  const weight = (c, i) => unit.arrays.weight[
    linear && input.channelsLast ? i * input.channels + c : c * rows * columns + i];
  const all = Array.from({ length: input.channels }, (_, c) => {
    const found = linear ? windowOf(input, whole, c, 0, 0) : windowOf(input, step, c, y, x);
    const kernel = found.values.map((_, i) => weight(c, i));
    return { ...found, kernel, sum: found.values.reduce((total, value, i) => total + (value ?? 0) * kernel[i], 0) };
  });
  return all.sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum));
}

// Returns { kind, input, terms, total, value, pooled, scale }: `total` is what the sum, the maximum or the
// normalisation gives, `value` what the layer puts out. Null where the way back is not known, or does not give the
// value that the network itself computed.
export function explain(unit, y, x) {
  if (!unit?.wire) return null;
  const { wire: { step, before }, arrays, source, map } = unit;
  const own = unit.values[y * (unit.shape[2] || 1) + x];
  if (step.op === "conv" || step.op === "linear") {
    const input = inputAfter(source, before);
    const found = terms(unit, input, y, x);
    const total = found.reduce((sum, term) => sum + term.sum, 0) + (arrays.bias?.[0] ?? 0);
    // softmax takes all sums of the layer, which are not here
    const known = step.activation && step.activation.op !== "softmax";
    const value = known ? ACTIVATIONS[step.activation.op](total, step.activation) : step.activation ? own : total;
    return agree(value, own) ? { kind: "sum", input, terms: found, total, value } : null;
  }
  // Element by element: one pixel of the same map, or the window of a pooling
  const last = before.map((s) => s.op).lastIndexOf("max_pool");
  const pool = step.op === "max_pool" ? step : before[last];
  const ahead = step.op === "max_pool" || !pool ? before : before.slice(0, last);
  const input = inputAfter(source, ahead);
  const under = windowOf(input, pool || { size: [1, 1], stride: [1, 1], padding: [0, 0] }, map, y, x);
  const pooled = inputAfter(source, before);
  const result = { kind: "value", input, terms: [under], pooled: Boolean(pool) };
  if (step.op === "max_pool") result.total = after(input, step).at(map, y, x);
  else if (step.op === "batch_norm") {
    result.kind = "batch_norm";
    result.given = pooled.at(map, y, x);
    result.scale = { mean: arrays.running_mean[0], variance: arrays.running_var[0], eps: step.eps,
      weight: arrays.weight?.[0] ?? 1, bias: arrays.bias?.[0] ?? 0 };
    const { mean, variance, eps, weight, bias } = result.scale;
    result.total = (result.given - mean) / Math.sqrt(variance + eps) * weight + bias;
  } else if (step.op === "softmax" || step.op === "log_softmax") {
    const all = Array.from({ length: pooled.channels }, (_, c) => pooled.at(c, y, x)), most = Math.max(...all);
    const sum = all.reduce((total, value) => total + Math.exp(value - most), 0);
    const log = pooled.at(map, y, x) - most - Math.log(sum);
    result.total = step.op === "softmax" ? Math.exp(log) : log;
  } else result.total = ACTIVATIONS[step.op](pooled.at(map, y, x), step);
  result.value = result.total;
  return agree(result.value, own) ? result : null;
}

// The network adds in float32, in an order of its own.
function agree(value, own) {
  return Math.abs(value - own) <= 1e-3 * (1 + Math.abs(own));
}

export const activate = (step, value) => ACTIVATIONS[step.op](value, step);
