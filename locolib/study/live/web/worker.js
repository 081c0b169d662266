// The worker that draws: the page stays usable meanwhile, and a drawing can be stopped between two steps.

import { Engine } from "./engine.js";
import { Files } from "./files.js";

const DRAWS = ["text", "memory", "unet", "decoder"], SCORES = ["look", "read"];
const { port1, port2 } = new MessageChannel();
let waiting = [];
port1.onmessage = () => waiting.splice(0).forEach((go) => go());

/** Let messages in: a stop, above all. (A timer would wait 4 ms each time.) */
const breath = () => new Promise((go) => (waiting.push(go), port2.postMessage(0)));

const stopped = new Set(), engines = new Map(), shared = {};
let ort, files, manifest, queue = Promise.resolve();

/** Load the runtime, the manifest and a model's parts, once; says how many bytes have come. */
async function opened({ id, base, runtime, model }) {
  const tell = (loaded, total) => postMessage({ id, kind: "loading", loaded, total });
  if (!files) {
    files = new Files(base, tell);
    const answer = await fetch(new URL("manifest.json", base), { cache: "no-cache" });
    if (!answer.ok) throw new Error("the models have not been exported here (make live)");
    manifest = await answer.json();
    files.expect(manifest.runtime.bytes);
    ort = await import(new URL(manifest.runtime.module, runtime).href);
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = (await new Files(runtime, (loaded, total) => tell(loaded, total)).bytes(manifest.runtime.wasm)).buffer;
    files.loaded += manifest.runtime.bytes;
  }
  files.told = tell;
  if (!engines.has(model)) {
    const engine = new Engine(ort, files, manifest, model), parts = [...DRAWS, ...SCORES];
    files.expect(engine.bytes(parts, shared));
    await engine.load(parts, shared);
    engines.set(model, engine);
  }
  return engines.get(model);
}

/** Draw rows together; each picture is posted with its scores, each step with the picture expected at that moment. */
async function draw(asked) {
  const { id, rows, settings, texts, preview = true } = asked, engine = await opened(asked);
  const after = async (step, clean) => {
    if (preview && step < settings.steps) {
      postMessage({ id, kind: "step", step, pictures: engine.pictures(await engine.decode(clean)) });
    }
    await breath();
    return !stopped.has(id);
  };
  const latents = stopped.has(id) ? null : await engine.denoise(rows, settings, after);
  if (latents) {
    const levels = await engine.decode(latents), scores = await engine.scores(levels, texts);
    engine.pictures(levels).forEach((picture, number) =>
      postMessage({ id, kind: "picture", number, picture, scores: scores[number] }));
  }
  postMessage({ id, kind: stopped.delete(id) ? "stopped" : "done" });
}

onmessage = () => waiting.splice(0).forEach((go) => go());

/** Let messages in: a stop, above all. (A timer would wait 4 ms each time.) */
const breath = () => new Promise((go) => (waiting.push(go), port2.postMessage(0)));

const stopped = new Set(), engines = new Map(), shared = {};
let ort, files, manifest, queue = Promise.resolve();

/** Load the runtime, the manifest and a model's parts, once; says how many bytes have come. */
async function opened({ id, base, runtime, model }) {
  const tell = (loaded, total) => postMessage({ id, kind: "loading", loaded, total });
  if (!files) {
    files = new Files(base, tell);
    const answer = await fetch(new URL("manifest.json", base), { cache: "no-cache" });
    if (!answer.ok) throw new Error("the models have not been exported here (make live)");
    manifest = await answer.json();
    files.expect(manifest.runtime.bytes);
    ort = await import(new URL(manifest.runtime.module, runtime).href);
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = (await new Files(runtime, (loaded, total) => tell(loaded, total)).bytes(manifest.runtime.wasm)).buffer;
    files.loaded += manifest.runtime.bytes;
  }
  files.told = tell;
  if (!engines.has(model)) {
    const engine = new Engine(ort, files, manifest, model), parts = [...DRAWS, ...SCORES];
    files.expect(engine.bytes(parts, shared));
    await engine.load(parts, shared);
    engines.set(model, engine);
  }
  return engines.get(model);
}

/** Draw rows; each picture is posted with its scores, each step with the picture expected at that moment. */
async function draw(asked) {
  const { id, rows, settings, texts, preview = true } = asked, engine = await opened(asked);
  for (let from = 0; from < rows.length && !stopped.has(id); from += TOGETHER) {
    const part = rows.slice(from, from + TOGETHER);
    const after = async (step, clean) => {
      if (preview && step < settings.steps) {
        const pictures = engine.pictures(await engine.decode(clean));
        postMessage({ id, kind: "step", step, from, pictures });
      }
      await breath();
      return !stopped.has(id);
    };
    const latents = await engine.denoise(part, settings, after);
    if (!latents) break;
    const levels = await engine.decode(latents), scores = await engine.scores(levels, texts);
    engine.pictures(levels).forEach((picture, i) =>
      postMessage({ id, kind: "picture", number: from + i, picture, scores: scores[i] }));
    await breath();
  }
  postMessage({ id, kind: stopped.delete(id) ? "stopped" : "done" });
}

onmessage = ({ data }) => {
  if (data.kind === "stop") {
    stopped.add(data.id);
    return;
  }
  const work = data.kind === "open" ? async (asked) => (await opened(asked), postMessage({ id: asked.id, kind: "done" })) : draw;
  queue = queue.then(() => work(data)).catch((error) =>
    postMessage({ id: data.id, kind: "error", text: error.message }));
};
