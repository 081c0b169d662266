// The text memory of `locolib.drawing.memory`: every layer's keys and values by prompt, what an edit adds to them, and
// what each row of a batch reads in each layer.

/** K or V [heads, tokens, d] with scale * states @ delta' added; `delta` is [heads * d, width], `states` [tokens, width]. */
export function edited(part, states, delta, scale, { heads, tokens, width }) {
  const made = Float32Array.from(part),
    d = part.length / heads / tokens,
    out = heads * d;
  for (let o = 0; o < out; o++) {
    const place = Math.floor(o / d) * tokens * d + (o % d),
      row = o * width;
    for (let t = 0; t < tokens; t++) {
      let sum = 0;
      for (let w = 0; w < width; w++) sum += states[t * width + w] * delta[row + w];
      made[place + t * d] += scale * sum;
    }
  }
  return made;
}

/** K or V [heads, tokens, d] in which some outputs, counted over all heads, are 0 at every token. */
export function dropped(part, neurons, { heads, tokens }) {
  const made = Float32Array.from(part),
    d = part.length / heads / tokens;
  for (const neuron of neurons) {
    const place = Math.floor(neuron / d) * tokens * d + (neuron % d);
    for (let t = 0; t < tokens; t++) made[place + t * d] = 0;
  }
  return made;
}

/** The prompt that a layer receives in the conditional branch. */
export function promptAt(row, layer) {
  return row.layers?.includes(layer) ? row.target : row.prompt;
}

/** The prompts that a row needs text of. */
export function promptsOf(row) {
  return [row.prompt, row.negative ?? "", ...(row.layers?.length ? [row.target] : [])];
}

/**
 * One layer's input for a batch [rows or 2 * rows, heads, tokens, d]: unconditional rows first, where there is guidance.
 * `told(prompt, row)` gives a prompt's part at this layer with the row's edit; neurons are dropped in the conditional rows.
 */
export function gathered(rows, layer, kind, isGuided, told, shape) {
  const parts = isGuided ? rows.map((row) => told(row.negative ?? "", row)) : [];
  for (const row of rows) {
    const part = told(promptAt(row, layer), row),
      drop = row.dropped?.find((one) => one.layer === layer && one.kind === kind);
    parts.push(drop ? dropped(part, drop.neurons, shape) : part);
  }
  const made = new Float32Array(parts.length * parts[0].length);
  parts.forEach((part, i) => made.set(part, i * part.length));
  return made;
}
