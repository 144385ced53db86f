// Squared distance of logits: the student regresses the teacher's scores before the softmax.
import type { Tensor } from '../../torch/index.ts';
import { classShape, divisorOf, positionsOf, samplesFirst, withoutIgnored } from './common/classes.ts';
import type { ClassOptions, ClassSettings } from './common/classes.ts';
import type { DivergenceArguments } from './common/divergence.ts';
import { requireSameShape } from './common/shapes.ts';
import { both, sides, teacherSchema } from './common/sides.ts';
import type { TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

/** Options of {@link LogitMSE}. */
export interface LogitMSEOptions extends TeacherOptions, ClassOptions {}
/** What {@link LogitMSE} compares. */
export type LogitMSEArguments = DivergenceArguments;

/**
 * `lossWeight * 1 / (2 N) * sum_n |predsS_n - predsT_n|^2`: summed over classes and halved, as in the paper. `C / 2` times what
 * a mean over all elements gives.
 *
 * Ba, Caruana: Do Deep Nets Really Need to be Deep?, arXiv 1312.6184.
 *
 * @example
 * ```ts
 * const loss = new LogitMSE();
 * const value = loss.forward({ predsS: randn([2, 10]), predsT: randn([2, 10]) }); // a scalar
 * ```
 */
export class LogitMSE extends DistillLoss<TeacherSettings & ClassSettings> {
  static readonly about = {
    summary: 'Squared distance of logits.',
    paper: 'Ba, Caruana 2013, arXiv 1312.6184',
  };
  static override readonly schema = teacherSchema(classShape);
  override readonly inputs = { required: ['predsS', 'predsT'], optional: ['mask'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: LogitMSEOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ, or the mask does not fit them. */
  override forward({ predsS, predsT, mask }: LogitMSEArguments): Tensor {
    requireSameShape('LogitMSE', ['predsS', predsS], ['predsT', predsT]);
    const { axis, ignored, first } = samplesFirst('LogitMSE', ['predsS', predsS], this.options.dim, mask);
    const [student, teacher] = both(sides(predsS, predsT, this.options.teacherDetach), (logits) =>
      withoutIgnored(first(logits), ignored, axis),
    );
    const divisor = divisorOf('batchmean', positionsOf(student, axis), { ignored });
    return this.weigh(student.sub(teacher).square().sum().div(divisor), 0.5);
  }
}
