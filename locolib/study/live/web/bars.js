// Shares that were computed beforehand, as bars below the switches: by backward passes, and by LocoGen's sweep.

import { el } from "./dom.js";
import { label, said, windows } from "./scores.js";

const NAMED = 3; // of the largest ones

/** The largest shares in words; `names` says what each bar is about. */
function largest(shares, names) {
  const order = shares.map((_, i) => i).sort((a, b) => shares[b] - shares[a]);
  return order
    .slice(0, NAMED)
    .map((i) => `${names[i]} (${said(shares[i])})`)
    .join(", ");
}

/** A strip of bars below `layers` switches, each in the middle of its `m` layers. */
function strip(shares, layers, m, kind, names, words) {
  const top = Math.max(1e-6, ...shares.map(Math.abs));
  const drawn = shares.map((value, i) =>
    el("span", {
      class: value < 0 ? "bar below" : "bar",
      style: `height:${(100 * Math.abs(value)) / top}%`,
      title: `${names[i]}: ${said(value)}`,
    }),
  );
  const below = shares.some((value) => value < 0) ? " Outlined bars are below 0." : "";
  const told = `The largest: ${largest(shares, names)}.${below}`;
  return el(
    "div",
    { class: `bars ${kind}` },
    el("p", { class: "small" }, el("span", { class: "swatch", "aria-hidden": "true" }), words, ` ${told}`),
    el(
      "div",
      {
        class: "drawn-bars",
        role: "img",
        "aria-label": `${words} ${told}`,
        style: `--layers:${shares.length};--beside:${(50 * (m - 1)) / layers}%`,
      },
      ...drawn,
    ),
  );
}

/** All numbers, for those who would rather read them. */
function numbers(first, swept) {
  const head = ["Layer", "By backward passes", `By LocoGen, ${swept.m} layers from there`];
  const rows = first.map((value, i) => {
    const window = swept.shares[i];
    return el(
      "tr",
      {},
      el("th", { scope: "row" }, String(i)),
      el("td", {}, said(value)),
      el("td", {}, window === undefined ? "–" : said(window)),
    );
  });
  const line = el("tr", {}, ...head.map((name) => el("th", { scope: "col" }, name)));
  return el(
    "details",
    {},
    el("summary", {}, "The numbers"),
    el("table", {}, el("thead", {}, line), el("tbody", {}, ...rows)),
  );
}

/** Both strips for a prompt: `first` are shares of layers, `swept` is {m, shares} of windows. */
export function bars(first, swept) {
  const count = first.length,
    each = first.map((_, i) => `layer ${i}`),
    sets = windows(count, swept.m).map((layers) => `layers ${label(layers)}`);
  const passes = "Solid: each layer's first-order share, by backward passes and without a picture.";
  const drawn = `Striped: the share of each window of ${swept.m} layers, by LocoGen's sweep, drawn beforehand.`;
  return el(
    "div",
    {},
    strip(first, count, 1, "passes", each, passes),
    swept.shares.length
      ? strip(swept.shares, count, swept.m, "swept", sets, drawn)
      : el("p", { class: "small" }, "LocoGen's shares are not defined: altering all layers hardly moves this score."),
    numbers(first, swept),
  );
}
