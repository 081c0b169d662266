// The worker that draws: the page stays usable meanwhile, and a drawing can be stopped between two steps.

import { Engine } from "./engine.js";
import { Files } from "./files.js";

const DRAWS = ["text", "memory", "unet", "decoder"],
  SCORES = ["look", "read"];
const EACH = 2; // so many steps lie between two pictures that are shown meanwhile: decoding costs as much as a step
const { port1, port2 } = new MessageChannel();
let waiting = [];
port1.onmessage = () => waiting.splice(0).forEach((go) => go());

/** Let messages in: a stop, above all. (A timer would wait 4 ms each time.) */
const breath = () => new Promise((go) => (waiting.push(go), port2.postMessage(0)));

const stopped = new Set(),
  engines = new Map(),
  shared = {};
let files,
  ready,
  queue = Promise.resolve();

/** The runtime and the manifest. */
async function started({ base, runtime }) {
  const answer = await fetch(new URL("manifest.json", base), { cache: "no-cache" });
  if (!answer.ok) throw new Error("The models have not been exported here; `make live` does it.");
  const manifest = await answer.json(),
    { version, module, wasm, bytes } = manifest.runtime;
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
    const engine = new Engine(ready.ort, files, ready.manifest, asked.model);
    files.expect(engine.bytes([...DRAWS, ...SCORES], shared));
    await engine.load(DRAWS, shared);
    engines.set(asked.model, engine);
  }
  return engines.get(asked.model);
}

/**
 * Draw rows together.  The pictures that are expected at the end are posted meanwhile, and the last ones before they are
 * scored: what scores is loaded only then.
 */
async function draw(asked) {
  const { id, rows, settings, texts, preview = true } = asked,
    engine = await opened(asked);
  const show = (levels) => postMessage({ id, kind: "step", pictures: engine.pictures(levels) });
  const after = async (step, clean) => {
    if (preview && step % EACH === 0 && step < settings.steps) show(await engine.decode(clean));
    await breath();
    return !stopped.has(id);
  };
  const latents = stopped.has(id) ? null : await engine.denoise(rows, settings, after);
  if (latents) {
    const levels = await engine.decode(latents);
    show(levels);
    await engine.load(SCORES, shared);
    const scores = await engine.scores(levels, texts);
    engine
      .pictures(levels)
      .forEach((picture, number) => postMessage({ id, kind: "picture", number, picture, scores: scores[number] }));
  }
  postMessage({ id, kind: stopped.delete(id) ? "stopped" : "done" });
}

async function open(asked) {
  await (await opened(asked)).load(SCORES, shared);
  postMessage({ id: asked.id, kind: "done" });
}

onmessage = ({ data }) => {
  if (data.kind === "stop") {
    stopped.add(data.id);
    return;
  }
  queue = queue
    .then(() => (data.kind === "open" ? open : draw)(data))
    .catch((error) => postMessage({ id: data.id, kind: "error", text: error.message }));
};
