// Hooks that change what is being done while they run: they remove themselves and others, register, dispose, call backward.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { callOperator, enableGrad, grad, isGradEnabled, memory, noGrad, ones, ops, tensor, tidy } from './index.ts';
import type { HookHandle, Tensor } from './index.ts';
import { native } from './native.ts';

// Where gradients are computed on other threads, as those of CUDA are, hooks are handed over to this one: tried here on the CPU.
describe.each([
  ['a hook', false],
  ['a hook that another thread hands over', true],
])('%s', (_, handOver) => {
  beforeAll(() => native().handOverHooks(handOver));
  afterAll(() => native().handOverHooks(false));

  it('may remove itself, and what it returns still counts', () => {
    const x = ones([3]).requiresGrad_();
    let runs = 0;
    const hook: HookHandle = x.registerHook((gradient) => {
      runs++;
      hook.remove();
      hook.remove();
      return gradient.mul(10);
    });
    x.mul(2).sum().backward();
    expect(x.grad).toBeAllClose([20, 20, 20]);
    x.grad = null;
    x.mul(2).sum().backward();
    expect(x.grad).toBeAllClose([2, 2, 2]);
    expect(runs).toBe(1);
  });

  it('may remove others, before and behind it, and register more', () => {
    const x = ones([1]).requiresGrad_();
    const seen: string[] = [];
    const added: HookHandle[] = [];
    const first = x.registerHook(() => void seen.push('first'));
    const second: HookHandle = x.registerHook(() => {
      seen.push('second');
      first.remove();
      third.remove();
      for (let i = 0; i < 20; i++) added.push(x.registerHook(() => void seen.push(`added ${i}`)));
      second.remove();
    });
    const third = x.registerHook(() => void seen.push('third'));
    x.mul(2).sum().backward();
    expect(seen.slice(0, 2)).toEqual(['first', 'second']);
    expect(seen).not.toContain('third');
    seen.length = 0;
    x.mul(2).sum().backward();
    expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => `added ${i}`));
    for (const hook of added) hook.remove();
  });

  it('may dispose its tensor and its gradient', () => {
    const x = ones([2]).requiresGrad_();
    const y = x.mul(3);
    const hook = y.registerHook((gradient) => {
      y.dispose();
      gradient.dispose();
      hook.remove();
    });
    y.sum().backward();
    expect(x.grad).toBeAllClose([3, 3]);
  });

  it('may run other backwards, also of its own graph, and throw out of them', () => {
    const x = ones([2]).requiresGrad_();
    const w = ones([2]).requiresGrad_();
    const y = x.mul(w);
    const loss = y.sum();
    let depth = 0;
    const outer = y.registerHook(() => {
      if (depth++ === 0) loss.backward(undefined, { retainGraph: true });
      enableGrad(() => w.mul(5).sum()).backward();
    });
    loss.backward();
    outer.remove();
    expect(depth).toBe(2);
    expect(x.grad).toBeAllClose([2, 2]);
    expect(w.grad).toBeAllClose([12, 12]);

    const z = x.mul(2);
    const failing = z.registerHook(() => {
      enableGrad(() => {
        const inner = x.mul(3);
        inner.registerHook(() => {
          throw new Error('from the innermost');
        });
        inner.sum().backward();
      });
    });
    expect(() => z.sum().backward()).toThrow('from the innermost');
    failing.remove();
    expect(x.mul(2).toArray()).toEqual([2, 2]);
  });

  it('that never ends calling backward is an error, and the process lives', () => {
    const x = ones([1]).requiresGrad_();
    const hook = x.registerHook(() => enableGrad(() => x.mul(2).sum()).backward());
    expect(() => x.mul(2).sum().backward()).toThrow(/outside JavaScript's thread|call stack/);
    hook.remove();
    expect(ones([2]).sum().item()).toBe(2);
  });

  it('can be removed when its tensor is gone and only the graph has it', () => {
    const x = ones([2]).requiresGrad_();
    let runs = 0;
    let hook: HookHandle | undefined;
    const loss = tidy(() => {
      const y = x.mul(3);
      hook = y.registerHook(() => void runs++);
      return y.sum();
    });
    loss.backward(undefined, { retainGraph: true });
    hook!.remove();
    loss.backward();
    expect(runs).toBe(1);
  });

  it('runs inside an operator that calls backward, and may call operators there', () => {
    const x = ones([2]).requiresGrad_();
    const seen: number[] = [];
    const y = x.mul(3);
    y.registerHook((gradient) => {
      seen.push(
        gradient
          .add(ops.zeros([2]))
          .sum()
          .item(),
      );
      for (const part of ones([5000, 1]).unbind(0)) part.dispose(); // the call buffer grows meanwhile
      noGrad(() => callOperator('atan2', [ones([2]), ones([2])])); // looked up for the first time
      return gradient.mul(2);
    });
    callOperator('_backward', [y.sum(), [x]]);
    expect(seen).toEqual([2]);
    expect(x.grad).toBeAllClose([6, 6]);
  });

  it('that throws inside such an operator is the error, and leaves nothing behind', () => {
    const x = ones([2]).requiresGrad_();
    const loss = x.mul(3).sum();
    const hook = x.registerHook(() => {
      ones([3]).sum().item();
      throw new Error('from the hook');
    });
    expect(() => callOperator('_backward', [loss, [x]])).toThrow('from the hook');
    hook.remove();
    expect(x.grad).toBeNull();
    callOperator('_backward', [x.mul(3).sum(), [x]]);
    expect(x.grad).toBeAllClose([3, 3]);
  });

  it('sees the modes of the backward that calls it', () => {
    const x = ones([2]).requiresGrad_();
    const seen: boolean[] = [];
    const y = x.mul(3);
    y.registerHook((gradient) => {
      seen.push(isGradEnabled(), gradient.mul(x).requiresGrad);
    });
    const loss = y.square().sum();
    grad([loss], [x], { retainGraph: true });
    grad([loss], [x], { createGraph: true });
    expect(seen).toEqual([false, false, true, true]);
  });
});

it('hooks of graphs that come and go leave no memory behind', () => {
  const x = tensor([1, 2], { requiresGrad: true });
  const step = (): void =>
    tidy(() => {
      const y = x.mul(2);
      const kept: Tensor[] = [];
      const hook: HookHandle = y.registerHook((gradient) => {
        kept.push(gradient.keep());
        hook.remove();
      });
      y.registerHook(() => {});
      y.sum().backward();
      x.grad = null;
      for (const one of kept) one.dispose();
    });
  step();
  const before = memory().tensors;
  for (let i = 0; i < 200; i++) step();
  expect(memory().tensors).toBe(before);
});
