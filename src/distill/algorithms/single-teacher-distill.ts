// One teacher, one student: both see the batch, recorders take what the losses compare.
import { BatchNorm } from '../../nn/index.ts';
import type { DataSample, LossModel, Module } from '../../nn/index.ts';
import { noGrad } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { ConfigurableDistiller } from '../distillers/index.ts';
import { Algorithm, disableInplace } from './algorithm.ts';
import type { LossRecord } from './parse-losses.ts';

export interface SingleTeacherDistillOptions {
  /** The student. */
  architecture: LossModel;
  teacher: LossModel;
  distiller: ConfigurableDistiller;
  /** Train the teacher too: its losses join as `teacher.*`. Default false: it is frozen and in evaluation mode whole. */
  teacherTrainable?: boolean;
  /** Keep the batch norms of a trainable teacher in evaluation mode. Default true. */
  teacherNormEval?: boolean;
  /** Train the student. Default true. */
  studentTrainable?: boolean;
  /** Add the student's own losses, as `student.*`. Default true. */
  calculateStudentLoss?: boolean;
  /** Leave in-place activations of the teacher on; records taken before one are then refused. Default false. */
  teacherModuleInplace?: boolean;
}

/** Hinton, Vinyals, Dean, arXiv 1503.02531, and every offline method with one teacher. Losses: `student.*`, `teacher.*`, `distill.*`. */
export class SingleTeacherDistill extends Algorithm {
  readonly teacher: LossModel;
  readonly distiller: ConfigurableDistiller;
  readonly teacherTrainable: boolean;
  readonly teacherNormEval: boolean;
  readonly studentTrainable: boolean;
  readonly calculateStudentLoss: boolean;

  constructor(options: SingleTeacherDistillOptions) {
    super(options.architecture);
    this.teacher = options.teacher;
    this.distiller = options.distiller;
    this.teacherTrainable = options.teacherTrainable ?? false;
    this.teacherNormEval = options.teacherNormEval ?? true;
    this.studentTrainable = options.studentTrainable ?? true;
    this.calculateStudentLoss = options.calculateStudentLoss ?? true;
    disableInplace(this.architecture);
    if (options.teacherModuleInplace !== true) disableInplace(this.teacher);
    if (!this.teacherTrainable) this.teacher.requiresGrad_(false);
    if (!this.studentTrainable) this.architecture.requiresGrad_(false);
    this.distiller.prepareFromStudent(this.architecture);
    this.distiller.prepareFromTeacher(this.teacher);
    this.train();
  }

  override evaluated(): Readonly<Record<string, LossModel>> {
    return { student: this.student, teacher: this.teacher };
  }

  override frozen(): readonly Module[] {
    return this.teacherTrainable ? [] : [this.teacher];
  }

  override train(mode = true): this {
    super.train(mode);
    if (!this.teacherTrainable) this.teacher.eval();
    else if (mode && this.teacherNormEval) {
      for (const module of this.teacher.modules()) if (module instanceof BatchNorm) module.eval();
    }
    if (!this.studentTrainable) this.architecture.eval();
    return this;
  }

  override loss(inputs: Tensor, dataSamples: readonly DataSample[]): LossRecord {
    const { distiller } = this;
    const losses: Record<string, Tensor> = {};
    const runTeacher = (): Record<string, Tensor> => this.teacher.forward(inputs, dataSamples, 'loss');
    const ofTeacher = distiller.teacherRecorders.record(() =>
      this.teacherTrainable ? runTeacher() : noGrad(runTeacher),
    );
    if (this.teacherTrainable) addPrefixed(losses, 'teacher', ofTeacher);
    const runStudent = (): Record<string, Tensor> => this.architecture.forward(inputs, dataSamples, 'loss');
    const ofStudent = distiller.studentRecorders.record(() =>
      this.studentTrainable ? runStudent() : noGrad(runStudent),
    );
    if (this.calculateStudentLoss) addPrefixed(losses, 'student', ofStudent);
    addPrefixed(losses, 'distill', distiller.forward());
    return losses;
  }
}

function addPrefixed(into: Record<string, Tensor>, prefix: string, from: Readonly<Record<string, Tensor>>): void {
  for (const [name, value] of Object.entries(from)) into[`${prefix}.${name}`] = value;
}
