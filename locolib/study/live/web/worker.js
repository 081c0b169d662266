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
let files, ready, queue = Promise.resolve();

/** The runtime and the manifest. */
async function started({ base, runtime }) {
  const answer = await fetch(new URL("manifest.json", base), { cache: "no-cache" });
  if (!answer.ok) throw new Error("The models have not been exported here; `make live` does it.");
  const manifest = await answer.json(), { version, module, wasm, bytes } = manifest.runtime;
  files.expect(bytes);
  const ort = await import(new URL(module, runtime).href);
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = (await files.bytes(new URL(`${wasm}?${version}`, runtime).href)).buffer;
  return { ort, manifest };
}

/** A model, loaded once; says how many bytes have come. */
async function opened(asked) {
  const tell = (loaded, total) => postMessage({ id: asked.id, kind: "loading", loaded, total });
  files ??= new Files(asked.base);
  files.told = tell;
  ready ??= await started(asked);
  if (!engines.has(asked.model)) {
    const engine = new Engine(ready.ort, files, ready.manifest, asked.model), parts = [...DRAWS, ...SCORES];
    files.expect(engine.bytes(parts, shared));
    await engine.load(parts, shared);
    engines.set(asked.model, engine);
  }
  return engines.get(asked.model);
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

async function open(asked) {
  await opened(asked);
  postMessage({ id: asked.id, kind: "done" });
}

onmessage = ({ data }) => {
  if (data.kind === "stop") {
    stopped.add(data.id);
    return;
  }
  queue = queue.then(() => (data.kind === "open" ? open : draw)(data)).catch((error) =>
    postMessage({ id: data.id, kind: "error", text: error.message }));
};
