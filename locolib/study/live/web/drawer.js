// Pictures that were asked for: drawn once, remembered, with their scores.

import { ask } from "./client.js";
import { effect, share } from "./scores.js";
import { scored } from "./state.js";

const KEPT = 400;

/** The row of a state with some layers altered. */
export function rowOf(state, layers = []) {
  const altered = layers.length ? { layers, target: state.target } : {};
  return { prompt: state.prompt, seed: state.seed, ...altered };
}

export class Drawer {
  constructor() {
    this.kept = new Map();
    this.job = null;
  }

  key(state, row) {
    const { model, guidance, steps } = state;
    return JSON.stringify([model, guidance, steps, scored(state), row]);
  }

  /** {picture, score} of a row, where it was drawn before. */
  known(state, row) {
    return this.kept.get(this.key(state, row));
  }

  /**
   * Draw the rows that are not known, in order; `told` is {loading(loaded, total), step(row, picture), drawn(row)}.
   * Gives whether all are known then: false where it was stopped.
   */
  async draw(state, rows, told = {}, preview = true) {
    const different = new Map(rows.map((row) => [this.key(state, row), row]));
    const missing = [...different.values()].filter((row) => !this.known(state, row));
    if (!missing.length) return true;
    const { model, guidance, steps } = state;
    const asked = { kind: "draw", model, rows: missing, settings: { guidance, steps }, texts: [scored(state)], preview };
    this.job = ask(asked, (data) => {
      if (data.kind === "loading") told.loading?.(data.loaded, data.total);
      if (data.kind === "step") data.pictures.forEach((picture, i) => told.step?.(missing[data.from + i], picture, data.step));
      if (data.kind !== "picture") return;
      if (this.kept.size >= KEPT) this.kept.clear();
      const row = missing[data.number];
      this.kept.set(this.key(state, row), { picture: data.picture, score: data.scores[0] });
      told.drawn?.(row);
    });
    const job = this.job;
    try {
      return await job.finished;
    } finally {
      if (this.job === job) this.job = null;
    }
  }

  stop() {
    this.job?.stop();
  }

  /** The share of some layers; undefined where a picture is missing, null where altering all layers changes nothing. */
  share(state, layers, all) {
    const [clean, altered, whole] = [[], layers, all].map((set) => this.known(state, rowOf(state, set))?.score);
    if ([clean, altered, whole].includes(undefined)) return undefined;
    return share(effect(clean, altered, state.attribute), effect(clean, whole, state.attribute));
  }
}
