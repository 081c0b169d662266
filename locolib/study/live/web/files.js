// Files of the live page: fetched once, kept by the browser, unpacked, with a count of what has come.

const STORE = "locolib-live-1";

async function store() {
  try {
    return await caches.open(STORE);
  } catch {
    return null; // no secure context, or storage is forbidden: the files are fetched each time
  }
}

/** Bytes of a gzip file unpacked; a server that unpacks such files itself sends the others. */
async function unzipped(data) {
  if (data[0] !== 0x1f || data[1] !== 0x8b) return data;
  const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Fetches files below `base`; `told(loaded, total)` is called as bytes come, of those that `expect` announced. */
export class Files {
  constructor(base, told = () => {}) {
    this.base = base;
    this.told = told;
    this.loaded = 0;
    this.total = 0;
  }

  /** Announce bytes that will be fetched. */
  expect(bytes) {
    this.total += bytes;
  }

  /** A file's bytes. A name contains a hash of what the file holds, so that what is kept is never old. */
  async bytes(name) {
    const url = new URL(name, this.base).href,
      kept = await store();
    let answer = await kept?.match(url);
    if (!answer) {
      answer = await fetch(url);
      if (!answer.ok) throw new Error(`${name} could not be loaded (${answer.status})`);
      await kept?.put(url, answer.clone()).catch(() => {}); // a full disk is no reason to stop
    }
    const data = await this.#read(answer);
    return new URL(url).pathname.endsWith(".gz") ? unzipped(data) : data;
  }

  async json(name) {
    return JSON.parse(new TextDecoder().decode(await this.bytes(name)));
  }

  async #read(answer) {
    const parts = [],
      reader = answer.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      this.loaded += value.length;
      this.told(this.loaded, Math.max(this.total, this.loaded));
    }
    return new Uint8Array(await new Blob(parts).arrayBuffer());
  }
}
