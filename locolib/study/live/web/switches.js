// The layers as switches in the shape of the UNet: down to small maps, the middle, and up again.

import { el } from "./dom.js";

const WAYS = { down_blocks: "on the way down", mid_block: "in the middle", up_blocks: "on the way up" };

/** Sixteen buttons, or as many as the model has layers; `change(layers)` hears which are on. */
export class Switches {
  constructor(told, change) {
    this.change = change;
    this.on = new Set();
    this.buttons = told.layers.map(({ block, scale }, i) => {
      const side = told.latent[1] / scale,
        way = WAYS[block.split(".")[0]];
      return el(
        "button",
        {
          type: "button",
          class: "switch",
          "aria-pressed": "false",
          tabindex: i ? -1 : 0,
          "aria-label": `Layer ${i}, ${way}, maps of ${side} by ${side}`,
          style: `grid-column:${i + 1};grid-row:${1 + Math.log2(scale)}`,
          click: () => this.toggle(i),
          keydown: (event) => this.#move(event, i),
        },
        String(i),
      );
    });
    const scales = [...new Set(told.layers.map(({ scale }) => scale))].sort((a, b) => a - b);
    const rows = scales.map((scale) =>
      el("span", {
        class: "scale",
        "aria-hidden": "true",
        style: `grid-row:${1 + Math.log2(scale)}`,
      }),
    );
    this.box = el(
      "div",
      {
        class: "unet",
        role: "group",
        "aria-label": "Layers that read the target prompt",
        style: `--layers:${told.layers.length}`,
      },
      ...rows,
      ...this.buttons,
    );
  }

  get layers() {
    return [...this.on].sort((a, b) => a - b);
  }

  /** Set which are on, without telling. */
  set(layers) {
    this.on = new Set(layers);
    this.buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(this.on.has(i))));
  }

  toggle(i) {
    const layers = new Set(this.on);
    if (!layers.delete(i)) layers.add(i);
    this.set(layers);
    this.change(this.layers);
  }

  /** Arrow keys move among the switches, so that the tabulator passes them in one step. */
  #move(event, i) {
    const last = this.buttons.length - 1;
    const to = { ArrowRight: Math.min(i + 1, last), ArrowLeft: Math.max(i - 1, 0), Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.buttons.forEach((button, k) => {
      button.tabIndex = k === to ? 0 : -1;
    });
    this.buttons[to].focus();
  }
}
