// The options of the loop that a program and a config both give, and those of optimizers for parts of networks: explained and checked
// here alone. The check of configs reads them too, and loads nothing else of this folder: it imports nothing that computes.
import { z } from 'zod';

import { deviceMistake } from '../check.ts';
import type { ComputeDevice } from '../check.ts';
import { count } from '../registry/index.ts';
import type { OptionsFrom } from '../registry/index.ts';

/** The schema of the name of a device to compute on; whether it is there is asked where it is used. */
const deviceSchema = z.custom<ComputeDevice>((value) => deviceMistake(value) === undefined, {
  error: ({ input }) =>
    typeof input === 'string' ? deviceMistake(input) : 'expected a device ("cpu", "cuda", "cuda:1")',
});

/** The schema of {@link LoopOptions}, field by field. */
export const loopOptions = {
  /** How often all of the training data is gone through. */
  epochs: count,
  /** Ends training after so many steps in all, also inside an epoch. A step is one update of the weights. Default: after the last epoch. */
  maxSteps: count.exactOptional(),
  /** Batches in a step, whose gradients are averaged; the last step of an epoch has those that are left. Default 1. */
  accumulate: count.exactOptional(),
  /** Clip the norm of all gradients together. Default: not at all. */
  maxGradNorm: z.number().positive().exactOptional(),
  /** `'bfloat16'` computes convolutions and matrix products in bfloat16 (autocast). Default `'float32'`. */
  precision: z.enum(['float32', 'bfloat16']).exactOptional(),
  /**
   * Where networks are trained and measured: `'cpu'`, `'cuda'` or, of several, `'cuda:1'`. Batches are made on the CPU and moved there.
   * Default: the CPU, or where a program has put them.
   */
  device: deviceSchema.exactOptional(),
  /** Epochs between two evaluations; the last is always evaluated. Default 1. */
  valInterval: count.exactOptional(),
  /** Steps between two training checkpoints within an epoch. Default: only at its end. */
  saveInterval: count.exactOptional(),
  /** Evaluate how alike student and teacher are too. Default false. */
  agreement: z.boolean().exactOptional(),
  /**
   * Write `predictions.json` into the run's folder after each evaluation of classifiers: confusion, and pictures of what student and teacher
   * judge most differently. Default true.
   */
  predictions: z.boolean().exactOptional(),
  /** Write a file for TensorBoard into the run's folder too: all metrics, the first training images, the config. Default false. */
  tensorboard: z.boolean().exactOptional(),
  /** Which of the algorithm's networks are evaluated. Default: all. */
  evaluated: z.array(z.string()).readonly().exactOptional(),
};

/** What the loop may be told, by a program and by a config. */
export interface LoopOptions extends OptionsFrom<typeof loopOptions> {}

const multipliers = {
  /** Factor on the learning rate. Default 1. */
  lrMult: z.number().exactOptional(),
  /** Factor on the weight decay. Default 1. */
  decayMult: z.number().exactOptional(),
};
/** Factors for some parameters. */
export interface Multipliers extends OptionsFrom<typeof multipliers> {}

const factors: z.ZodType<Multipliers, Multipliers> = z.strictObject(multipliers);
const paramwise = {
  /**
   * Factors for parameters whose path contains a text, such as `{ backbone: { lrMult: 0.1 } }`; the longest text that fits counts,
   * and then nothing below does.
   */
  customKeys: z.record(z.string(), factors).exactOptional(),
  /** For biases of everything but norms. Default 1. */
  biasLrMult: z.number().exactOptional(),
  /** For biases of everything but norms. Default 1. */
  biasDecayMult: z.number().exactOptional(),
  /** For scales and shifts of norms. Default 1. */
  normDecayMult: z.number().exactOptional(),
  /** For all other parameters of at most one dimension. Default 1. */
  flatDecayMult: z.number().exactOptional(),
};
/** Learning rates and weight decays for parts of networks. */
export interface ParamwiseOptions extends OptionsFrom<typeof paramwise> {}

/** The schema of {@link ParamwiseOptions}. */
export const paramwiseSchema: z.ZodType<ParamwiseOptions, ParamwiseOptions> = z.strictObject(paramwise);
