// The page's side of the worker: one worker for all instances on a page, jobs with a promise and a way to stop them.

let worker = null,
  count = 0;
const jobs = new Map();
const here = new URL("./", import.meta.url);

function started() {
  if (worker) return worker;
  worker = new Worker(new URL("worker.js", here), { type: "module" });
  worker.onmessage = ({ data }) => jobs.get(data.id)?.(data);
  worker.onerror = (event) => {
    for (const told of [...jobs.values()])
      told({ kind: "error", text: event.message || "the drawing worker could not start" });
  };
  return worker;
}

/** Whether this browser can draw; otherwise why not, in words. */
export function lacking() {
  if (typeof WebAssembly !== "object" || typeof Worker !== "function")
    return "This browser has no WebAssembly, which the models need to draw.";
  if (typeof DecompressionStream !== "function")
    return "This browser cannot unpack the models: it is older than 2023, when the last one learnt DecompressionStream.";
  if (location.protocol === "file:")
    return "The models draw only where the site comes from a web server; `make serve` starts one.";
  return "";
}

/** What the export offers: its manifest. */
export async function manifest() {
  const answer = await fetch(new URL("models/manifest.json", here), { cache: "no-cache" });
  if (!answer.ok) throw new Error("The models have not been exported here; `make live` does it.");
  return answer.json();
}

/**
 * Ask the worker: `asked` is {kind: "open", model} or {kind: "draw", model, rows, settings, texts, preview}.
 * `told` hears {kind: "loading", loaded, total}, {kind: "step", pictures} and {kind: "picture", number,
 * picture, scores}.  Returns {finished, stop}: a promise of whether it ran to its end, which fails with a sentence.
 */
export function ask(asked, told = () => {}) {
  const id = ++count,
    port = started();
  const finished = new Promise((resolve, reject) => {
    jobs.set(id, (data) => {
      if (["done", "stopped", "error"].includes(data.kind)) jobs.delete(id);
      if (data.kind === "done" || data.kind === "stopped") resolve(data.kind === "done");
      else if (data.kind === "error") reject(new Error(data.text));
      else told(data);
    });
  });
  port.postMessage({ id, base: new URL("models/", here).href, runtime: new URL("runtime/", here).href, ...asked });
  return { finished, stop: () => port.postMessage({ id, kind: "stop" }) };
}
