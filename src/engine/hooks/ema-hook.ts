// A running average of the student's weights, evaluated and saved beside the student itself.
import { join } from 'node:path';

import { z } from 'zod';

import { moveAverage, saveModule } from '../../nn/index.ts';
import type { Network } from '../../nn/index.ts';
import { checkOptions } from '../../registry/index.ts';
import { keep, noGrad, tidy } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';
import type { Metrics } from '../evaluators/index.ts';
import type { Hook, HookState, NetworkMetrics, Run } from './hook.ts';

/** Options of {@link EMAHook}. */
export interface EMAHookOptions {
  /** Share of the new weights at each optimizer step, within (0, 1]. Default 0.0002. */
  momentum?: number | undefined;
}

/** The schema of {@link EMAHookOptions}. */
export const emaHookOptions = z.strictObject({ momentum: z.number().positive().max(1).default(0.0002) });

/**
 * After each optimizer step `average = (1 - momentum) * average + momentum * student`, for parameters and floating-point buffers; others are
 * copied. Polyak and Juditsky 1992. Evaluated as `ema`, saved as `student-ema.safetensors` under the student's own names.
 */
export class EMAHook implements Hook {
  readonly name = 'EMAHook';
  readonly #momentum: number;
  #average: Record<string, Tensor> | undefined;

  constructor(options: EMAHookOptions = {}) {
    this.#momentum = checkOptions(emaHookOptions, options, 'EMAHook').momentum;
  }

  beforeRun({ algorithm }: Run): void {
    const state = tidy(() => keep(algorithm.student.stateDict()));
    this.#average = this.#average === undefined ? clones(state) : alike(this.#average, state);
    for (const tensor of Object.values(state)) tensor.dispose();
  }

  afterStep({ algorithm }: Run): void {
    tidy(() => moveAverage(this.#average!, algorithm.student.stateDict(), this.#momentum));
  }

  async evaluateMore({ algorithm }: Run, evaluate: () => Promise<Metrics>): Promise<NetworkMetrics> {
    return { ema: await this.#swapped(algorithm.student, evaluate) };
  }

  afterSave({ algorithm, workDir }: Run): void {
    if (workDir === undefined || this.#average === undefined) return;
    const own = tidy(() => clones(algorithm.student.stateDict()));
    load(algorithm.student, this.#average);
    try {
      saveModule(join(workDir, 'student-ema.safetensors'), algorithm.student);
    } finally {
      load(algorithm.student, own);
      for (const value of Object.values(own)) value.dispose();
    }
  }

  afterRun(): void {
    for (const value of Object.values(this.#average ?? {})) value.dispose();
    this.#average = undefined;
  }

  /** Runs `body` while the student has the average's weights. */
  async #swapped<T>(student: Network, body: () => Promise<T>): Promise<T> {
    const own = tidy(() => clones(student.stateDict()));
    load(student, this.#average!);
    try {
      return await body();
    } finally {
      load(student, own);
      for (const value of Object.values(own)) value.dispose();
    }
  }

  stateDict(): HookState {
    return { tensors: this.#average ?? {} };
  }

  loadStateDict({ tensors }: Required<HookState>): void {
    this.#average = clones(tensors);
  }
}

function clones(state: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  return noGrad(() => Object.fromEntries(Object.entries(state).map(([name, value]) => [name, keep(value.clone())])));
}

/** The average where the student is: a checkpoint is read to the CPU. */
function alike(
  average: Readonly<Record<string, Tensor>>,
  state: Readonly<Record<string, Tensor>>,
): Record<string, Tensor> {
  const moved = Object.entries(average).map(([name, value]) => {
    const device = state[name]?.device ?? value.device;
    if (device === value.device) return [name, value] as const;
    const there = keep(value.to({ device }));
    value.dispose();
    return [name, there] as const;
  });
  return Object.fromEntries(moved);
}

function load(model: Network, state: Readonly<Record<string, Tensor>>): void {
  tidy(() => model.loadStateDict(state));
}
