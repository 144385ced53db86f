// Memory: scopes, the garbage collector, asynchronous scopes.
import { PerformanceObserver } from 'node:perf_hooks';

import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { keep, liveTensors, memory, ones, tensor, tidy, tidyAsync, zeros } from './index.ts';
import { currentScope, enterScope, exitScope } from './internal.ts';
import type { Tensor } from './index.ts';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('tidy', () => {
  it('frees what is not returned, in any nesting of results', () => {
    const before = memory().tensors;
    const kept = tidy(() => {
      const x = ones([2]);
      const y = x.add(1);
      return { list: [y.mul(2), new Map([['z', y.mul(3)]])], n: 1 };
    });
    expect(memory().tensors).toBe(before + 2);
    expect(kept.list[0] as Tensor).toBeAllClose([4, 4]);
  });

  it('hands results up level by level, and kept ones out of all', () => {
    const before = memory().tensors;
    let out: Tensor | undefined;
    tidy(() => {
      const inner = tidy(() => ones([1]));
      tidy(() => {
        out = keep(inner.add(1));
      });
      expect(inner.item()).toBe(1);
      expect(memory().tensors).toBe(before + 2);
    });
    expect(out!.item()).toBe(2);
    expect(memory().tensors).toBe(before + 1);
    out!.dispose();
  });

  it('frees when the body throws, and names a tensor used after its scope', () => {
    const before = memory().tensors;
    let leaked: Tensor | undefined;
    expect(() =>
      tidy(() => {
        leaked = ones([1]);
        throw new Error('inside');
      }),
    ).toThrow('inside');
    expect(memory().tensors).toBe(before);
    expect(() => leaked!.add(1)).toThrow(refusal('invalid-state', 'was freed', 'help: '));
    expect(() => tidy(async () => ones([1]))).toThrow(refusal('async-function', 'tidyAsync'));
  });

  it('keeps views alive when their base goes', () => {
    const view = tidy(() =>
      tensor([
        [1, 2],
        [3, 4],
      ]).select(0, 1),
    );
    expect(view).toBeAllClose([3, 4]);
  });

  it('forgets what is disposed inside a long scope', () => {
    tidy(() => {
      for (let i = 0; i < 10_000; i++) ones([1]).dispose();
    });
    expect(memory().tensors).toBeLessThan(10_000);
  });
});

describe('outside of scopes', () => {
  it('400 tensors of a synchronous loop peak under 100 alive', () => {
    const before = memory().tensors;
    let peak = 0;
    for (let i = 0; i < 400; i++) {
      zeros([1024, 1024]); // 4 MiB
      peak = Math.max(peak, memory().tensors - before);
    }
    expect(peak).toBeLessThan(100);
  });

  it('the same for a loop that only awaits', async () => {
    const before = memory().tensors;
    let peak = 0;
    for (let i = 0; i < 400; i++) {
      zeros([1024, 1024]);
      await Promise.resolve();
      peak = Math.max(peak, memory().tensors - before);
    }
    expect(peak).toBeLessThan(100);
  });

  it('chains do not leak', () => {
    const x = ones([1024, 1024]);
    const before = memory().tensors;
    for (let i = 0; i < 200; i++) x.mul(2).add(1).relu();
    expect(memory().tensors - before).toBeLessThan(300);
  });
});

describe('tidyAsync', () => {
  it('keeps interleaved scopes apart', async () => {
    const before = memory().tensors;
    const results = await Promise.all(
      [1, 2, 3].map((n) =>
        tidyAsync(async () => {
          const x = tensor([n]);
          await pause(4 - n);
          const y = tidy(() => x.add(1));
          await Promise.resolve();
          return y.mul(x);
        }),
      ),
    );
    expect(results.map((t) => t.item())).toEqual([2, 6, 12]);
    expect(memory().tensors).toBe(before + 3);
  });

  it('nests, and frees when it fails', async () => {
    const before = memory().tensors;
    const outer = await tidyAsync(async () => {
      const a = ones([1]);
      const b = await tidyAsync(async () => {
        await Promise.resolve();
        return a.add(1);
      });
      return b.add(1);
    });
    expect(outer.item()).toBe(3);
    await expect(
      tidyAsync(async () => {
        ones([1]);
        await Promise.resolve();
        throw new Error('inside');
      }),
    ).rejects.toThrow('inside');
    expect(memory().tensors).toBe(before + 1);
  });
});

describe('enterScope and exitScope', () => {
  it('without a scope is an error that changes nothing', () => {
    const before = memory().tensors;
    expect(() => exitScope()).toThrow(refusal('invalid-state', 'exitScope', 'enterScope'));
    for (let i = 0; i < 1000; i++) zeros([1]);
    globalThis.gc!();
    expect(memory().tensors - before).toBeLessThan(1000);
    tidy(() => void ones([1]));
    expect(memory().tensors - before).toBeLessThan(1000);
  });

  it('too often or too seldom inside a tidy, the scopes outside are as they were', () => {
    const before = memory().tensors;
    tidy(() => {
      const outer = ones([1]);
      tidy(() => {
        exitScope();
        exitScope();
        expect(() => exitScope()).toThrow(refusal('invalid-state', 'exitScope'));
      });
      expect(outer.isDisposed).toBe(true); // its scope was among those closed
    });
    tidy(() => {
      const outer = ones([1]);
      tidy(() => {
        enterScope();
        enterScope();
        ones([1]);
      });
      expect(outer.item()).toBe(1);
      expect(memory().tensors).toBe(before + 1);
    });
    expect(memory().tensors).toBe(before);
    expect(currentScope()).toBe(0);
  });

  it('a scope is closed once, with those inside it', () => {
    const before = memory().tensors;
    const outer = enterScope();
    ones([1]);
    enterScope();
    ones([1]);
    exitScope(outer);
    exitScope(outer);
    expect(memory().tensors).toBe(before);
  });
});

it('dispose outside of scopes tells V8, which collects no more for what is gone', async () => {
  zeros([1]).dispose();
  let collections = 0;
  const observer = new PerformanceObserver((list) => (collections += list.getEntries().length));
  observer.observe({ entryTypes: ['gc'] });
  for (let i = 0; i < 500; i++) zeros([1024, 1024]).dispose();
  await pause(10);
  observer.disconnect();
  expect(collections).toBeLessThan(5);
});

it('lists what is alive while garbage goes', () => {
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < 300; i++) zeros([1000]);
    for (const { description } of liveTensors()) expect(description).toMatch(/^[a-z]+\d*\[/);
  }
});
