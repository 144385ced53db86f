// What goes wrong in a connector: shapes that do not fit are its own error, others stay what they are.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { RetortError } from '../../errors.ts';
import { zeros, tidy } from '../../torch/index.ts';
import { fitting } from './shapes.ts';

it('says what does not fit, and keeps the code of what has another reason', () => {
  tidy(() => {
    const x = zeros([2, 3]);
    expect(() => fitting('Mine', x, () => x.matmul(x))).toThrow(refusal('invalid-argument', 'Mine: x', '[2, 3]'));
    const noMemory = (): never => {
      throw new RetortError('no memory', { code: 'out-of-memory', help: 'smaller batches' });
    };
    expect(() => fitting('Mine', x, noMemory)).toThrow(refusal('out-of-memory', 'Mine: no memory', 'smaller batches'));
  });
});
