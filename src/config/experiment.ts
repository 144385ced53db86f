// What a config file says: the algorithm, the data, the optimisers, the schedule.
import { z } from 'zod';

import { validate } from '../registry/index.ts';

const typed = z.looseObject({ type: z.string() });
const count = z.number().int().positive();

/** One of them, or several by the part of the algorithm they are for. */
const oneOrByPart = <S extends z.ZodType>(one: S) => z.union([one, z.record(z.string(), one)]);

const loader = z.strictObject({
  dataset: typed,
  batchSize: count,
  /** Applied to each batch in order, for all networks. */
  transforms: z.array(typed).exactOptional(),
  /** Applied after those to what the student sees, where `views` has something else for the others. */
  studentTransforms: z.array(typed).exactOptional(),
  /** What other networks see in place of that, by their name (`teacher`, or the name of one of several). */
  views: z.record(z.string(), z.array(typed)).exactOptional(),
});

/** Data to measure with: its classes are brought to those of the training data. */
const measured = loader.extend({
  /** `'byName'` (default): by the names of the classes; `'byNumber'`: as they are, whatever the classes are called. */
  labels: z.enum(['byName', 'byNumber']).exactOptional(),
});

const scheduler = z.looseObject({
  type: z.string(),
  by: z.enum(['step', 'epoch']).exactOptional(),
  /** When it begins and when it has ended, in what it counts. Default: the whole of training. */
  begin: z.number().nonnegative().exactOptional(),
  end: z.number().positive().exactOptional(),
  /** Its numbers are epochs, and the rate changes with every step. Default false. */
  everyStep: z.boolean().exactOptional(),
});
const multipliers = z.strictObject({ lrMult: z.number().exactOptional(), decayMult: z.number().exactOptional() });

const optimizer = z.looseObject({
  type: z.string(),
  /** Learning rates and weight decays for parts of the networks. */
  paramwise: z
    .strictObject({
      customKeys: z.record(z.string(), multipliers).exactOptional(),
      biasLrMult: z.number().exactOptional(),
      biasDecayMult: z.number().exactOptional(),
      normDecayMult: z.number().exactOptional(),
      flatDecayMult: z.number().exactOptional(),
    })
    .exactOptional(),
});

const fields = {
  /** `{ type: 'SingleTeacherDistill', architecture, teacher, teacherCkpt, distiller }`, or another algorithm. */
  model: typed,
  trainData: loader,
  valData: measured,
  /** Default: `valData`. */
  testData: measured.exactOptional(),
  optimizer: oneOrByPart(optimizer),
  /** Applied together, in order. `by` says what they count: steps or epochs (default). */
  schedulers: oneOrByPart(z.array(scheduler)).exactOptional(),
  epochs: count,
  /** Ends training after so many steps in all, also inside an epoch. A step is one update of the weights. */
  maxSteps: count.exactOptional(),
  seed: z.number().int().nonnegative().default(0),
  /** Memory format of networks and images. Default `'channels_last'`, the fastest for convolutions on CPU. */
  memoryFormat: z.enum(['contiguous', 'channels_last']).default('channels_last'),
  /** `'bfloat16'` computes convolutions and matrix products in bfloat16. Default `'float32'`. */
  precision: z.enum(['float32', 'bfloat16']).exactOptional(),
  maxGradNorm: z.number().positive().exactOptional(),
  /** Batches in a step, whose gradients are averaged; the last step of an epoch has those that are left. Default 1. */
  accumulate: count.exactOptional(),
  valInterval: count.exactOptional(),
  /** Steps between two training checkpoints within an epoch. Default: only at its end. */
  saveInterval: count.exactOptional(),
  evaluators: z.array(typed).exactOptional(),
  /** Evaluate too how alike student and teacher are. Default false. */
  agreement: z.boolean().exactOptional(),
  /** Which networks are evaluated. Default: all. */
  evaluated: z.array(z.string()).exactOptional(),
  /** Paths of frozen modules that are meant to keep the weights they were made with, such as `teacher.head`. Default: none. */
  allowInitialWeights: z.array(z.string()).exactOptional(),
  hooks: z.array(typed).exactOptional(),
  /** Files whose default export adds entries to registries. */
  imports: z.array(z.string()).exactOptional(),
};

const partial = z
  .strictObject(fields)
  .partial()
  .extend({
    seed: z.number().int().nonnegative().exactOptional(),
    memoryFormat: z.enum(['contiguous', 'channels_last']).exactOptional(),
  });

const stage = partial.extend({
  /** Its folder in the run's, and what later stages call it. */
  name: z.string().regex(/^[\w-]+$/, 'expected letters, digits, _ and -'),
  /** Weights to begin with: a module of an earlier stage, into one of this stage (default: of the same path). */
  init: z
    .array(z.strictObject({ stage: z.string(), module: z.string(), into: z.string().exactOptional() }))
    .exactOptional(),
});

const single = z.strictObject(fields);
const staged = partial.extend({
  /** Trained one after the other; each is this config with the stage's values in place of its own. */
  stages: z.array(stage).min(1),
});

/** A whole experiment, or one stage of it with everything filled in. */
export type CheckedConfig = z.output<typeof single>;
export type StageInit = { readonly stage: string; readonly module: string; readonly into?: string };

/** One stage of an experiment; an experiment without stages is one of the name `''`. */
export interface CheckedStage {
  name: string;
  config: CheckedConfig;
  init: readonly StageInit[];
}

/** Checks a config and fills in defaults. @throws {RetortError} that lists every mistake. */
export function checkConfig(config: unknown, where: string): CheckedStage[] {
  const stages = typeof config === 'object' && config !== null && 'stages' in config;
  if (!stages) return [{ name: '', config: validate(single, config, where), init: [] }];
  const { stages: list, ...base } = validate(staged, config, where);
  return list.map(({ name, init = [], ...own }) => ({
    name,
    init: init as readonly StageInit[],
    config: validate(single, merged(base, own), `${where}, stage "${name}"`),
  }));
}

/** Plain objects are merged key by key; everything else, lists too, is replaced. `_delete_: true` drops what the base says. */
function merged(base: unknown, own: unknown): unknown {
  if (!isPlain(own)) return own;
  const { _delete_: replace, ...values } = own;
  const below = isPlain(base) && replace !== true ? base : {};
  const entries = Object.entries(values).map(([key, value]) => [key, merged(below[key], value)]);
  return { ...below, ...Object.fromEntries(entries) };
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
