// WSLD: the contract, the original's numbers, any number of classes, labels that are none.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { itMatchesGoldens, wave } from '../../../test/golden.ts';
import { dot, relativeError, mean, rowsOf, softmax } from '../../../test/plain.ts';
import { grad, tensor, tidy } from '../../torch/index.ts';
import type { DType } from '../../torch/index.ts';
import { WSLD } from './index.ts';
import { describeLoss } from './loss.contract.ts';

itMatchesGoldens('WSLD');

const labels = [1, 4, 0, 2];
const args = (dtype: DType = 'float64') => ({
  student: wave({ shape: [4, 5], a: 0.71, b: 0.2, scale: 2 }, dtype),
  teacher: wave({ shape: [4, 5], a: 0.43, b: 1.1, scale: 2.5 }, dtype),
  gtLabels: tensor(labels.map(BigInt)),
});

describeLoss('WSLD', {
  args,
  minusInfinity: ['teacher', 'all'],
  trains: ['student', 'teacher'],
  differentiable: false, // the weight of a sample is a constant, see below
  sameShape: [
    ['student', 'teacher'],
    ['student', 'gtLabels'],
  ],
});

it('weighs soft labels by how far the student is behind, whatever the number of classes', () => {
  const tau = 2;
  expect(
    relativeError({ type: 'WSLD', tau }, args, ({ student, teacher }) => {
      const teachers = rowsOf(teacher);
      const each = rowsOf(student).map((row, n) => {
        const own = (logits: readonly number[]): number => -Math.log(softmax(logits)[labels[n]!]!);
        const focus = 1 - Math.exp(-own(row) / (own(teachers[n]!) + 1e-7));
        return -focus * dot(softmax(teachers[n]!, tau), softmax(row, tau).map(Math.log));
      });
      return tau ** 2 * mean(each);
    }),
  ).toBeLessThan(1e-9);
});

it('gives gradients of the soft labels, to both sides or to the student', () => {
  tidy(() => {
    const { student, teacher, gtLabels } = args();
    const [ours, theirs] = grad([new WSLD().forward({ student, teacher, gtLabels })], [student, teacher]);
    for (const gradient of [ours!, theirs!]) {
      expect(gradient.abs().sum().item()).toBeGreaterThan(0);
      expect(gradient.sum(1)).toBeAllClose([0, 0, 0, 0], { atol: 1e-12 }); // a softmax does not change with a shift
    }
    const detached = new WSLD({ teacherDetach: true }).forward({ student, teacher, gtLabels });
    const [same, none] = grad([detached], [student, teacher], { allowUnused: true });
    expect(same).toBeAllClose(ours!);
    expect(none).toBe(null);
  });
});

it('is finite for a teacher that is sure and right', () => {
  tidy(() => {
    const student = tensor([[-1e4, 1e4]], { requiresGrad: true });
    const loss = new WSLD().forward({ student, teacher: student.neg().detach(), gtLabels: tensor([0n]) });
    const all = [loss, ...grad([loss], [student])].flatMap((one) => Array.from(one!.data(), Number));
    expect(all.every(Number.isFinite)).toBe(true);
  });
});

it('refuses logits of another width than numClasses, and labels outside the classes', () => {
  tidy(() => {
    expect(() => new WSLD({ numClasses: 1000 }).forward(args())).toThrow(
      refusal('invalid-argument', 'numClasses', 1000, '[4, 5]', 5),
    );
    const gtLabels = tensor([0n, 1n, 2n, 9n]);
    expect(() => new WSLD().forward({ ...args(), gtLabels })).toThrow(
      refusal('invalid-argument', 'WSLD', 'gtLabels', 3, 9),
    );
  });
});
