// The noise of an image's seed, as PyTorch's generator of the CPU gives it:
// MT19937, and normal numbers in blocks of sixteen.

const SIZE = 624,
  SHIFT = 397;

/** 32-bit numbers of MT19937; of a seed its low 32 bits count. */
export class Generator {
  constructor(seed) {
    this.state = new Uint32Array(SIZE);
    this.state[0] = Number(BigInt(seed) & 0xffffffffn);
    for (let i = 1; i < SIZE; i++) {
      const before = this.state[i - 1] ^ (this.state[i - 1] >>> 30);
      this.state[i] = Math.imul(1812433253, before) + i;
    }
    this.at = SIZE;
  }

  next() {
    if (this.at === SIZE) this.#twist();
    let y = this.state[this.at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  #twist() {
    const s = this.state;
    for (let i = 0; i < SIZE; i++) {
      const y = (s[i] & 0x80000000) | (s[(i + 1) % SIZE] & 0x7fffffff);
      s[i] = s[(i + SHIFT) % SIZE] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.at = 0;
  }
}

/** `torch.randn(count, generator=torch.Generator().manual_seed(seed))` as Float32Array; 16 numbers at least. */
export function noise(seed, count) {
  if (count < 16) throw new RangeError("noise is drawn in blocks of sixteen");
  const generator = new Generator(seed),
    values = new Float32Array(count);
  const fill = (from) => {
    for (let i = from; i < from + 16; i++) values[i] = (generator.next() & 0xffffff) / 0x1000000;
  };
  for (let i = 0; i + 16 <= count; i += 16) fill(i);
  for (let i = count - (count % 16); i < count; i++) values[i] = (generator.next() & 0xffffff) / 0x1000000;
  for (let i = 0; i + 16 <= count; i += 16) boxMuller(values, i);
  if (count % 16) {
    fill(count - 16); // the last block is drawn anew
    boxMuller(values, count - 16);
  }
  return values;
}

/** Sixteen uniform numbers become normal ones, the first eight with the last eight. */
function boxMuller(values, from) {
  for (let j = from; j < from + 8; j++) {
    const radius = Math.sqrt(-2 * Math.log(1 - values[j])),
      angle = 2 * Math.PI * values[j + 8];
    values[j] = radius * Math.cos(angle);
    values[j + 8] = radius * Math.sin(angle);
  }
}
