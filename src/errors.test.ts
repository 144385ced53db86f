// The error class: its message, where it happened, the way out, and the code that programs act on.
import { expect, it } from 'vitest';

import { didYouMean, RetortError } from './errors.ts';

it('says what, where and the way out, each on a line of its own', () => {
  const error = new RetortError('f: n: expected an integer, got 1.5', { help: 'round it' });
  error.locate('backbone.layer1');
  expect(error.message).toBe('f: n: expected an integer, got 1.5\n  in: backbone.layer1\n  help: round it');
  expect(error.help).toBe('round it');
});

it('can be given the name of what it is about, and keeps all else', () => {
  const cause = new Error('the reason');
  const error = new RetortError('no memory', { code: 'out-of-memory', help: 'smaller batches', cause });
  error.locate('layer1');
  error.prefix('teacher "a"');
  expect(error.message).toBe('teacher "a": no memory\n  in: layer1\n  help: smaller batches');
  expect(error.stack).toContain('teacher "a": no memory\n  in: layer1\n  help: smaller batches\n');
  expect(error).toMatchObject({
    what: 'teacher "a": no memory',
    code: 'out-of-memory',
    help: 'smaller batches',
    cause,
  });
});

it('has a code to act on, which is that of an argument unless it says otherwise', () => {
  expect(new RetortError('f: n: expected an integer').code).toBe('invalid-argument');
  expect(new RetortError('gone', { code: 'not-found' }).code).toBe('not-found');
});

it('names the nearest, or what there is', () => {
  expect(didYouMean('KLDivergance', ['L1Loss', 'KLDivergence'])).toBe('did you mean "KLDivergence"?');
  expect(didYouMean('x', ['L1Loss', 'KLDivergence'])).toBe('there are: "L1Loss", "KLDivergence"');
});
