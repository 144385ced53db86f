// The two sides that a loss compares, as it computes with them: at least float32, and the teacher's a constant.
import { z } from 'zod';

import type { OptionsFrom, SettingsFrom } from '../../../registry/index.ts';
import type { Tensor } from '../../../torch/index.ts';
import { lossSchema } from '../loss.ts';
import type { LossOptions, LossSettings } from '../loss.ts';

const closed = {
  /** Keep gradients from the teacher's side. Default true. */
  teacherDetach: z.boolean().default(true),
};
// Losses that let gradients through to the teacher's side, as MMRazor's do: a teacher without gradients (frozen, run under
// noGrad) is a constant anyway, and generators, paraphrasers and connectors behind a teacher are trained through it.
const open = {
  /** Keep gradients from the teacher's side. Default false. */
  teacherDetach: z.boolean().default(false),
};

/** The options of every loss with a teacher's side. */
export interface TeacherOptions extends LossOptions, OptionsFrom<typeof closed> {}
/** The same, for the losses through which a teacher's side is trained. */
export interface OpenTeacherOptions extends LossOptions, OptionsFrom<typeof open> {}
/** Either, once they are checked. */
export interface TeacherSettings extends LossSettings, SettingsFrom<typeof closed> {}

/** The schema of a loss's options: its own, and those of {@link TeacherOptions}. */
export function teacherSchema<S extends z.ZodRawShape>(own: S) {
  return lossSchema({ ...closed, ...own });
}

/** The schema of a loss's options: its own, and those of {@link OpenTeacherOptions}. */
export function openTeacherSchema<S extends z.ZodRawShape>(own: S) {
  return lossSchema({ ...open, ...own });
}

/** Logits of both networks. */
export interface LogitPair {
  /** The student's logits, `(N, C)`, or with more positions, such as `(N, C, H, W)` and `(N, L, C)`: `dim` says which axis is C. */
  predsS: Tensor;
  /** The teacher's logits, of the same shape. */
  predsT: Tensor;
}

/** Features of both networks. */
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
