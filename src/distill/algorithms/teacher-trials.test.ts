// What several processes of one run measure: all of them ask the group for the same, whatever happens in one.
import { afterEach, describe, expect, it, vi } from 'vitest';

import { RetortError } from '../../errors.ts';
import { Linear } from '../../nn/index.ts';
import { processGroup, tensor, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { everywhere, moved, shared, together } from './teacher-trials.ts';
import type { TrialParts } from './teacher-trials.ts';

vi.mock('../../torch/index.ts', async (original) => ({
  ...(await original<object>()),
  processGroup: vi.fn<() => unknown>(() => undefined),
}));

/** Two processes, of which this is the second; the first answers so. */
function besides(first: (value: unknown) => unknown): unknown[] {
  const asked: unknown[] = [];
  const allGatherObject = (value: unknown): unknown[] => {
    asked.push(value);
    return JSON.parse(JSON.stringify([first(value), value])) as unknown[];
  };
  vi.mocked(processGroup).mockReturnValue({ allGatherObject } as never);
  return asked;
}

afterEach(() => void vi.mocked(processGroup).mockReset());

const failing = (): never => {
  throw new RetortError('out of memory\nmore');
};

describe('of several processes', () => {
  it('the first says what is shared, and all must have what is needed everywhere', () => {
    expect([shared(2), everywhere(true), everywhere(false)]).toEqual([2, true, false]);
    besides(() => 1);
    expect(shared(2)).toBe(1);
    besides(() => false);
    expect(everywhere(true)).toBe(false);
    besides(() => true);
    expect([everywhere(true), everywhere(false)]).toEqual([true, false]);
  });

  it('one that fails makes all fail, none left waiting', () => {
    expect(together(() => 3)).toBe(3);
    besides(() => '');
    expect(together(() => 3)).toBe(3);
    besides(() => 'a kernel is missing');
    expect(() => together(() => 3)).toThrow(RetortError);
    expect(() => together(() => 3)).toThrow('a kernel is missing');
    const asked = besides(() => '');
    expect(() => together(failing)).toThrow('out of memory');
    expect(asked).toEqual(['out of memory']);
    expect(() =>
      together(() => {
        throw new TypeError('ours');
      }),
    ).toThrow(TypeError);
  });

  it('what cannot be computed in one has moved infinitely far in all', () => {
    const root = new Linear(2, 1);
    const parts = (losses: TrialParts['losses']): TrialParts => ({
      distiller: undefined as never,
      teachers: {},
      run: () => undefined,
      losses,
      root,
    });
    const fine = parts(({ inputs }) => ({ loss: root.forward(inputs as Tensor).sum() }));
    const most = (tried: TrialParts): number =>
      tidy(() => moved(tried, { inputs: tensor([[1, 2]]), targets: {} }, (body) => body()).most);
    expect(most(fine)).toBe(0);
    const asked = besides(() => null);
    expect(most(fine)).toBe(Infinity);
    expect(asked).toEqual([0]);
    const seen = besides(() => 0);
    expect(most(parts(failing))).toBe(Infinity);
    expect(seen).toEqual([Infinity]);
  });
});
