// What tests mean by a mention: a text anywhere, a number as a whole.
import { expect, it } from 'vitest';

import { RetortError } from '../src/errors.ts';
import { refusal } from './refusal.ts';

it('finds texts anywhere, and numbers as whole numbers', () => {
  const error = new RetortError('classes: expected 32, got (1.5, -4) at step 7.');
  for (const mention of ['3', 'lass', 32, 1.5, 4, 7]) expect(error).toEqual(refusal('invalid-argument', mention));
  for (const mention of [3, 2, 1, 5, 0.5, 'classes!']) expect(error).not.toEqual(refusal('invalid-argument', mention));
});
