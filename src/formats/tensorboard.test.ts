// Event files: byte for byte what TensorBoard's own writer makes (fixtures/tensorboard-events.py), and where a file is cut
// off.
import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { openBytes } from './read-file.ts';
import { encodeEvent, eventBytesBefore } from './tensorboard.ts';

const stored = readFileSync(new URL('fixtures/tensorboard.events', import.meta.url));
const events = [
  encodeEvent({ kind: 'version' }, { step: 0, time: 1.25 }),
  encodeEvent({ kind: 'text', tag: 'config', text: 'epochs: 3 — ½' }, { step: 0, time: 2.5 }),
  encodeEvent({ kind: 'scalars', values: { 'losses/loss': 1.5, 'accuracy/student': 91.2 } }, { step: 7, time: 3.5 }),
  encodeEvent({ kind: 'start' }, { step: 300, time: 4.5 }),
];

it("writes the bytes of TensorBoard's own writer", () => {
  expect(Buffer.concat(events).equals(stored)).toBe(true);
});

it('finds where a step begins, and where a record is torn or altered', () => {
  const ends = events.map((_, i) => Buffer.concat(events.slice(0, i + 1)).length);
  const kept = (bytes: Uint8Array, most = Infinity): number =>
    eventBytesBefore(openBytes(bytes), (step) => step <= most);
  expect(kept(stored)).toBe(stored.length);
  expect([299, 300, 7, 6, 0].map((most) => kept(stored, most))).toEqual([ends[2], ends[3], ends[2], ends[1], ends[1]]);
  expect(eventBytesBefore(openBytes(stored), () => false)).toBe(0);
  for (const missing of [1, 4, 5, 20]) expect(kept(stored.subarray(0, stored.length - missing))).toBe(ends[2]);
  for (const at of [0, 5, 9, 12, 30]) {
    const altered = Uint8Array.from(stored);
    altered[ends[1]! + at]! ^= 1;
    expect(kept(altered), `byte ${at}`).toBe(ends[1]);
  }
  expect(kept(new Uint8Array())).toBe(0);
});

it('numbers that 32 bits cannot hold are the nearest that they can, NaN is NaN', () => {
  const value = (number: number): number => {
    const bytes = encodeEvent({ kind: 'scalars', values: { a: number } }, { step: 1, time: 0 });
    return new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 8).getFloat32(0, true);
  };
  expect([1e300, -1e300, NaN, Infinity].map(value)).toEqual([
    3.4028234663852886e38,
    -3.4028234663852886e38,
    NaN,
    Infinity,
  ]);
});
