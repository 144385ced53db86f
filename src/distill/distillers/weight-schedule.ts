// How the weight of a loss changes while training: a factor on its lossWeight that depends on nothing but how far training is,
// so that a resumed run goes on with the same weights.
import { z } from 'zod';

/** How far training is. */
export interface TrainingProgress {
  /** Epochs done, with the fraction of the current one: 1.5 is the middle of the second. */
  readonly epoch: number;
  /** Optimizer steps done. */
  readonly step: number;
}

const unit = { by: z.enum(['epoch', 'step']).exactOptional() };
const span = {
  from: z.number(),
  to: z.number(),
  /** When the change begins. */
  begin: z.number().nonnegative().exactOptional(),
  /** When it is over. */
  end: z.number().positive(),
  ...unit,
};

const spanned = <T extends string>(type: T) =>
  z
    .strictObject({ type: z.literal(type), ...span })
    .refine(({ begin = 0, end }) => end > begin, 'expected an end after begin');

/** What a schedule may be, in a config and in code. */
export const weightSchedule = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('constant'), factor: z.number() }),
  spanned('linear'),
  spanned('cosine'),
  z.strictObject({
    type: z.literal('step'),
    milestones: z.array(z.number().nonnegative()),
    gamma: z.number().exactOptional(),
    ...unit,
  }),
  z.strictObject({
    type: z.literal('warmup'),
    length: z.number().positive(),
    from: z.number().exactOptional(),
    ...unit,
  }),
]);

/**
 * The factor over time, counted in epochs (with fractions) or, with `by: 'step'`, in optimizer steps:
 * - `constant`: `factor`;
 * - `linear`: `from` until `begin` (default 0), then evenly to `to` at `end`;
 * - `cosine`: the same ends, along half a cosine;
 * - `step`: `gamma` (default 0.1) to the power of how many `milestones` have been reached;
 * - `warmup`: evenly from `from` (default 0) to 1 over `length`.
 */
export type WeightSchedule = z.input<typeof weightSchedule>;

/** The factor of a schedule at a point of training. */
export function weightFactor(schedule: WeightSchedule, progress: TrainingProgress): number {
  if (schedule.type === 'constant') return schedule.factor;
  const now = schedule.by === 'step' ? progress.step : progress.epoch;
  switch (schedule.type) {
    case 'linear':
      return blend(schedule.from, schedule.to, along(schedule, now));
    case 'cosine':
      return blend(schedule.from, schedule.to, (1 - Math.cos(Math.PI * along(schedule, now))) / 2);
    case 'step': {
      const { milestones, gamma = 0.1 } = schedule;
      return gamma ** milestones.filter((milestone) => now >= milestone).length;
    }
    default:
      return blend(schedule.from ?? 0, 1, Math.min(1, now / schedule.length));
  }
}

function along({ begin = 0, end }: { begin?: number | undefined; end: number }, now: number): number {
  return Math.min(1, Math.max(0, (now - begin) / (end - begin)));
}

function blend(from: number, to: number, share: number): number {
  return from + (to - from) * share;
}
