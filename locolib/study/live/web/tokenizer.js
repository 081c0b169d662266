// CLIP's byte-level BPE of the bundled vocabulary, from the tokenizer.json that lies beside the model's weights.

const WORDS = /'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+/gu;
const SPECIAL = /(<\|startoftext\|>|<\|endoftext\|>)/;

/** Each byte as the letter that stands for it in the vocabulary. */
function letters() {
  const own = (b) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  let more = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCodePoint(own(b) ? b : more++));
}

export class Tokenizer {
  /** `told` is the parsed tokenizer.json; `length` the positions of a prompt. */
  constructor(told, length = 77) {
    this.length = length;
    this.ids = new Map(Object.entries(told.model.vocab));
    this.ranks = new Map(told.model.merges.map((pair, i) => [Array.isArray(pair) ? pair.join(" ") : pair, i]));
    this.start = this.ids.get("<|startoftext|>");
    this.end = this.ids.get("<|endoftext|>");
    this.letters = letters();
    this.known = new Map();
  }

  /** Ids of a text without start and end, of any length. */
  pieces(text) {
    return text.split(SPECIAL).flatMap((part, i) => (i % 2 ? [this.ids.get(part)] : this.#plain(part)));
  }

  /** Ids [length] as the text encoder receives them: start, the words that fit, end, and the end again as padding. */
  encode(text) {
    const ids = [this.start, ...this.pieces(text).slice(0, this.length - 2), this.end];
    return [...ids, ...Array(this.length - ids.length).fill(this.end)];
  }

  #plain(text) {
    const spelt = text.normalize("NFC").replace(/\s+/gu, " ").toLowerCase();
    return [...spelt.matchAll(WORDS)].flatMap(([word]) => this.#word(word));
  }

  #word(word) {
    if (!this.known.has(word)) {
      const bytes = [...new TextEncoder().encode(word)].map((b) => this.letters[b]);
      bytes[bytes.length - 1] += "</w>";
      this.known.set(
        word,
        this.#merged(bytes).map((part) => this.ids.get(part)),
      );
    }
    return this.known.get(word);
  }

  /** Neighbours joined in the order in which the vocabulary learnt them. */
  #merged(parts) {
    for (;;) {
      let best = Infinity,
        at = -1;
      for (let i = 0; i + 1 < parts.length; i++) {
        const rank = this.ranks.get(`${parts[i]} ${parts[i + 1]}`) ?? Infinity;
        if (rank < best) [best, at] = [rank, i];
      }
      if (at < 0) return parts;
      parts = [...parts.slice(0, at), parts[at] + parts[at + 1], ...parts.slice(at + 2)];
    }
  }
}
