// Squared distance of logits: the student regresses the teacher's scores before the softmax.
import { entry } from '../../registry/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { requireSameShape } from './common/shapes.ts';
import { sides, teacherSchema } from './common/sides.ts';
import type { LogitPair, TeacherOptions, TeacherSettings } from './common/sides.ts';
import { DistillLoss } from './loss.ts';

export type LogitMSEOptions = TeacherOptions;
export type LogitMSEArguments = LogitPair;

/**
 * `lossWeight * 1 / (2 N) * sum_n |predsS_n - predsT_n|^2`: summed over classes and halved, as in the paper. `C / 2` times what
 * a mean over all elements gives.
 *
 * Ba, Caruana: Do Deep Nets Really Need to be Deep?, arXiv 1312.6184.
 */
export class LogitMSE extends DistillLoss<TeacherSettings> {
  static override readonly schema = teacherSchema({});
  override readonly inputs = { required: ['predsS', 'predsT'] };

  /** @throws {RetortError} for options that make no sense. */
  constructor(options: LogitMSEOptions = {}) {
    super(options);
  }

  /** @throws {RetortError} when the shapes differ. */
  override forward({ predsS, predsT }: LogitMSEArguments): Tensor {
    requireSameShape('LogitMSE', ['predsS', predsS], ['predsT', predsT]);
    const [student, teacher] = sides(predsS, predsT, this.options.teacherDetach);
    const squares = student.sub(teacher).square().sum();
    return this.weigh(squares.div(predsS.shape[0] ?? 1), 0.5);
  }
}

export const logitMSE = entry(LogitMSE, {
  summary: 'Squared distance of logits.',
  paper: 'Ba, Caruana 2013, arXiv 1312.6184',
});
