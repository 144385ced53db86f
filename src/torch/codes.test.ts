// Errors of the engine carry codes, so that programs need not read their words.
import { expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import type { RetortErrorCode } from '../errors.ts';
import { autocast, callOperator, full, grad, ones, tensor, tidy } from './index.ts';
import type { DType } from './index.ts';

const disposed = ones([1]);
disposed.dispose();

const calls: readonly [what: string, call: () => unknown, code: RetortErrorCode][] = [
  ['a wrong argument', () => grad(ones([1]) as never, []), 'invalid-argument'],
  ['an option that there is not', () => tensor([1], { dtpye: 'int64' } as never), 'unknown-option'],
  ['a dtype that there is not', () => autocast(() => 0, 'flaot32' as DType), 'unknown-name'],
  ['an operator that there is not', () => callOperator('no_such_operator', []), 'unknown-name'],
  ['a tensor that was disposed', () => disposed.add(1), 'invalid-state'],
  ['an asynchronous function', () => tidy(async () => await Promise.resolve(1)), 'async-function'],
  ['what libtorch refuses', () => ones([2, 3]).matmul(ones([2, 3])), 'engine'],
  ['what would crash it', () => callOperator('pixel_shuffle', [ones([1, 4, 1, 1]), 2 ** 32]), 'engine'],
  ['more than there is room for', () => full([2 ** 40], 1), 'out-of-memory'],
];

it.each(calls)('%s', (_, call, code) => {
  expect(call).toThrow(refusal(code));
});
