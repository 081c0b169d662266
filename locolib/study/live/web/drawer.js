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

/** Somebody's wish for pictures: it can be given up, and then nothing more is drawn for it. */
export class Wish {
  stop() {
    this.stopped = true;
    this.job?.stop();
  }
}

export class Drawer {
  constructor() {
    this.kept = new Map();
  }

  key(state, row) {
    const { model, guidance, steps } = state;
    return JSON.stringify([model, guidance, steps, scored(state), row]);
  }

  /** {picture, score} of a row, where it was drawn before. */
  known(state, row) {
    return this.kept.get(this.key(state, row));
  }

  /** Keep what was drawn; what was not asked for the longest is let go. */
  #keep(key, value) {
    this.kept.delete(key);
    this.kept.set(key, value);
    if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value);
  }

  /**
   * Draw for a `Wish` the rows that are not known, `together` at once, so that other wishes find their turn between them;
   * `told` is {loading(loaded, total), step(row, picture), drawn(row)}.  Gives whether all are known then.
   */
  async draw(wish, state, rows, told = {}, preview = true, together = 4) {
    const missing = new Map();
    for (const row of rows) {
      const key = this.key(state, row),
        known = this.kept.get(key);
      if (known) this.#keep(key, known);
      else missing.set(key, row);
    }
    const todo = [...missing.values()];
    while (todo.length && !wish.stopped) await this.#some(wish, state, todo.splice(0, together), told, preview);
    return !wish.stopped;
  }

  async #some(wish, state, rows, told, preview) {
    const { model, guidance, steps } = state;
    const asked = { kind: "draw", model, rows, settings: { guidance, steps }, texts: [scored(state)], preview };
    wish.job = ask(asked, (data) => {
      if (data.kind === "loading") told.loading?.(data.loaded, data.total);
      if (data.kind === "step") data.pictures.forEach((picture, i) => told.step?.(rows[i], picture));
      if (data.kind !== "picture") return;
      const row = rows[data.number];
      this.#keep(this.key(state, row), { picture: data.picture, score: data.scores[0] });
      told.drawn?.(row);
    });
    await wish.job.finished;
  }

  /** The share of some layers; undefined where a picture is missing, null where altering all layers changes nothing. */
  share(state, layers, all) {
    const [clean, altered, whole] = [[], layers, all].map((set) => this.known(state, rowOf(state, set))?.score);
    if ([clean, altered, whole].includes(undefined)) return undefined;
    return share(effect(clean, altered, state.attribute), effect(clean, whole, state.attribute));
  }
}
