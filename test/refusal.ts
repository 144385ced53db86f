// What a refused call is matched by in tests: the code of the error, and the names and values that its message must say. So a test
// fails when an error is of another kind or leaves out what people need, and not when a sentence gets better.
import { expect } from 'vitest';

import type { RetortErrorCode } from '../src/errors.ts';
import type { FormatErrorCode } from '../src/formats/index.ts';

/**
 * For `toThrow`, `rejects.toThrow` and `toEqual`: a RetortError of this code whose message, help included, contains every mention.
 * @param mentions names, values, shapes, paths: what a reader needs, not sentences; a number as a whole, so that 3 is not found in 32
 *
 * @example
 * ```ts
 * expect(() => buildLoss({ type: 'KLDivergence', tua: 4 })).toThrow(refusal('unknown-option', 'KLDivergence', 'tua', 'tau'));
 * ```
 */
export function refusal(code: RetortErrorCode | FormatErrorCode, ...mentions: readonly (string | number)[]): Error {
  const each = mentions.map((mention) => {
    const text = String(mention).replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
    return `(?=[^]*${typeof mention === 'number' ? `(?<![\\d.])${text}(?!\\.?\\d)` : text})`;
  });
  return expect.objectContaining({ code, message: expect.stringMatching(new RegExp(`^${each.join('')}`)) }) as Error;
}

/**
 * Code and message of what a promise is refused with, for `toEqual(refusal(...))`: the error itself would keep alive what stands in its
 * stack, such as tensors of the run that it ended.
 */
export function refusedWith(running: Promise<unknown>): Promise<{ code?: string; message: string } | undefined> {
  return running.then(
    () => undefined,
    ({ code, message }: Error & { code?: string }) => ({ ...(code === undefined ? {} : { code }), message }),
  );
}
