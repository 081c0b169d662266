// CLIP-Score, effects and shares, as `locolib.scores` and LocoGen's tables define them.

/** 100 max(cos, 0) of two unit embeddings. */
export function clipScore(image, text) {
  let sum = 0;
  for (let i = 0; i < image.length; i++) sum += image[i] * text[i];
  return 100 * Math.max(sum, 0);
}

/** The effect of an alteration in points:
 * what the score of the original's text loses, or that of a fact's target gains. */
export function effect(clean, altered, attribute) {
  return attribute === "fact" ? altered - clean : clean - altered;
}

/** The share of a window in the effect of altering all layers; null where altering all of them changes nothing. */
export function share(effectOfWindow, effectOfAll) {
  return effectOfAll === 0 ? null : effectOfWindow / effectOfAll;
}

/** A number in words, with two digits and never "-0.00". */
export function said(number, digits = 2) {
  const text = number.toFixed(digits);
  return /^-0\.?0*$/.test(text) ? text.slice(1) : text;
}

/** Windows of m adjacent layers. */
export function windows(layers, m) {
  return Array.from({ length: layers - m + 1 }, (_, i) => Array.from({ length: m }, (_, j) => i + j));
}

/** Layers in words: "8-9", "3, 8-9", "none". */
export function label(layers) {
  const runs = [];
  for (const layer of [...layers].sort((a, b) => a - b)) {
    const last = runs[runs.length - 1];
    if (last && last[1] === layer - 1) last[1] = layer;
    else runs.push([layer, layer]);
  }
  return runs.map(([a, b]) => (a === b ? `${a}` : `${a}-${b}`)).join(", ") || "none";
}

/** The layers that a label names, those below `count`; null where it is none. */
export function labelled(text, count) {
  if (text === "none" || text === "") return [];
  const found = new Set();
  for (const part of text.split(",")) {
    const ends = part.trim().match(/^(\d+)(?:-(\d+))?$/);
    if (!ends) return null;
    for (let i = Number(ends[1]); i <= Number(ends[2] ?? ends[1]); i++) {
      if (i >= count) return null;
      found.add(i);
    }
  }
  return [...found].sort((a, b) => a - b);
}
