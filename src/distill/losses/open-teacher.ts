// Options of the losses that let gradients through to the teacher's side, as MMRazor's do: a teacher without gradients (frozen,
// run under noGrad) is a constant anyway, and generators, paraphrasers and connectors behind a teacher are trained through it.
import type { LossOptions } from './loss.ts';

export interface OpenTeacherOptions extends LossOptions {
  /** Keep gradients from the teacher's side. Default false. */
  teacherDetach?: boolean;
}
