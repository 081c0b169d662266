// Weights as `locolib.study.live.packing` stores them, unpacked to the float32 numbers that a graph reads.

const BLOCK = 64,
  HALF = 0;
let table = null;

/** The number that 16 bits stand for. */
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1,
    power = (bits >> 10) & 31,
    rest = bits & 1023;
  if (power === 0) return (sign * rest) / 16777216;
  if (power === 31) return rest ? NaN : sign * Infinity;
  return sign * 2 ** (power - 15) * (1 + rest / 1024);
}

function halves() {
  table ??= Float32Array.from({ length: 65536 }, (_, bits) => half(bits));
  return table;
}

/** Bytes of a packed tensor. */
function size(count, kind) {
  return kind === HALF ? 2 * count : 2 * Math.ceil(count / BLOCK) + count + (count % 2);
}

/** One tensor of `count` numbers at byte `at` of `buffer`, written to `made` from `to` on. */
function tensor(buffer, at, count, kind, made, to) {
  const known = halves();
  if (kind === HALF) {
    const bits = new Uint16Array(buffer, at, count);
    for (let i = 0; i < count; i++) made[to + i] = known[bits[i]];
    return;
  }
  const blocks = Math.ceil(count / BLOCK);
  const scales = new Uint16Array(buffer, at, blocks),
    levels = new Int8Array(buffer, at + 2 * blocks, count);
  for (let b = 0, i = 0; b < blocks; b++) {
    const scale = known[scales[b]],
      end = Math.min(i + BLOCK, count);
    for (; i < end; i++) made[to + i] = levels[i] * scale;
  }
}

/** All tensors of a file, one after another, as Float32Array; `kinds` are pairs (numbers, kind). */
export function unpacked(buffer, kinds) {
  const made = new Float32Array(kinds.reduce((sum, [count]) => sum + count, 0));
  let at = 0,
    to = 0;
  for (const [count, kind] of kinds) {
    tensor(buffer, at, count, kind, made, to);
    at += size(count, kind);
    to += count;
  }
  return made;
}
