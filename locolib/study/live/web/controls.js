// Controls of the live page: presets of the switches, and what changes the model itself.

import { el, field, menu } from "./dom.js";
import { label, windows } from "./scores.js";

/** All, none, random layers, and a window of m that slides; `live` is the page. */
export function presets(live) {
  const count = live.all.length,
    button = (text, layers) => el("button", { type: "button", click: () => live.change({ layers: layers() }) }, text);
  const m = menu(
    Array.from({ length: 6 }, (_, i) => [i + 1, i ? `${i + 1} layers` : "1 layer"]),
    2,
    () => slide(),
  );
  const start = el("input", {
    type: "range",
    min: 0,
    max: count - 2,
    value: 0,
    step: 1,
    autocomplete: "off",
    input: () => slide(),
  });
  const slide = () => {
    const sets = windows(count, Number(m.value));
    start.max = sets.length - 1;
    const layers = sets[Math.min(Number(start.value), sets.length - 1)];
    start.setAttribute("aria-valuetext", `layers ${label(layers)}`);
    live.change({ layers });
  };
  const random = () => {
    const left = [...live.all],
      layers = [];
    while (layers.length < Number(m.value)) layers.push(...left.splice(Math.floor(Math.random() * left.length), 1));
    return layers.sort((a, b) => a - b);
  };
  return el(
    "div",
    { class: "presets" },
    el(
      "div",
      { class: "actions" },
      button("All", () => live.all),
      button("None", () => []),
      button("Random", random),
    ),
    field("A window of", m),
    field("that begins at layer …", start),
  );
}

const WHO = { planted: "where we planted it", paper: "the paper's", LocoGen: "where LocoGen finds it in this model" };

/** An edit in words. */
const placed = ({ value, layers, by }) => `${value}, in layers ${label(layers)} (${WHO[by]})`;

/** Edits with their strength, and dropped neurons. */
export function edits(live) {
  const known = live.told.edits,
    choices = Object.entries(known).map(([name, told]) => [name, placed(told)]);
  const scale = el("input", {
    type: "range",
    min: -1,
    max: 1,
    step: 0.1,
    value: live.state.scale,
    autocomplete: "off",
    input: () => live.change({ scale: Number(scale.value) }),
  });
  const slider = field("Strength, from -1 (more of it) to 1 (forgotten)", scale);
  slider.hidden = !live.state.edit;
  return [
    el("h2", {}, "Change the model itself"),
    el(
      "p",
      {},
      "LocoEdit changes the keys and values of a few layers, for every prompt, so that the model forgets something. The edited picture appears beside the others.",
    ),
    el(
      "div",
      { class: "fields" },
      field(
        "Forget",
        menu([["", "nothing"], ...choices], live.state.edit, (edit) => {
          slider.hidden = !edit;
          live.change({ edit });
        }),
      ),
      slider,
    ),
    neurons(live),
  ];
}

/** Neurons that tell an artist, dropped in the style's layers: how many of each matrix. */
function neurons(live) {
  const known = live.told.neurons,
    artists = Object.keys(known).map((name) => [name, name]);
  const most = Math.max(
    0,
    ...Object.values(known)
      .flat()
      .map(([, , order]) => order.length),
  );
  const count = el("input", {
    type: "range",
    min: 0,
    max: most,
    value: live.state.dropped,
    step: 1,
    autocomplete: "off",
    input: () => live.change({ dropped: Number(count.value) }),
  });
  const slider = field(`How many of the ${most} of each matrix, those that tell it most first`, count);
  slider.hidden = !live.state.neurons;
  return el(
    "div",
    { class: "fields" },
    field(
      "Drop the neurons that tell",
      menu([["", "nobody"], ...artists], live.state.neurons, (name) => {
        slider.hidden = !name;
        live.change({ neurons: name });
      }),
    ),
    slider,
  );
}
