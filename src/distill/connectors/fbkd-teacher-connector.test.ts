// FBKDTeacherConnector: the contract; the same masks as the student's side, the features as they came.
import { expect, it } from 'vitest';

import { wave } from '../../../test/golden.ts';
import { tidy } from '../../torch/index.ts';
import { describeConnector } from './connector.contract.ts';
import { FBKDStudentConnector, FBKDTeacherConnector } from './index.ts';
import type { FBKDOptions } from './index.ts';

const options: FBKDOptions = { inChannels: 2, mode: 'embedded_gaussian', normCfg: null, useScale: true, std: 0.1 };
describeConnector('FBKDTeacherConnector', {
  options: { ...options },
  make: () => new FBKDTeacherConnector(options),
  input: [2, 2, 3, 3],
  outputs: [
    [2, 1, 3, 3],
    [2, 2, 1, 1],
    [2, 1, 3, 3],
    [2, 2, 3, 3],
    [2, 2, 3, 3],
  ],
  wrong: [
    [2, 3, 4, 4],
    [2, 2, 4],
  ],
  differs: ({ subSample }) => subSample === true,
});

it("has the student's masks and gives x back", () => {
  tidy(() => {
    const x = wave({ shape: [2, 4, 5, 5], a: 0.29, b: 0.3 }, 'float32');
    const teacher = new FBKDTeacherConnector({ inChannels: 4 }).forward(x);
    const student = new FBKDStudentConnector({ inChannels: 4 }).forward(x);
    for (const i of [0, 1]) expect(teacher[i]!).toBeAllClose(student[i]!, { rtol: 0, atol: 0 });
    expect(teacher[2]).toBeAllClose(x.mean([1], true));
    expect(teacher.at(-1)).toBe(x);
  });
});
