// The entry: every place on a page that asks for a live model gets one, or a sentence that says why not.

import { lacking, manifest } from "./client.js";
import { el } from "./dom.js";

/** Say in a section's place why there is no model, and show what stands there without one. */
async function excused(root, why) {
  root.querySelector(".loco-live-told")?.prepend(`${why} `);
  if (root.dataset.stored) await stored(root).catch(() => {}); // the link to them remains
  root.dataset.ready = "lacking";
}

/** Pictures that were drawn before, to move through: the scrubber of another page of this site. */
async function stored(root) {
  const answer = await fetch(root.dataset.stored);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const found = document.importNode(page.querySelector(".loco-scrubber"), true);
  root.after(found);
  for (const script of found.querySelectorAll("script:not([type])")) {
    script.replaceWith(el("script", {}, script.textContent)); // a parsed script does not run
  }
}

async function full(root) {
  const [{ Live }, told] = await Promise.all([import("./live.js"), manifest()]);
  root.querySelector(".loco-live-told")?.remove();
  root.append(new Live(told).box);
  root.dataset.ready = "true";
}

/** One prompt, drawn only when touched: until then nothing is loaded but this script. */
function small(root) {
  const button = el("button", { type: "button", class: "primary" }, "Draw it in this page");
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const [{ Small }, told] = await Promise.all([import("./small.js"), manifest()]);
      const made = new Small(told, root.dataset);
      button.replaceWith(made.box);
      await made.begin();
    } catch (error) {
      excused(root, error.message);
    }
  });
  root.querySelector(".loco-live-told")?.after(button);
  root.dataset.ready = "true";
}

for (const root of document.querySelectorAll(".loco-live:not([data-ready])")) {
  root.dataset.ready = "";
  const why = lacking();
  if (why) excused(root, why);
  else if ("small" in root.dataset) small(root);
  else full(root).catch((error) => excused(root, error.message));
}
