// What the training loop sees of every algorithm: losses for a batch, the student to ship, the networks to evaluate.
import { Module } from '../../nn/index.ts';
import type { DataSample, LossModel } from '../../nn/index.ts';
import type { Tensor } from '../../torch/index.ts';
import { parseLosses } from './parse-losses.ts';
import type { LossRecord } from './parse-losses.ts';

export abstract class Algorithm extends Module {
  /** The network that is trained and shipped. */
  readonly architecture: LossModel;

  constructor(architecture: LossModel) {
    super();
    this.architecture = architecture;
  }

  get student(): LossModel {
    return this.architecture;
  }

  /** Networks to evaluate, by name: the student, and a teacher where there is one. */
  evaluated(): Readonly<Record<string, LossModel>> {
    return { student: this.student };
  }

  /** Modules that do not change while training: not optimised, not in checkpoints, their metrics computed once. */
  frozen(): readonly Module[] {
    return [];
  }

  /**
   * The losses of a batch by name.
   * @param inputs `(N, C, H, W)`
   * @param dataSamples one per image
   */
  abstract loss(inputs: Tensor, dataSamples: readonly DataSample[]): LossRecord;

  /** See {@link parseLosses}. */
  parseLosses(losses: LossRecord): ReturnType<typeof parseLosses> {
    return parseLosses(losses);
  }

  /** The same as {@link loss}: calling the algorithm computes its losses. */
  override forward(inputs: Tensor, dataSamples: readonly DataSample[]): LossRecord {
    return this.loss(inputs, dataSamples);
  }
}

/** Turns in-place activations off below a module, so that what was recorded before them stays what it was. */
export function disableInplace(model: Module): void {
  for (const module of model.modules()) {
    if ('inplace' in module && module.inplace === true) module.inplace = false;
  }
}
