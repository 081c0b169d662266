// What is asked, in the page's address: a finding can be sent as a link.

import { label, labelled } from "./scores.js";

export const ATTRIBUTES = ["style", "object", "fact", "place"];
const LIMITS = { seed: [0, 4294967295], guidance: [1, 12], steps: [2, 50], dropped: [0, 4096] };

/** The state that a page begins with. */
export function initial(manifest) {
  const [model] = Object.keys(manifest.models),
    { guidance, steps } = manifest.models[model];
  return {
    model,
    guidance,
    steps,
    seed: manifest.seed,
    layers: [],
    edit: "",
    scale: 1,
    neurons: "",
    dropped: 10,
    attribute: "style",
    prompt: manifest.world.ready[0].original,
    target: manifest.world.ready[0].target,
  };
}

/** A state with what an address's fragment says; what it says wrongly is left out. */
export function read(fragment, manifest, state) {
  const told = new URLSearchParams(fragment.replace(/^#/, "")),
    made = { ...state };
  if (told.get("model") in manifest.models) {
    made.model = told.get("model");
    ({ guidance: made.guidance, steps: made.steps } = manifest.models[made.model]);
  }
  const count = manifest.models[made.model].layers.length;
  for (const name of ["prompt", "target"]) if (told.get(name)?.trim()) made[name] = told.get(name).slice(0, 300);
  for (const [name, [low, high]] of Object.entries(LIMITS)) {
    const value = Number(told.get(name) ?? NaN);
    if (value >= low && value <= high && (name === "guidance" || Number.isInteger(value))) made[name] = value;
  }
  if (ATTRIBUTES.includes(told.get("attribute"))) made.attribute = told.get("attribute");
  if (told.has("layers")) made.layers = labelled(told.get("layers"), count) ?? made.layers;
  if (told.get("edit") in manifest.models[made.model].edits) made.edit = told.get("edit");
  if (told.get("neurons") in manifest.models[made.model].neurons) made.neurons = told.get("neurons");
  const scale = Number(told.get("scale") ?? NaN);
  if (scale >= -1 && scale <= 1) made.scale = scale;
  return made;
}

/** The fragment that says a state. */
export function written(state) {
  const { edit, scale, neurons, dropped, ...plain } = state,
    told = new URLSearchParams();
  for (const [name, value] of Object.entries(plain)) told.set(name, name === "layers" ? label(value) : value);
  if (edit) {
    told.set("edit", edit);
    told.set("scale", scale);
  }
  if (neurons) {
    told.set("neurons", neurons);
    told.set("dropped", dropped);
  }
  return `#${told}`;
}

/** The text with which the scorer compares a picture: the original's, a fact's target. */
export function scored(state) {
  return state.attribute === "fact" ? state.target : state.prompt;
}
