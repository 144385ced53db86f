// Random numbers as a function of integers: no state to save, the same on every machine.

/** A 32-bit hash of several integers (the finaliser of MurmurHash3 over each in turn), as a signed integer. */
export function hash(...values: readonly number[]): number {
  let h = 0;
  for (const value of values) h = mix(h ^ (value | 0));
  return h;
}

/** A 32-bit hash of a text, as a signed integer. */
export function hashText(text: string): number {
  return hash(...Array.from(text, (character) => character.codePointAt(0)!));
}

function mix(value: number): number {
  let h = (value + 0x9e3779b9) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Numbers in [0, 1), one after another: the `k`-th is that of `hash(...values, k)`, without state elsewhere. */
export function sequence(...values: readonly number[]): () => number {
  const start = hash(...values);
  let k = 0;
  return () => (mix(start ^ k++) >>> 0) / 2 ** 32;
}
