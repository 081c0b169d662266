// Prompts of the world's words: from menus, or typed and checked.

/** A prompt of a choice {subject, manner, place}, by the paper's templates; "" where nothing is said. */
export function worded({ subject, manner, place }, world) {
  const spoken = world.subjects.find(({ name }) => name === subject)?.spoken ?? subject;
  const seen = spoken + (place ? ` in a ${place}` : "");
  if (!manner) return seen;
  return manner === "painting" ? `a painting of ${seen}` : `${seen} in the style of ${manner}`;
}

/** The attributes that a choice has, and so can lose. */
export function attributes({ manner, place }, world) {
  return [...(world.artists.includes(manner) ? ["style"] : []), "object", ...(place ? ["place"] : [])];
}

/** What a choice is called when its subject goes: a fact is updated, an object becomes a plain one. */
function other(subject, world) {
  const known = world.facts[subject] ?? world.objects[subject];
  const name = known ?? (subject === "dog" ? "cat" : "dog");
  return world.subjects.some((one) => one.name === name) ? name : known;
}

/** The target prompt and the attribute that LocoGen asks about: "object" becomes "fact" for subjects that are facts. */
export function aimed(choice, attribute, world) {
  if (attribute === "style") return { attribute, target: worded({ ...choice, manner: "painting" }, world) };
  if (attribute === "place") return { attribute, target: worded({ ...choice, place: "" }, world) };
  const kind = choice.subject in world.facts ? "fact" : "object";
  return { attribute: kind, target: worded({ ...choice, subject: other(choice.subject, world) }, world) };
}

/** The words of a text that the models never saw, in order. */
export function unknown(text, world) {
  const known = new Set(world.words);
  return [...new Set(text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [])].filter((word) => !known.has(word));
}
