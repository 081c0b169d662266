// The curve of a sweep, drawn as it grows.

import { svg } from "./dom.js";
import { said } from "./scores.js";

const WIDTH = 640,
  HEIGHT = 200,
  LEFT = 34,
  BOTTOM = 26,
  TOP = 10,
  RIGHT = 10;

/** A curve of shares by first layer, of windows of m layers; `bet` is a set of layers that is shaded, or null. */
export class Curve {
  constructor(count, m, bet) {
    Object.assign(this, { count, m, bet, shares: Array(count).fill(undefined) });
    this.box = svg("svg", {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      class: "curve",
      role: "img",
      "aria-label": "Share by window: nothing drawn yet",
    });
    this.draw();
  }

  /** Set the share of a window; null: not defined. */
  put(i, share) {
    this.shares[i] = share;
    this.draw();
  }

  #x(i) {
    return LEFT + ((WIDTH - LEFT - RIGHT) * i) / Math.max(this.count - 1, 1);
  }

  draw() {
    const known = this.shares.filter((value) => typeof value === "number");
    const low = Math.min(-0.1, ...known),
      high = Math.max(1.1, ...known);
    const y = (value) => TOP + ((HEIGHT - TOP - BOTTOM) * (high - value)) / (high - low);
    this.box.replaceChildren();
    const add = (name, attributes, text) => this.box.append(svg(name, attributes, text));
    if (this.bet?.length) {
      const [from, to] = [
        Math.max(this.bet[0], 0),
        Math.min(this.bet[this.bet.length - 1] - this.m + 1, this.count - 1),
      ];
      const [left, right] = [this.#x(Math.min(from, to)), this.#x(Math.max(from, to))];
      add("rect", { class: "bet", x: left - 8, y: TOP, width: right - left + 16, height: HEIGHT - TOP - BOTTOM });
    }
    for (const level of [0, 0.8, 1]) {
      add("line", {
        class: level === 0.8 ? "level controls" : "level",
        x1: LEFT,
        x2: WIDTH - RIGHT,
        y1: y(level),
        y2: y(level),
      });
      add("text", { class: "tick", x: LEFT - 6, y: y(level) + 4, "text-anchor": "end" }, String(level));
    }
    for (let i = 0; i < this.count; i++) {
      add("text", { class: "tick", x: this.#x(i), y: HEIGHT - 8, "text-anchor": "middle" }, String(i));
    }
    let path = "";
    this.shares.forEach((value, i) => {
      if (typeof value !== "number") return;
      path += `${typeof this.shares[i - 1] === "number" ? "L" : "M"}${this.#x(i)},${y(value)}`;
      add("circle", { class: "point", cx: this.#x(i), cy: y(value), r: 4 });
    });
    if (path) add("path", { class: "line", d: path });
    const told = this.shares
      .map((value, i) => (typeof value === "number" ? `from layer ${i}: ${said(value)}` : ""))
      .filter(Boolean);
    this.box.setAttribute(
      "aria-label",
      `Share by the window's first layer, windows of ${this.m}. ${told.join("; ") || "Nothing drawn yet"}`,
    );
  }
}
