// A teacher that only gives features: its head is not run.
import { RetortError } from '../../errors.ts';
import type { Inputs, LearnedBatch, Network } from '../../nn/index.ts';
import type { LossRecord } from './parse-losses.ts';
import { namingErrors } from './quiet-pass.ts';
import { SingleTeacherDistill } from './single-teacher-distill.ts';
import type { SingleTeacherDistillOptions } from './single-teacher-distill.ts';

/**
 * {@link SingleTeacherDistill} whose teacher runs backbone and neck only (`extractFeat`): for methods on features, with a teacher
 * whose head is slow, is another one than the student's, or knows other classes. The teacher has no losses of its own.
 *
 * @example
 * ```ts
 * const algorithm = new FpnTeacherDistill({ architecture: student, teacher, distiller });
 * const losses = algorithm.loss(images, { labels }); // 'student.loss', 'distill.loss_kl', ...
 * ```
 */
export class FpnTeacherDistill extends SingleTeacherDistill {
  /** @throws {RetortError} when the teacher has no `extractFeat`. */
  constructor(options: SingleTeacherDistillOptions) {
    // The original adds the student's losses and trains it, whatever these two say.
    super(options.compat === undefined ? options : { ...options, calculateStudentLoss: true, studentTrainable: true });
    if (featuresOf(this.teacher) === undefined) {
      throw new RetortError(`FpnTeacherDistill: the teacher ${this.teacher.constructor.name} has no extractFeat`, {
        code: 'unsupported',
        help: 'give it a method extractFeat(inputs) that returns its feature maps, or use SingleTeacherDistill',
      });
    }
  }

  protected override runTeacher({ inputs }: LearnedBatch): LossRecord {
    const run = featuresOf(this.teacher)!;
    if (this.teacherTrainable) this.distiller.teacherPass(() => namingErrors('the teacher', () => run(inputs)));
    else this.teacherPass(inputs, run);
    return {};
  }
}

function featuresOf(model: Network): ((inputs: Inputs) => unknown) | undefined {
  if (!('extractFeat' in model) || typeof model.extractFeat !== 'function') return undefined;
  return model.extractFeat.bind(model) as (inputs: Inputs) => unknown;
}
