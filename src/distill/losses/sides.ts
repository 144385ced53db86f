// The two sides that a loss compares, as it computes with them: at least float32, and the teacher's a constant.
import { z } from 'zod';

import type { Tensor } from '../../torch/index.ts';
import { lossSchema } from './loss.ts';
import type { LossOptions } from './loss.ts';

/** What every loss with a teacher's side may be told. */
export interface TeacherOptions extends LossOptions {
  /** Keep gradients from the teacher's side. Default true. */
  teacherDetach?: boolean;
}

/** The schema of a loss's options: its own, and those of {@link TeacherOptions}. */
export function teacherSchema<S extends z.ZodRawShape>(own: S) {
  return lossSchema({ teacherDetach: z.boolean().exactOptional(), ...own });
}

export interface LogitPair {
  /** The student's logits, `(N, C)` or `(N, C, ...)`: the classes along dimension 1. */
  predsS: Tensor;
  /** The teacher's logits, of the same shape. */
  predsT: Tensor;
}

export interface FeaturePair {
  /** The student's features, `(N, ...)`. */
  sFeature: Tensor;
  /** The teacher's features. */
  tFeature: Tensor;
}

/** The tensor in float32 where it has half of that: sums over pairs and a small eps mean little in bfloat16. */
export function widened(tensor: Tensor): Tensor {
  const { dtype } = tensor;
  return dtype === 'bfloat16' || dtype === 'float16' ? tensor.to('float32') : tensor;
}

/** Student's and teacher's tensor, widened; with `detach` no gradient reaches the teacher's. */
export function sides(student: Tensor, teacher: Tensor, detach: boolean): [student: Tensor, teacher: Tensor] {
  return [widened(student), teacherSide(teacher, detach)];
}

/** The teacher's tensor, widened; a constant when `detach`. */
export function teacherSide(teacher: Tensor, detach: boolean): Tensor {
  return widened(detach ? teacher.detach() : teacher);
}

/** The same done to both sides. */
export function both(
  [student, teacher]: readonly [Tensor, Tensor],
  change: (tensor: Tensor) => Tensor,
): [student: Tensor, teacher: Tensor] {
  return [change(student), change(teacher)];
}
