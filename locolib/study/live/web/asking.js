// The form: model, prompt from menus or typed, target, seed, guidance, steps.

import { el, field, menu } from "./dom.js";
import { ATTRIBUTES } from "./state.js";
import { aimed, attributes, unknown, worded } from "./words.js";

const TAKEN = { style: "its manner", object: "its subject", fact: "its subject (a fact)", place: "its place" };

export class Asking {
  /** `change(part)` hears what a reader asks for, a part of the state. */
  constructor(manifest, state, change) {
    Object.assign(this, { manifest, change, world: manifest.world });
    this.choice = { subject: this.world.subjects[0].name, manner: this.world.artists[0], place: "" };
    this.unknown = el("p", { class: "unknown", role: "status" });
    this.box = el("form", { class: "asking", submit: (event) => event.preventDefault() });
    this.#build(state);
    this.set(state);
  }

  #build(state) {
    const { world, manifest } = this;
    const models = Object.entries(manifest.models).map(([name, told]) => [name, told.title]);
    const ready = world.ready.map(({ original, target }, i) => [i, `${original} → ${target}`]);
    const chosen = (name) => (value) => this.#choose({ [name]: value });
    this.model = menu(models, state.model, (model) => this.#model(model));
    this.ready = menu([["", "choose …"], ...ready], "", (value) => this.#ready(value));
    this.subject = menu(
      world.subjects.map(({ name }) => [name, name]),
      this.choice.subject,
      chosen("subject"),
    );
    this.manner = menu(
      [["", "plain"], ["painting", "a painting"], ...world.artists.map((name) => [name, name])],
      this.choice.manner,
      chosen("manner"),
    );
    this.place = menu([["", "not said"], ...world.places.map((name) => [name, name])], "", chosen("place"));
    this.attribute = menu(
      ATTRIBUTES.map((name) => [name, TAKEN[name]]),
      state.attribute,
      (value) => this.#attribute(value),
    );
    this.prompt = this.#text("prompt");
    this.target = this.#text("target");
    this.seed = this.#number("seed", 0, 4294967295, 1);
    this.guidance = this.#number("guidance", 1, 12, 0.5);
    this.steps = this.#number("steps", 2, 50, 1);
    this.box.append(
      el("div", { class: "fields" }, field("Model", this.model), field("A prompt of the study", this.ready)),
      el(
        "div",
        { class: "fields" },
        field("Or a subject", this.subject),
        field("Manner", this.manner),
        field("Place", this.place),
        field("Taken away is", this.attribute),
      ),
      el(
        "div",
        { class: "fields wide" },
        field("Prompt", this.prompt),
        field("Target prompt: the same without it", this.target),
      ),
      this.unknown,
      el(
        "div",
        { class: "fields" },
        field("Seed of the noise", this.seed),
        field("Guidance", this.guidance),
        field("Steps", this.steps),
      ),
    );
  }

  #text(name) {
    const made = el("input", {
      type: "text",
      maxlength: 300,
      autocomplete: "off",
      spellcheck: "false",
      change: () => {
        if (made.value.trim()) this.change({ [name]: made.value.trim() });
        this.#check();
      },
    });
    return made;
  }

  #number(name, min, max, step) {
    const made = el("input", {
      type: "number",
      min,
      max,
      step,
      autocomplete: "off",
      change: () => {
        const value = Number(made.value);
        if (made.value !== "" && value >= min && value <= max && (step !== 1 || Number.isInteger(value)))
          this.change({ [name]: value });
        else made.value = this.state[name];
      },
    });
    return made;
  }

  /** Show a state. */
  set(state) {
    this.state = state;
    for (const name of ["model", "prompt", "target", "attribute", "seed", "guidance", "steps"])
      this[name].value = state[name];
    this.#check();
  }

  /** Another model brings its own guidance and steps. */
  #model(model) {
    const { guidance, steps } = this.manifest.models[model];
    this.change({ model, guidance, steps, edit: "", neurons: "" });
  }

  #check() {
    const words = unknown(`${this.prompt.value} ${this.target.value}`, this.world);
    this.unknown.textContent = words.length
      ? `The models never saw ${words.map((word) => `“${word}”`).join(", ")}: what they make of it means nothing.`
      : "";
  }

  #choose(part) {
    this.choice = { ...this.choice, ...part };
    this.ready.value = "";
    const able = attributes(this.choice, this.world),
      before = this.state.attribute === "fact" ? "object" : this.state.attribute;
    const attribute = able.includes(before) ? before : able[0];
    this.change({ prompt: worded(this.choice, this.world), ...aimed(this.choice, attribute, this.world) });
  }

  #attribute(attribute) {
    const able = attributes(this.choice, this.world),
      asked = attribute === "fact" ? "object" : attribute;
    const fits = able.includes(asked) && this.state.prompt === worded(this.choice, this.world);
    this.change(fits ? aimed(this.choice, asked, this.world) : { attribute });
  }

  #ready(value) {
    if (value === "") return;
    const { original, target, attribute } = this.world.ready[Number(value)];
    this.change({ prompt: original, target, attribute });
  }
}
