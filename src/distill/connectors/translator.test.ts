// Translator: the contract, the shape of a Paraphraser's factors.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { tidy } from '../../torch/index.ts';
import { describeConnector } from './connector.contract.ts';
import { Paraphraser, Translator } from './index.ts';

const options = { inChannels: 2, outChannels: 3, useBn: false };
describeConnector('Translator', {
  options,
  make: () => new Translator(options),
  input: [2, 2, 4, 3],
  outputs: [[2, 3, 4, 3]],
  wrong: [
    [2, 3, 4, 4],
    [2, 4, 4],
  ],
});

it("has the shape of the teacher's factors, and batch norms by default", () => {
  tidy(() => {
    const student = new Translator({ inChannels: 1, outChannels: 2 });
    const teacher = new Paraphraser({ inChannels: 3, outChannels: 2, phase: 'train' });
    const factors = [
      student.forward(wave({ shape: [1, 1, 5, 5], a: 0.3, b: 0 }, 'float32')),
      teacher.forward(wave({ shape: [1, 3, 5, 5], a: 0.3, b: 0 }, 'float32')),
    ];
    expect(factors[0]!.shape).toEqual(factors[1]!.shape);
    expect(Object.keys(student.stateDict())).toContain('encoder.1.running_mean');
    expect(Object.keys(teacher.stateDict())).not.toContain('encoder.1.running_mean');
  });
});
