// What is tried out before a plan for frozen teachers is decided: how long their passes take in one form or another, and how far that
// moves losses and gradients. Nothing of it stays.
import { createHash } from 'node:crypto';

import { RetortError } from '../../errors.ts';
import type { LearnedBatch, Module, Network } from '../../nn/index.ts';
import { grad, isCuda, processGroup, Tensor, tidy, zeros } from '../../torch/index.ts';
import { keepTimings, knownTimings } from '../../torch/machine.ts';
import type { Timings } from '../../torch/machine.ts';
import type { ConfigurableDistiller } from '../distillers/index.ts';
import { parseLosses } from './parse-losses.ts';
import type { LossRecord } from './parse-losses.ts';
import { undisturbed } from './undisturbed.ts';

/** What is done with teachers. */
export interface Choice {
  readonly earlyExit: boolean;
  readonly foldNorms: boolean;
  readonly channelsLast: boolean;
  readonly bfloat16: boolean;
}
export const nothing: Choice = { earlyExit: false, foldNorms: false, channelsLast: false, bfloat16: false };

/** What is tried out. */
export interface TrialParts {
  distiller: ConfigurableDistiller;
  /** By name. */
  teachers: Readonly<Record<string, Network>>;
  /** Runs the teachers on a batch, in their recorders. */
  run: (batch: LearnedBatch) => unknown;
  /** All losses of a batch. */
  losses: (batch: LearnedBatch) => LossRecord;
  /** The algorithm: what it holds is put back after looking ahead. */
  root: Module;
}
/** Runs `body` while teachers are run by this choice. */
export type Under = <T>(choice: Choice, body: () => T) => T;

/** Passes that take longer, in ms, are measured less often; one that cannot be computed takes for ever. */
const [longPass, never] = [300, 1e9];

/** How long passes on a batch take, by {@link nameOf} choices; as measured before on this machine, where that was so. */
export function timed(
  { root, run, ...parts }: TrialParts,
  batch: LearnedBatch,
  { candidates, under }: { candidates: readonly Choice[]; under: Under },
): Timings {
  const subject = subjectOf(parts, batch, candidates);
  const known = shared(knownTimings(subject) ?? null);
  if (known !== null && candidates.every((one) => Object.hasOwn(known, nameOf(one)))) return known;
  const times: Record<string, number> = Object.fromEntries(candidates.map((one) => [nameOf(one), never]));
  const measure = (): void => {
    // The first round makes copies of weights and chooses kernels; the shortest time is the one that nobody else disturbed.
    let rounds = 6;
    for (let round = 0; round < rounds; round++) {
      for (const choice of candidates) {
        const began = performance.now();
        try {
          under(choice, () => tidy(() => run(batch)));
          settle(batch);
        } catch (error) {
          // Not every operator takes every form: that one is not chosen.
          if (!(error instanceof RetortError) || choice === candidates[0]) throw error;
          continue;
        }
        const took = performance.now() - began;
        if (took > longPass) rounds = 4;
        if (round > 0) times[nameOf(choice)] = Math.min(times[nameOf(choice)]!, took);
      }
    }
  };
  together(() => undisturbed(root, measure));
  const shortest = shared(times);
  // What could not be computed may be another time, such as with more memory.
  if (Object.values(shortest).every((time) => time < never)) keepTimings(subject, shortest);
  return shortest;
}

/** What timings depend on: the networks, what they are given, what is recorded, what is tried. */
function subjectOf(
  { teachers, distiller }: Pick<TrialParts, 'teachers' | 'distiller'>,
  batch: LearnedBatch,
  candidates: readonly Choice[],
): string {
  const shapes = inputsOf(teachers, batch).map((one) => `${one.dtype} ${one.shape.join('x')}`);
  const recorded = [...distiller.teacherRecorders.recorders.values()].map(({ label }) => label);
  const networks = Object.values(teachers).map((teacher) => teacher.toString());
  const hash = createHash('sha256').update(JSON.stringify([shapes, candidates, recorded, networks]));
  return `teacher on ${shapes.join(' and ')}, ${hash.digest('hex').slice(0, 16)}`;
}

/** What teachers are given of a batch. */
export function inputsOf(teachers: TrialParts['teachers'], batch: LearnedBatch): Tensor[] {
  const seen = Object.keys(teachers).map((name) => batch.views?.[name] ?? batch.inputs);
  return seen.flatMap((inputs) => (inputs instanceof Tensor ? [inputs] : Object.values(inputs)));
}

/** How far something is from what it was, relative to its size: the most of all losses and the gradient, and in words. */
export interface Moved {
  readonly most: number;
  readonly text: string;
}

/**
 * How far a choice moves losses and the gradient of what is trained from how they are without any plan; infinitely far, where it
 * cannot be computed so.
 */
export function moved({ root, losses }: TrialParts, batch: LearnedBatch, under: (body: () => void) => void): Moved {
  const trained = root.parameters().filter(({ requiresGrad }) => requiresGrad);
  interface Seen {
    entries: Record<string, number>;
    gradients: (Tensor | null)[];
  }
  const look = (): Seen =>
    undisturbed(root, () => {
      const [total, entries] = parseLosses(losses(batch));
      return {
        entries: Object.fromEntries(Object.entries(entries).map(([name, value]) => [name, value.item()])),
        gradients: total.requiresGrad ? grad([total], trained, { allowUnused: true }) : [],
      };
    });
  const compare = (): Moved => {
    const plain = look();
    let other = plain;
    under(() => {
      other = look();
    });
    const apart = Object.entries(plain.entries).map(([name, value]): [string, number] => [
      name,
      other.entries[name] === value ? 0 : Math.abs(other.entries[name]! - value) / Math.abs(value),
    ]);
    const distilled = apart.filter(([name]) => name !== 'loss' && !name.startsWith('student.'));
    const gradient = distance(other.gradients, plain.gradients);
    return {
      most: largest([...apart.map(([, value]) => value), gradient]),
      text: `distillation losses by ${percent(largest(distilled.map(([, value]) => value)))}, the gradient by ${percent(gradient)}`,
    };
  };
  const own = outcomeOf(() => tidy(compare));
  const text = own.value?.text ?? `what cannot be computed so (${own.failed})`;
  // Infinity is null on the way.
  const all: readonly (number | null)[] = gathered(own.value?.most ?? Infinity);
  return { most: largest(all.map((most) => most ?? Infinity)), text };
}

/** Of several processes, what the first says. */
export function shared<T>(value: T): T {
  return gathered(value)[0]!;
}

/** Of several processes, whether it holds in each. */
export function everywhere(holds: boolean): boolean {
  return gathered(holds).every(Boolean);
}

/** Does what may fail. Where it does in one of several processes it fails in all, so that none waits for others. @throws {RetortError} */
export function together<T>(body: () => T): T {
  const own = outcomeOf(body);
  const failed = gathered(own.failed ?? '').find((text) => text !== '');
  if (failed !== undefined) throw new RetortError(failed);
  return own.value!;
}

/** What all processes say. */
function gathered<T>(value: T): T[] {
  return processGroup()?.allGatherObject(value) ?? [value];
}

function outcomeOf<T>(body: () => T): { value: T; failed?: never } | { value?: never; failed: string } {
  try {
    return { value: body() };
  } catch (error) {
    if (!(error instanceof RetortError)) throw error;
    return { failed: error.what.split('\n')[0]! };
  }
}

/** The norm of the difference over the norm of the second, of all tensors together. */
export function distance(ones: readonly (Tensor | null)[], others: readonly (Tensor | null)[]): number {
  const squares = (all: readonly (Tensor | null)[]): number =>
    all.reduce((sum, one) => sum + (one === null ? 0 : one.to('float64').square().sum().item()), 0);
  const differences = ones.map((one, i) => (one === null ? null : one.sub(others[i]!)));
  const [apart, size] = [squares(differences), squares(others)];
  return apart === 0 ? 0 : Math.sqrt(apart / size);
}

/** Infinity where one is none. */
function largest(values: readonly number[]): number {
  return values.reduce((most, value) => (value <= most ? most : value > most ? value : Infinity), 0);
}

/** A choice by what is measured of it. */
export const nameOf = ({ channelsLast, bfloat16 }: Choice): string =>
  `${bfloat16 ? 'bfloat16' : 'float32'}${channelsLast ? ', channels_last' : ''}`;
export const percent = (value: number): string => `${Number((100 * value).toPrecision(3))}%`;

/** Waits until a device has done what it was asked for: CUDA's go on by themselves, and a value is there when all before it is done. */
function settle({ inputs }: LearnedBatch): void {
  const { device } = inputs instanceof Tensor ? inputs : Object.values(inputs)[0]!;
  if (isCuda(device)) tidy(() => zeros([], { device }).item());
}
