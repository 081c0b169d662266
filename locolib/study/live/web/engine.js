// A bundled model in the browser: its parts run by onnxruntime-web,
// rows drawn as `locolib.drawing.sampling` draws them.

import { edited, gathered, promptsOf } from "./memory.js";
import { noise } from "./noise.js";
import { guided, schedule, stepped } from "./sampler.js";
import { clipScore } from "./scores.js";
import { Tokenizer } from "./tokenizer.js";
import { unpacked } from "./weights.js";

const KEPT = 64; // prompts whose keys and values are kept

export class Engine {
  /** `ort` is onnxruntime-web, `files` a `Files`, `manifest` what the export wrote, `name` the model's. */
  constructor(ort, files, manifest, name) {
    Object.assign(this, { ort, files, manifest, told: manifest.models[name] });
    const { layers, heads, tokens, width } = this.told;
    this.shape = { heads, tokens, width };
    this.names = ["k", "v"].map((kind) => layers.map((_, i) => `${kind}${i}`));
    this.sessions = {};
    this.states = new Map();
    this.memory = new Map();
    this.texts = new Map();
    this.deltas = new Map();
  }

  /** Bytes of the parts that `load` would fetch: those whose weights are not in `shared`. */
  bytes(parts, shared) {
    const missing = parts.map((name) => this.#part(name)).filter(({ weights }) => !(weights in shared));
    return missing.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Fetch and prepare some of the parts "text", "memory", "unet", "decoder", "look", "read". */
  async load(parts, shared = {}) {
    this.tokenizer ??= new Tokenizer(await this.files.json(this.manifest.tokenizer), this.shape.tokens);
    for (const part of parts.filter((name) => !this.sessions[name])) {
      const { graph, weights, kinds } = this.#part(part);
      shared[weights] ??= this.#session(graph, weights, kinds);
      this.sessions[part] = await shared[weights];
    }
  }

  #part(name) {
    return this.told.parts[name] ?? this.manifest.shared[name];
  }

  async #session(graph, weights, kinds) {
    const [model, packed] = [await this.files.bytes(graph), await this.files.bytes(weights)];
    const data = new Uint8Array(unpacked(packed.buffer, kinds).buffer);
    return this.ort.InferenceSession.create(model, {
      externalData: [{ path: this.manifest.weights, data }],
      graphOptimizationLevel: "all",
    });
  }

  async #run(part, feeds) {
    const inputs = {};
    for (const [name, [data, dims]] of Object.entries(feeds)) {
      inputs[name] = new this.ort.Tensor(data instanceof BigInt64Array ? "int64" : "float32", data, dims);
    }
    return this.sessions[part].run(inputs);
  }

  #ids(text) {
    const ids = this.tokenizer.encode(text);
    return [BigInt64Array.from(ids, BigInt), [1, ids.length]];
  }

  /** Text states [tokens, width] and every layer's K and V of a prompt, computed once. */
  async remember(prompt) {
    if (this.memory.has(prompt)) return this.memory.get(prompt);
    if (this.memory.size >= KEPT) this.memory.clear();
    const { states } = await this.#run("text", { ids: this.#ids(prompt) });
    const { tokens, width } = this.shape;
    const made = await this.#run("memory", { states: [states.data, [1, tokens, width]] });
    const kept = { states: states.data, parts: this.names.map((kind) => kind.map((name) => made[name].data)) };
    this.memory.set(prompt, kept);
    return kept;
  }

  /** The changes of an edit, by layer: {layer: [of K, of V]}. */
  async edit(name) {
    if (!this.deltas.has(name)) {
      const { weights, kinds, layers } = this.told.edits[name];
      const all = unpacked((await this.files.bytes(weights)).buffer, kinds);
      const made = {};
      let at = 0;
      kinds.forEach(([count], i) => {
        (made[layers[i >> 1]] ??= []).push(all.subarray(at, at + count));
        at += count;
      });
      this.deltas.set(name, made);
    }
    return this.deltas.get(name);
  }

  /** Everything that a batch's text needs, before the loop. */
  async #prepared(rows) {
    for (const prompt of new Set(rows.flatMap(promptsOf))) await this.remember(prompt);
    for (const { edit } of rows) if (edit) await this.edit(edit.name);
  }

  /** The graph's 2 * layers inputs for a batch. */
  #feeds(rows, isGuided) {
    const feeds = {},
      made = new Map();
    this.names.forEach((names, kind) => {
      names.forEach((name, layer) => {
        const told = (prompt, row) => {
          const { states, parts } = this.memory.get(prompt),
            plain = parts[kind][layer];
          const delta = row.edit && this.deltas.get(row.edit.name)[layer]?.[kind];
          if (!delta) return plain;
          const key = JSON.stringify([prompt, row.edit, kind, layer]);
          if (!made.has(key)) made.set(key, edited(plain, states, delta, row.edit.scale, this.shape));
          return made.get(key);
        };
        const data = gathered(rows, layer, kind, isGuided, told, this.shape);
        const { heads, tokens } = this.shape,
          count = rows.length * (isGuided ? 2 : 1);
        feeds[name] = [data, [count, heads, tokens, data.length / count / heads / tokens]];
      });
    });
    return feeds;
  }

  /**
   * Final latents of rows {prompt, seed, negative, layers, target, edit: {name, scale}, dropped: [{layer, kind, neurons}]}.
   * `after(step, clean)` is called after each step with the latents of the expected picture, and may return a promise;
   * where that gives false, the drawing stops and the answer is null.
   */
  async denoise(rows, { steps, guidance }, after = () => true) {
    const isGuided = guidance !== 1,
      [c, h, w] = this.told.latent,
      size = c * h * w;
    await this.#prepared(rows);
    const text = this.#feeds(rows, isGuided),
      inputs = {};
    for (const [name, [data, dims]] of Object.entries(text))
      inputs[name] = new this.ort.Tensor("float32", data, dims);
    let latents = new Float32Array(rows.length * size);
    rows.forEach((row, i) => latents.set(noise(row.seed, size), i * size));
    const plan = schedule(this.told.scheduler, steps);
    for (const [number, step] of plan.entries()) {
      const noisy = isGuided ? new Float32Array([...latents, ...latents]) : latents;
      inputs.latents = new this.ort.Tensor("float32", noisy, [noisy.length / size, c, h, w]);
      inputs.time = new this.ort.Tensor("float32", Float32Array.of(step.time), [1]);
      const { predicted } = await this.sessions.unet.run(inputs);
      const told = stepped(latents, guided(predicted.data, guidance), step, this.told.scheduler.prediction_type);
      latents = told.latents;
      if ((await after(number + 1, told.clean)) === false) return null;
    }
    return latents;
  }

  /** Levels 0 to 255 [rows, 3, h, w] of latents, as bytes. */
  async decode(latents) {
    const [c, h, w] = this.told.latent,
      rows = latents.length / (c * h * w);
    const { pixels } = await this.#run("decoder", { latents: [latents, [rows, c, h, w]] });
    return Uint8ClampedArray.from(pixels.data, (value) => (value / 2 + 0.5) * 255);
  }

  /** Pictures as a canvas takes them, [h, w, 4] each, of `decode`'s levels. */
  pictures(levels) {
    const { side } = this.told,
      size = side * side,
      made = [];
    for (let from = 0; from < levels.length; from += 3 * size) {
      const picture = new Uint8ClampedArray(4 * size).fill(255);
      for (let i = 0; i < size; i++) for (let k = 0; k < 3; k++) picture[4 * i + k] = levels[from + k * size + i];
      made.push(picture);
    }
    return made;
  }

  /** CLIP-Scores [rows][texts] of `decode`'s levels by the bundled scorer. */
  async scores(levels, texts) {
    const { side } = this.told,
      rows = levels.length / (3 * side * side);
    const { embedded } = await this.#run("look", { levels: [Float32Array.from(levels), [rows, 3, side, side]] });
    const width = embedded.data.length / rows,
      read = [];
    for (const text of texts) read.push(await this.#read(text));
    return Array.from({ length: rows }, (_, i) =>
      read.map((text) => clipScore(embedded.data.subarray(i * width, (i + 1) * width), text)),
    );
  }

  async #read(text) {
    if (!this.texts.has(text)) {
      const { embedded } = await this.#run("read", { ids: this.#ids(text) });
      this.texts.set(text, embedded.data);
    }
    return this.texts.get(text);
  }
}
