// LocoGen for the reader's own prompt: a bet, then all windows and all layers, the curve drawn as it grows.

import { Curve } from "./curve.js";
import { el, field, menu, Picture } from "./dom.js";
import { rowOf, Wish } from "./drawer.js";
import { label, said, windows } from "./scores.js";

export class Sweeping {
  /** `live` gives the state, the drawer and the model's entry; `choose(layers)` sets the switches. */
  constructor(live, choose) {
    Object.assign(this, { live, choose });
    this.begin = el(
      "button",
      { type: "button", class: "primary", click: () => this.run() },
      "Run LocoGen for this prompt",
    );
    this.halt = el("button", { type: "button", hidden: true, click: () => this.wish.stop() }, "Stop");
    this.said = el("p", { class: "said", role: "status" });
    this.figure = el("div");
    this.strip = el("div", { class: "strip" });
    this.controls = el("div", { class: "fields" });
    this.box = el(
      "section",
      { class: "sweeping", "aria-label": "LocoGen's sweep" },
      el("h2", {}, "Where do you think it is?"),
      el(
        "p",
        {},
        "Bet on layers before you look. Then LocoGen alters every window of adjacent layers and says which one does most of what altering all layers does.",
      ),
      this.controls,
      el("div", { class: "actions" }, this.begin, this.halt),
      this.said,
      this.figure,
      this.strip,
    );
    this.reset();
  }

  /** Menus for the model at hand; what was found of another question is taken away. */
  reset() {
    const { told, state } = this.live,
      count = told.layers.length;
    const layers = told.layers.map((_, i) => [i, `layer ${i}`]);
    const m = told.known[state.attribute]?.[1] ?? 2;
    this.from = menu([["", "no bet"], ...layers], "", (value) => {
      if (value !== "" && (this.to.value === "" || Number(this.to.value) < Number(value))) this.to.value = value;
    });
    this.to = menu([["", "no bet"], ...layers], "", (value) => {
      if (value !== "" && (this.from.value === "" || Number(this.from.value) > Number(value)))
        this.from.value = value;
    });
    this.m = menu(
      Array.from({ length: Math.ceil(count / 4) }, (_, i) => [i + 1, i ? `${i + 1} layers` : "1 layer"]),
      m,
      () => {},
    );
    this.controls.replaceChildren(field("I bet: from", this.from), field("to", this.to), field("Windows of", this.m));
    this.clear();
  }

  clear() {
    this.said.textContent = "";
    this.figure.replaceChildren();
    this.strip.replaceChildren();
  }

  /** The layers of the bet; none where there is no bet. */
  get bet() {
    if (this.from.value === "" || this.to.value === "") return [];
    const from = Number(this.from.value);
    return Array.from({ length: Math.max(Number(this.to.value) - from + 1, 0) }, (_, i) => from + i);
  }

  async run() {
    const { state, told, drawer } = this.live,
      m = Number(this.m.value),
      bet = this.bet;
    const all = told.layers.map((_, i) => i),
      sets = windows(all.length, m);
    const rows = [[], all, ...sets, ...(bet.length ? [bet] : [])].map((set) => rowOf(state, set));
    const curve = new Curve(sets.length, m, bet);
    this.clear();
    this.figure.append(
      curve.box,
      el(
        "p",
        { class: "small" },
        `Share in the effect of all layers, by the window's first layer. From ${0.8} on a window controls ${state.attribute}.`,
      ),
    );
    const shown = this.#thumbnails([[], all, ...sets]);
    this.#busy(true);
    const start = performance.now(),
      text = rows.map((row) => JSON.stringify(row));
    const show = () => {
      sets.forEach((set, i) => {
        const share = drawer.share(state, set, all);
        if (share !== undefined && curve.shares[i] === undefined) curve.put(i, share);
      });
      rows.forEach((row, i) => shown[i]?.fill(drawer.known(state, row), drawer.share(state, row.layers ?? [], all)));
      this.said.textContent = `${text.filter((_, i) => drawer.known(state, rows[i])).length} of ${rows.length} pictures`;
    };
    show();
    try {
      this.wish = new Wish();
      const whole = await drawer.draw(this.wish, state, rows, { loading: this.live.loading, drawn: show }, false);
      show();
      this.said.textContent = whole ? this.#answer(sets, all, bet, (performance.now() - start) / 1000) : "Stopped.";
    } catch (error) {
      this.said.textContent = error.message;
    }
    this.#busy(false);
  }

  #busy(is) {
    this.begin.disabled = is;
    this.halt.hidden = !is;
    if (!is) this.live.loaded();
  }

  #thumbnails(sets) {
    return sets.map((set, i) => {
      const name = i === 0 ? "clean" : i === 1 ? "all" : label(set),
        made = new Picture(this.live.told.side, name, "thumbnail");
      const button = el(
        "button",
        { type: "button", class: "thumb", hidden: true, click: () => this.choose(set) },
        made.canvas,
        made.words,
        el("span", { class: "unseen" }, ", put on the switches"),
      );
      made.canvas.setAttribute("aria-hidden", "true");
      this.strip.append(button);
      return {
        fill: (known, share) => {
          if (!known) return;
          if (button.hidden) made.show(known.picture);
          button.hidden = false;
          if (i > 1 && typeof share === "number") made.say(`${name}: ${said(share)}`);
        },
      };
    });
  }

  /** What was found, in words; what is known of the model is said only now. */
  #answer(sets, all, bet, seconds) {
    const { state, told, drawer } = this.live,
      of = (set) => drawer.share(state, set, all);
    const shares = sets.map(of);
    if (shares.includes(null)) return "Altering all layers changes no score here: there is nothing to find.";
    const best = shares.indexOf(Math.max(...shares)),
      found = label(sets[best]);
    const parts = [
      `The best window is layers ${found}: ${said(shares[best])} of what all layers do${shares[best] >= 0.8 ? "" : "; that is not enough to control it (0.8)"}.`,
    ];
    if (bet.length) {
      const overlap = bet.filter((layer) => sets[best].includes(layer)).length;
      const verdict = label(bet) === found ? "the same" : overlap ? "partly the same" : "elsewhere";
      parts.push(`Your bet, layers ${label(bet)}: ${said(of(bet))}; ${verdict}.`);
    }
    const known = told.known[state.attribute];
    if (known) {
      const layers = label(Array.from({ length: known[1] }, (_, i) => known[0] + i));
      parts.push(
        told.planted
          ? `We planted ${state.attribute} in layers ${layers}.`
          : `The paper names layers ${layers} for the model that this one is a miniature of.`,
      );
    }
    parts.push(`One prompt and one seed, ${seconds.toFixed(1)} s.`);
    return parts.join(" ");
  }
}
