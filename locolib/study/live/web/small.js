// One small instance: one prompt, a slider over the windows, drawn when touched.

import { Drawer, rowOf, Wish } from "./drawer.js";
import { el, field, Picture } from "./dom.js";
import { label, said, windows } from "./scores.js";
import { initial } from "./state.js";

export class Small {
  /** `data` is the place's dataset: prompt, target, and where the whole page is. */
  constructor(manifest, { prompt, target, page }) {
    this.state = { ...initial(manifest), prompt, target };
    this.told = manifest.models[this.state.model];
    this.all = this.told.layers.map((_, i) => i);
    this.sets = windows(this.all.length, this.told.known[this.state.attribute]?.[1] ?? 2);
    this.drawer = new Drawer();
    this.clean = new Picture(this.told.side, "as it is");
    this.altered = new Picture(this.told.side, "altered");
    this.progress = el("progress", { max: 1, value: 0, "aria-label": "Loading the model" });
    this.said = el("p", { class: "said", role: "status" });
    this.slider = el("input", {
      type: "range",
      min: 0,
      max: this.sets.length - 1,
      value: 0,
      step: 1,
      autocomplete: "off",
      input: () => this.#soon(),
    });
    this.box = el(
      "div",
      { class: "live small-live" },
      el("div", { class: "pictures" }, this.clean.box, this.altered.box),
      field(`Which ${this.sets[0].length} layers read “${target}”?`, this.slider),
      this.progress,
      this.said,
      el("p", {}, el("a", { href: page }, "Ask it with your own prompt")),
    );
  }

  get layers() {
    return this.sets[Number(this.slider.value)];
  }

  begin() {
    this.slider.focus();
    return this.#draw();
  }

  #soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#draw(), 120);
  }

  async #draw() {
    this.wish?.stop();
    const wish = (this.wish = new Wish()),
      { layers, state, drawer } = this,
      name = label(layers);
    const rows = [rowOf(state), rowOf(state, layers)],
      places = [this.clean, this.altered];
    const show = () =>
      rows.forEach((row, i) => {
        const known = drawer.known(state, row),
          what = i ? `layers ${name} altered` : "as it is";
        if (!known || wish.stopped) return;
        this.progress.hidden = true;
        places[i].show(known.picture, `${what}, for “${state.prompt}”`);
        places[i].say(what);
      });
    this.slider.setAttribute("aria-valuetext", `layers ${name}`);
    show();
    const told = {
      loading: (loaded, total) => {
        this.progress.value = loaded / total;
      },
      drawn: show,
    };
    await drawer.draw(wish, state, [...rows, rowOf(state, this.all)], told, false, 1);
    const value = wish.stopped ? undefined : drawer.share(state, layers, this.all);
    if (typeof value === "number")
      this.said.textContent = `Layers ${name}: ${said(value)} of what altering all layers does.`;
  }
}
