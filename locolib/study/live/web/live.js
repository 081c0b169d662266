// The live page: what is asked, the switches, the pictures, the share, an edit,
// and LocoGen for the reader's own prompt.

import { Asking } from "./asking.js";
import { bars } from "./bars.js";
import { edits, presets } from "./controls.js";
import { Drawer, rowOf, Wish } from "./drawer.js";
import { el, Picture } from "./dom.js";
import { label, said } from "./scores.js";
import { initial, read, scored, written } from "./state.js";
import { Sweeping } from "./sweeping.js";
import { Switches } from "./switches.js";

const SOON = 60; // ms after the last touch

export class Live {
  constructor(manifest) {
    this.manifest = manifest;
    this.drawer = new Drawer();
    this.state = read(location.hash, manifest, initial(manifest));
    this.armed = false; // drawing begins when it is asked for; from then on every change draws
    this.progress = el("progress", { max: 1, value: 0, "aria-label": "Loading the model" });
    this.bar = el("div", { class: "loading", hidden: true }, this.progress, el("span", { class: "small" }));
    this.status = el("p", { class: "said", role: "status" });
    this.asking = new Asking(manifest, this.state, (part) => this.change(part));
    this.first = el("button", { type: "button", class: "primary", click: () => this.draw() }, "Draw");
    this.link = el("button", { type: "button", click: () => this.#copy() }, "Copy a link to this");
    this.places = el("div", { class: "places" });
    this.pictures = el("div", { class: "pictures" });
    this.sweeping = new Sweeping(this, (layers) => this.change({ layers }));
    this.editing = el("section", { class: "editing", "aria-label": "An edit" });
    const { runtime, models } = manifest;
    const bytes =
      runtime.bytes + Object.values(models[this.state.model].parts).reduce((sum, part) => sum + part.bytes, 0);
    this.box = el(
      "div",
      { class: "live" },
      this.asking.box,
      el(
        "div",
        { class: "actions" },
        this.first,
        this.link,
        el(
          "span",
          { class: "small" },
          `The first time about ${Math.round(bytes / 1e6)} MB are loaded; the browser keeps them.`,
        ),
      ),
      this.bar,
      this.places,
      this.pictures,
      this.status,
      this.sweeping.box,
      this.editing,
    );
    this.#model();
    addEventListener("hashchange", () => {
      if (location.hash !== written(this.state)) this.change(read(location.hash, manifest, this.state));
    });
  }

  get told() {
    return this.manifest.models[this.state.model];
  }

  get all() {
    return this.told.layers.map((_, i) => i);
  }

  /** What depends on the model: switches, pictures, edits, windows. */
  #model() {
    const { told, state } = this,
      name = (what) => `${what} for “${state.prompt}”`;
    this.switches = new Switches(told, (layers) => this.change({ layers }));
    this.switches.set(state.layers);
    this.shown = Object.fromEntries(
      ["clean", "altered", "all", "edited"].map((role) => [role, new Picture(told.side, name(role), role)]),
    );
    this.pictures.replaceChildren(...Object.values(this.shown).map(({ box }) => box));
    this.places.replaceChildren(
      el("h2", {}, "Which layers read the target prompt?"),
      this.switches.box,
      this.#bars(),
      presets(this),
    );
    this.editing.replaceChildren(...edits(this));
    this.sweeping.reset();
    this.#words();
  }

  /** Shares that were computed beforehand, for the study's prompts; for others the offer to compute them. */
  #bars() {
    const { prompt, target } = this.state,
      { firstOrder, swept } = this.told;
    const fits = this.manifest.world.ready.some((one) => one.original === prompt && one.target === target);
    this.before ??= el("details", { class: "before" });
    this.before.replaceChildren(
      el("summary", {}, "What was computed beforehand (look after you have bet)"),
      fits
        ? bars(firstOrder[prompt], swept[prompt])
        : el(
            "p",
            { class: "small" },
            "There are shares for the prompts of the study's menu alone. For yours, LocoGen draws all windows here: ",
            el("button", { type: "button", click: () => this.sweeping.begin.focus() }, "Go to its sweep"),
          ),
    );
    return this.before;
  }

  /** Ask for something else; what is shown follows. */
  change(part) {
    const before = this.state;
    this.state = { ...before, ...part };
    history.replaceState(null, "", written(this.state));
    this.asking.set(this.state);
    if (this.state.model !== before.model) this.#model();
    else {
      this.switches.set(this.state.layers);
      this.#bars();
      if (
        ["prompt", "target", "attribute", "seed", "guidance", "steps"].some(
          (name) => before[name] !== this.state[name],
        )
      )
        this.sweeping.clear();
      this.#words();
    }
    if (!this.armed) return;
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.draw(), SOON);
  }

  /** The rows of what is asked, by role, in the order in which they are drawn. */
  #rows() {
    const { state } = this,
      made = { clean: rowOf(state) };
    if (state.layers.length) made.altered = rowOf(state, state.layers);
    if (state.edit || state.neurons) {
      const edit = state.edit ? { edit: { name: state.edit, scale: state.scale } } : {};
      const drop = (this.told.neurons[state.neurons] ?? []).map(([layer, kind, order]) => ({
        layer,
        kind,
        neurons: order.slice(0, state.dropped),
      }));
      made.edited = { ...rowOf(state), ...edit, ...(state.neurons ? { dropped: drop } : {}) };
    }
    made.all = rowOf(state, this.all);
    return made;
  }

  async draw() {
    this.armed = true;
    this.wish?.stop();
    const wish = (this.wish = new Wish()),
      { state } = this,
      rows = this.#rows();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const roles = Object.keys(rows),
      mine = () => !wish.stopped;
    const told = {
      loading: this.loading,
      step: (row, picture) =>
        mine() && roles.filter((role) => rows[role] === row).forEach((role) => this.shown[role].show(picture)),
      drawn: () => mine() && this.#show(rows),
    };
    this.#show(rows);
    this.box.setAttribute("aria-busy", "true");
    try {
      for (const some of [[rows.clean], Object.values(rows)]) await this.drawer.draw(wish, state, some, told, !still);
      if (mine()) this.#show(rows, true);
    } catch (error) {
      if (mine()) this.status.textContent = error.message;
    }
    if (!mine()) return;
    this.loaded();
    this.box.setAttribute("aria-busy", "false");
  }

  /** Show what is known of the rows. */
  #show(rows, finished = false) {
    const { state, drawer } = this;
    for (const [role, picture] of Object.entries(this.shown)) {
      const known = rows[role] && drawer.known(state, rows[role]);
      picture.box.hidden = !rows[role];
      if (known)
        picture.show(
          known.picture,
          `${this.#called(role)} for the prompt “${state.prompt}”; score ${known.score.toFixed(1)}`,
        );
      picture.say(`${this.#called(role)}${known ? `: score ${known.score.toFixed(1)}` : ""}`);
    }
    if (!finished) return;
    const value = drawer.share(state, state.layers, this.all),
      where = `Layers ${label(state.layers)}`;
    const kind = state.attribute === "fact" ? "with the target" : "with the prompt";
    this.status.textContent = !state.layers.length
      ? `Scores say how well a picture goes ${kind}. Switch layers on: they will read the target prompt.`
      : value === undefined
        ? ""
        : value === null
          ? "Altering all layers changes no score here."
          : `${where}: ${said(value)} of what altering all layers does to the score ${kind}.`;
    this.box.dataset.share = value ?? "";
  }

  #called(role) {
    const { state } = this;
    return {
      clean: "as it is",
      altered: `layers ${label(state.layers)} altered`,
      all: "all layers altered",
      edited: this.#changed(),
    }[role];
  }

  #changed() {
    const { edit, scale, neurons, dropped } = this.state,
      { value, layers } = this.told.edits[edit] ?? {};
    return [edit && `${value} forgotten in layers ${label(layers)}, strength ${scale}`, neurons && `${dropped} neurons of ${neurons} dropped`]
      .filter(Boolean)
      .join("; ");
  }

  /** Words below pictures that are not drawn yet. */
  #words() {
    const rows = this.#rows();
    this.#show(rows);
    this.box.dataset.scored = scored(this.state);
  }

  loading = (loaded, total) => {
    this.bar.hidden = false;
    this.progress.value = loaded / total;
    this.bar.lastChild.textContent = `${(loaded / 1e6).toFixed(1)} of ${(total / 1e6).toFixed(1)} MB`;
  };

  loaded() {
    this.bar.hidden = true;
  }

  async #copy() {
    history.replaceState(null, "", written(this.state));
    try {
      await navigator.clipboard.writeText(location.href);
      this.status.textContent = "The link is copied: whoever opens it sees the same question.";
    } catch {
      this.status.textContent = "The address of this page is the link: copy it from the browser's address bar.";
    }
  }
}
