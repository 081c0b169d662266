// Elements of a page in few words.

let number = 0;

/** A new element: its attributes (a function is a listener, true is an empty attribute, null none), its children. */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== null && value !== false && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** A new element of a drawing. */
export function svg(name, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

/** A control below its name. */
export function field(name, control, note = null) {
  control.id ||= `loco-live-${++number}`;
  return el("div", { class: "field" }, el("label", { for: control.id }, name), control, note);
}

/** A menu of choices [value, text]. */
export function menu(choices, value, change) {
  const made = el("select", { change: () => change(made.value), autocomplete: "off" });
  for (const [key, text] of choices) made.add(new Option(text, key));
  made.value = value;
  return made;
}

/** A picture on a canvas with a name for those who cannot see it, and words below. */
export class Picture {
  constructor(side, words, more = "") {
    this.canvas = el("canvas", { width: side, height: side, role: "img", "aria-label": `${words}: not drawn yet` });
    this.words = el("span", {}, words);
    this.box = el("figure", { class: `picture ${more}` }, this.canvas, el("figcaption", {}, this.words));
    this.side = side;
  }

  /** Show levels [side, side, 4]; `what` is said of it. */
  show(levels, what = null) {
    this.canvas
      .getContext("2d")
      .putImageData(new ImageData(new Uint8ClampedArray(levels), this.side, this.side), 0, 0);
    this.box.classList.add("drawn");
    if (what !== null) this.canvas.setAttribute("aria-label", what);
  }

  say(words) {
    this.words.textContent = words;
  }
}
