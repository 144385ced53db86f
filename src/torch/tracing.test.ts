// Operators told of as they are called: names, arguments, what runs untold, and an end whatever happens.
import { expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { ops, tensor, tidy } from './index.ts';
import type { Tensor } from './index.ts';
import { traceOperators } from './internal.ts';

function traced(fn: () => unknown): string[] {
  const calls: string[] = [];
  traceOperators(fn, (call, proceed) => {
    const names = [...call.args.keys()].join(' ');
    calls.push(`${call.overload}(${names})${call.inPlace ? ' in place' : ''}`);
    return proceed();
  });
  return calls;
}

it('tells of each call, with what was given', () => {
  tidy(() => {
    const x = tensor([1, -2]);
    let result: Tensor | undefined;
    const calls = traced(() => {
      result = ops.relu(x.add(x, { alpha: 2 })).mul_(2);
    });
    expect(calls).toEqual(['add.Tensor(self other alpha)', 'relu(self)', 'mul_.Scalar(self other) in place']);
    expect(result).toBeAllClose([6, 0]);
  });
});

it('does not tell of what is called while it tells, nor afterwards', () => {
  tidy(() => {
    const x = tensor([1, 2]);
    const seen: string[] = [];
    traceOperators(
      () => x.add(1),
      ({ operator, args }, proceed) => {
        seen.push(operator);
        (args.get('self') as Tensor).sum();
        return proceed();
      },
    );
    x.add(1);
    expect(seen).toEqual(['add']);
  });
});

it('ends with an error, and refuses what would go on later', () => {
  tidy(() => {
    const x = tensor([1]);
    const fails = (): unknown => traced(() => x.add(tensor([1, 2, 3])).view([7]));
    expect(fails).toThrow(refusal('engine'));
    expect(() => traced(() => Promise.resolve(x))).toThrow(refusal('async-function', 'traceOperators'));
    expect(traced(() => x.sin())).toEqual(['sin(self)']);
  });
});
