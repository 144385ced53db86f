// Overhaul of Feature Distillation: SingleTeacherDistill with margins computed from the teacher's batch norms.
import { RetortError } from '../../errors.ts';
import { OFDDistiller } from '../distillers/index.ts';
import { SingleTeacherDistill } from './single-teacher-distill.ts';
import type { SingleTeacherDistillOptions } from './single-teacher-distill.ts';

/**
 * The margins are computed when the algorithm is made, from the teacher's weights; load those first, or call
 * `distiller.initOfdConnectors(teacher)` again. They are in checkpoints.
 *
 * Heo et al.: A Comprehensive Overhaul of Feature Distillation, arXiv 1904.01866.
 *
 * @example
 * ```ts
 * const algorithm = new OverhaulFeatureDistillation({ architecture: student, teacher, distiller });
 * const losses = algorithm.loss(images, { labels }); // 'student.loss', 'distill.loss_kl', ...
 * ```
 */
export class OverhaulFeatureDistillation extends SingleTeacherDistill {
  /** @throws {RetortError} when the distiller is not an OFDDistiller. */
  constructor(options: SingleTeacherDistillOptions) {
    super(options);
    const { distiller, teacher } = this;
    if (!(distiller instanceof OFDDistiller)) {
      throw new RetortError(
        `OverhaulFeatureDistillation: distiller: expected an OFDDistiller, got ${distiller.constructor.name}`,
        { help: "write { type: 'OFDDistiller', ... }" },
      );
    }
    if (options.teacherCache?.weights === false) {
      throw new RetortError(
        'OverhaulFeatureDistillation: teacherCache: the margins are computed from the weights of the teacher',
        {
          code: 'not-found',
          help: 'name its checkpoint: teacherCkpt',
        },
      );
    }
    distiller.initOfdConnectors(teacher);
  }
}
