// What the allocator keeps, gives back and refuses, and that no block is ever handed out twice.
import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { emptyCache, full, memory, ones, resetPeakMemory, tidy, zeros } from './index.ts';
import type { Tensor } from './index.ts';

const mebibyte = 2 ** 20;
const held = (): number => memory().bytes + memory().cachedBytes;

/** Whole numbers below `limit`, the same each time. */
function numbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

describe('memory kept for reuse', () => {
  it('is enough after a few steps: the same steps take nothing more from the system', () => {
    const step = (): void =>
      tidy(() => {
        const x = ones([300, 1000], { requiresGrad: true });
        const y = x.mul(2).relu();
        const z = y
          .slice(0, 0, 150)
          .exp()
          .add(1)
          .matmul(ones([1000, 700]));
        z.sum().add(y.sum()).backward();
        x.grad!.mul(3);
      });
    const readings: number[] = [];
    for (let i = 0; i < 20; i++) {
      step();
      readings.push(held());
    }
    expect(new Set(readings.slice(9)).size).toBe(1);
  });

  it('goes back to the system with emptyCache', () => {
    emptyCache();
    expect(memory().cachedBytes).toBe(0);
    const before = process.memoryUsage.rss();
    tidy(() => {
      const tensors = Array.from({ length: 20 }, (_, i) => zeros([i + 1, mebibyte / 4]));
      tensors.forEach((tensor, i) => i % 2 === 0 && tensor.dispose()); // holes first
    });
    expect(memory().cachedBytes).toBeGreaterThan(200 * mebibyte);
    expect(process.memoryUsage.rss() - before).toBeGreaterThan(150 * mebibyte);
    emptyCache();
    expect(memory().cachedBytes).toBe(0);
    expect(process.memoryUsage.rss() - before).toBeLessThan(50 * mebibyte);
  });

  it('goes back between tensors in use as well, which keep their contents', () => {
    emptyCache();
    tidy(() => {
      const tensors = Array.from({ length: 20 }, (_, i) => full([mebibyte], i));
      tensors.forEach((tensor, i) => i % 2 === 0 && tensor.dispose());
      emptyCache();
      expect(memory().cachedBytes).toBe(0);
      const more = Array.from({ length: 10 }, (_, i) => full([mebibyte + i], -i));
      for (let i = 1; i < 20; i += 2) expect(holds(tensors[i]!, i)).toBe(true);
      for (let i = 0; i < 10; i++) expect(holds(more[i]!, -i)).toBe(true);
    });
  });

  it('shrinks by itself once much less is needed', () => {
    tidy(() => void Array.from({ length: 12 }, () => zeros([4, mebibyte])));
    expect(memory().cachedBytes).toBeGreaterThan(180 * mebibyte);
    tidy(() => {
      for (let i = 0; i < 60_000; i++) zeros([20_000]).dispose();
    });
    expect(memory().cachedBytes).toBeLessThan(100 * mebibyte);
    emptyCache();
  });
});

describe('blocks', () => {
  it.each([1, 2, 3])('never overlap, whatever comes and goes (seed %i)', (seed) => {
    const below = numbers(seed);
    emptyCache();
    resetPeakMemory();
    const alive: [Tensor, number][] = [];
    tidy(() => {
      for (let i = 0; i < 1500; i++) {
        if (alive.length > 60 || (alive.length > 0 && below(5) < 2)) {
          const [[tensor, value]] = alive.splice(below(alive.length), 1) as [[Tensor, number]];
          expect(holds(tensor, value)).toBe(true);
          tensor.dispose();
        } else {
          // About 64 KiB, where small blocks end, and up to 2 MiB.
          const count = below(2) === 0 ? 16_000 + below(800) : 1 + below(below(2) === 0 ? 2 ** 19 : 2 ** 16);
          alive.push([full([count], i), i]);
        }
        if (i % 500 === 499) emptyCache();
      }
      for (const [tensor, value] of alive) expect(holds(tensor, value)).toBe(true);
    });
    expect(held()).toBeLessThan(1.5 * memory().peakBytes);
  });
});

describe('too large a request', () => {
  it('is an error, leaves what is alive alone, and the next one works', () => {
    const x = ones([mebibyte]);
    const before = memory().bytes;
    expect(() => zeros([2 ** 20, 2 ** 20])).toThrow(refusal('out-of-memory', 'out of memory', '4096.0 GiB'));
    expect(() => zeros([2 ** 30, 2 ** 30])).toThrow(refusal('out-of-memory', 'out of memory'));
    expect(memory().bytes).toBe(before);
    expect(holds(x, 1)).toBe(true);
    expect(zeros([mebibyte]).sum().item()).toBe(0);
  });
});

function holds(tensor: Tensor, value: number): boolean {
  return tidy(() => tensor.eq(value).all().item()) === 1;
}
