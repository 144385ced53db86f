// What is done with frozen teachers so that looking at them is nearly free: run no further than anybody looks, norms folded, memory laid
// out as convolutions like it, bfloat16 where losses and gradients hardly move. Decided once, on a batch of the training, by what is
// seen and measured there; said in a table; kept in checkpoints, so that a resumed run does the same.
import { z } from 'zod';

import { isPlain } from '../../check.ts';
import { RetortError } from '../../errors.ts';
import { forgetWeightForms } from '../../nn/folded-norms.ts';
import { withWeightForm } from '../../nn/layers/weight-transform.ts';
import { BatchNorm2d, foldNorms, mapInputs } from '../../nn/index.ts';
import type { Inputs, LearnedBatch } from '../../nn/index.ts';
import { autocast, getRandomState, isAutocastEnabled, noGrad, Tensor, tidy } from '../../torch/index.ts';
import type { Device } from '../../torch/index.ts';
import { hasBfloat16 } from '../../torch/machine.ts';
import type { Timings } from '../../torch/machine.ts';
import { mustEnd, runUntil, surveyed } from './early-exit.ts';
import type { Needs, Survey } from './early-exit.ts';
import { everywhere, inputsOf, moved, nameOf, nothing, percent, shared, timed, together } from './teacher-trials.ts';
import type { Choice, Moved, TrialParts, Under } from './teacher-trials.ts';
import { undisturbed } from './undisturbed.ts';

const byHand = {
  /**
   * Compute the teacher's convolutions and matrix products in bfloat16. True: wherever it runs, whatever moves. Default: where the
   * processor has it, it is faster, and losses and gradients move by less than `bound`.
   */
  bfloat16: z.boolean().exactOptional(),
  /** How far bfloat16 may move a loss, and the student's gradient, relative to its size. Default 0.01. */
  bound: z.number().positive().default(0.01),
  /** Run the teacher no further than the last thing recorded or delivered. Default: where that can be told. */
  earlyExit: z.boolean().exactOptional(),
  /** Compute its batch norms as part of the convolutions before them, where nothing taps in between. Default: where it does not change. */
  foldNorms: z.boolean().exactOptional(),
  /** Lay its images and weights out with the channels last. Default: where it is measured to be faster. */
  channelsLast: z.boolean().exactOptional(),
};
/** The schema of the option. */
export const teacherPlanOption = z.union([z.enum(['auto', 'exact', 'plain']), z.strictObject(byHand)]);
/** `'auto'`, `'exact'` (all but bfloat16), `'plain'` (nothing), or which of it by hand. */
export type TeacherPlanOption = z.input<typeof teacherPlanOption>;

/** The plan of an algorithm's options: what a cache keeps is computed in float32, for all who read it. */
export function planOf({
  teacherPlan = 'auto',
  teacherCache,
}: {
  teacherPlan?: TeacherPlanOption | undefined;
  teacherCache?: object | undefined;
}): TeacherPlanOption {
  if (teacherCache === undefined || teacherPlan === 'plain') return teacherPlan;
  return typeof teacherPlan === 'string' ? 'exact' : { ...teacherPlan, bfloat16: false };
}

/** A line of the table. */
interface Row {
  readonly what: string;
  readonly done: boolean;
  readonly why: string;
}

/** What was decided, as checkpoints have it. */
interface Decision {
  /** The option that it followed. */
  readonly option: TeacherPlanOption;
  readonly choice: Choice;
  /** By the name of the teacher. */
  readonly needs: Readonly<Record<string, Needs>>;
  /** What is recorded and delivered, with the sources. */
  readonly taps: readonly string[];
  /** Steps since, which say when bfloat16 is looked at again. */
  steps: number;
}

/** Fewer multiplications in a pass are not worth measuring, nor what measuring could gain. */
const leastWork = 1e8;
/** What must be gained, in time. */
const [leastGain, leastGainOfRounding] = [0.97, 0.9];

/** What a {@link TeacherPlan} is made for. */
export interface TeacherPlanParts extends TrialParts {
  option: TeacherPlanOption;
  /** Whether teachers are always the same: not trained, no norms that measure, not following the student. */
  constant: () => boolean;
  /** Fold norms whatever is decided. */
  foldNorms: boolean;
}

/** See the head of this file. @internal */
export class TeacherPlan {
  readonly #parts: TeacherPlanParts;
  #decision: Decision | undefined;
  /** What is done now: as decided or, while that is found out, something that is tried. */
  #choice: Choice = nothing;
  #needs: Readonly<Record<string, Needs>> = {};
  /** While a whole pass is looked at: what was seen, by the name of the teacher. */
  #surveys: Map<string, Survey> | undefined;
  #notes: string[] = [];

  constructor(parts: TeacherPlanParts) {
    this.#parts = parts;
  }

  /** Runs teachers in their recorders; what they recorded is float32 again, and laid out as losses and connectors know it. */
  teacherPass(body: () => void): void {
    const { distiller } = this.#parts;
    distiller.teacherPass(body);
    const { bfloat16, channelsLast } = this.#choice;
    if (!bfloat16 && !channelsLast) return;
    const usual = (leaf: unknown): unknown => {
      if (!(leaf instanceof Tensor)) return leaf;
      const wide = leaf.dtype === 'bfloat16' ? leaf.to('float32') : leaf;
      return channelsLast && wide.ndim === 4 ? wide.contiguous() : wide;
    };
    noGrad(() => distiller.teacherRecorders.recorders.forEach((recorder) => recorder.changeRecords(usual)));
  }

  /** Runs one teacher, without gradients, inside {@link teacherPass}. */
  run(name: string, given: Inputs, body: (inputs: Inputs) => unknown): void {
    const { distiller, teachers } = this.#parts;
    const { earlyExit, channelsLast, bfloat16 } = this.#choice;
    const fold = this.#choice.foldNorms || this.#parts.foldNorms;
    const memoryFormat = channelsLast ? 'channels_last' : undefined;
    const inputs = channelsLast ? mapInputs(given, (one) => laidOut(one)) : given;
    let run = (): void => void body(inputs);
    const whole = run;
    const needs = this.#needs[name];
    if (this.#surveys !== undefined) {
      run = () => void this.#surveys!.set(name, surveyed(distiller, teachers[name]!, whole));
    } else if (earlyExit && needs !== undefined) run = () => runUntil(distiller, needs, whole);
    const layers = [
      (inner: () => void) => (fold ? foldNorms(inner) : inner()),
      (inner: () => void) => (bfloat16 ? autocast(inner, 'bfloat16', deviceOf(given)) : inner()),
      (inner: () => void) =>
        channelsLast || bfloat16
          ? withWeightForm({ memoryFormat, dtype: bfloat16 ? 'bfloat16' : undefined }, inner)
          : inner(),
    ];
    noGrad(layers.reduce<() => void>((inner, layer) => () => layer(inner), run));
  }

  /** Lines to be printed, since they were asked for last. */
  notes(): string[] {
    return this.#notes.splice(0);
  }

  /** What a checkpoint is to have of it. */
  saved(): unknown {
    return this.#decision;
  }

  /** Does as a run before did, unless something else is asked for now or other things are recorded. */
  restore(saved: unknown): void {
    const { option, teachers } = this.#parts;
    if (!isDecision(saved)) return;
    const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
    const ofThese = Object.keys(saved.needs).every((name) => Object.hasOwn(teachers, name));
    if (ofThese && same(saved.option, option) && same(saved.taps, this.#taps())) this.#take({ ...saved });
  }

  #taps(): string[] {
    const { teacherRecorders, deliveries } = this.#parts.distiller;
    const all = [...teacherRecorders.recorders, ...deliveries.deliveries];
    return all.map(([name, { label }]) => `${name}: ${label}`);
  }

  #take(decision: Decision): void {
    this.#decision = decision;
    this.#choice = decision.choice;
    this.#needs = decision.needs;
  }

  /** Told of each batch that is trained on: decides at the first, and looks at bfloat16 again after 1, 2, 4, 8, ... */
  see(batch: LearnedBatch): void {
    if (this.#parts.option === 'plain') return;
    if (this.#decision === undefined) {
      try {
        this.#decide(batch);
      } catch (error) {
        // What is wrong with the batch or the networks is said where they are trained on it.
        if (!(error instanceof RetortError)) throw error;
        this.#take({ option: this.#parts.option, choice: nothing, needs: {}, taps: this.#taps(), steps: 0 });
        this.#notes.push(`teacher plan: none, as looking ahead failed (${error.what.split('\n')[0]})`);
      }
      return;
    }
    const steps = ++this.#decision.steps;
    const { bfloat16 } = this.#decision.choice;
    if (!bfloat16 || this.#options.bfloat16 === true || (steps & (steps - 1)) !== 0) return;
    const seen = this.#moved(batch, this.#decision.choice);
    if (seen.most < this.#options.bound) return;
    this.#take({ ...this.#decision, choice: { ...this.#decision.choice, bfloat16: false } });
    this.#forgetForms();
    this.#notes.push(
      `note: the teacher goes on in float32: after ${steps} steps bfloat16 moves ${seen.text}, more than ${percent(this.#options.bound)}`,
    );
  }

  get #options(): { bound: number } & Omit<Exclude<TeacherPlanOption, string>, 'bound'> {
    const { option } = this.#parts;
    if (option === 'exact') return { bfloat16: false, bound: 0.01 };
    return typeof option === 'string' ? { bound: 0.01 } : { ...option, bound: option.bound ?? 0.01 };
  }

  #decide(batch: LearnedBatch): void {
    const { option, root, constant } = this.#parts;
    const rows: Row[] = [];
    const row = (what: string, done: boolean, why: string): boolean => (rows.push({ what, done, why }), done);
    const elsewhere = isAutocastEnabled() ? 'the whole run computes in bfloat16' : undefined;
    const fixed = elsewhere ?? (constant() ? undefined : 'the teacher changes');
    this.#choice = nothing;
    const { surveys, disturbs } = together(() => undisturbed(root, () => this.#survey(batch)));
    const needs = Object.fromEntries([...surveys].map(([name, survey]) => [name, survey.needs]));
    const earlyExit = row('early exit', ...this.#earlyExit(surveys, disturbs));
    const fold = row('norms folded', ...this.#folded(fixed));
    this.#needs = needs;
    const exact: Choice = { ...nothing, earlyExit, foldNorms: fold };
    // What the processes of a run measure together is what the first would.
    const work = shared([...surveys.values()].reduce((sum, survey) => sum + survey.work, 0));
    const { channelsLast, bfloat16 } = this.#measured(batch, exact, { work, fixed });
    row('channels_last', ...channelsLast);
    row('bfloat16', ...bfloat16);
    const choice: Choice = { ...exact, channelsLast: channelsLast[0], bfloat16: bfloat16[0] };
    this.#take(shared({ option, choice, needs, taps: this.#taps(), steps: 0 }));
    this.#forgetForms();
    this.#notes.push(table(`teacher plan: ${shownOption(option)}`, rows));
  }

  /** A whole pass of the teachers, and what of it a shorter one would leave undone. */
  #survey(batch: LearnedBatch): { surveys: Map<string, Survey>; disturbs: string | undefined } {
    const { teachers, run } = this.#parts;
    const surveys = new Map<string, Survey>();
    const buffers = Object.values(teachers).flatMap((teacher) =>
      teacher.buffers().map((buffer) => [buffer, buffer.clone()] as const),
    );
    const random = getRandomState();
    this.#surveys = surveys;
    try {
      tidy(() => run(batch));
    } finally {
      this.#surveys = undefined;
    }
    const drawn = !getRandomState().equal(random);
    const moved = buffers.some(([buffer, values]) => !buffer.equal(values));
    return {
      surveys,
      disturbs: drawn ? 'it draws random numbers' : moved ? 'its buffers move' : undefined,
    };
  }

  #earlyExit(surveys: ReadonlyMap<string, Survey>, disturbs: string | undefined): [boolean, string] {
    const { distiller, teachers } = this.#parts;
    const { earlyExit } = this.#options;
    if (earlyExit === false) return [false, 'as asked for'];
    const against = Object.values(teachers)
      .map((teacher) => mustEnd(distiller, teacher))
      .find((why) => why !== undefined);
    const after = [...surveys.values()].flatMap((survey) => survey.after);
    const hooked = after.some((module) => module.isHooked) ? 'a hook sees what comes after the last record' : undefined;
    const why = against ?? disturbs ?? hooked;
    if (why !== undefined) return [false, why];
    if (after.length === 0) return [false, 'its last module is recorded'];
    const called = [...surveys.values()].reduce((sum, survey) => sum + survey.called, 0);
    const lasts = [...surveys.values()].map((survey) => survey.last).join(', ');
    return [true, `ends after ${lasts}: ${after.length} of ${called} modules are not run`];
  }

  #folded(fixed: string | undefined): [boolean, string] {
    const { teachers, foldNorms: always } = this.#parts;
    if (always) return [true, 'as asked for (foldTeacherNorms)'];
    if (this.#options.foldNorms !== undefined) {
      if (!this.#options.foldNorms || fixed === undefined) return [this.#options.foldNorms, 'as asked for'];
    }
    if (fixed !== undefined) return [false, fixed];
    const norms = Object.values(teachers).flatMap((one) => one.modules().filter((part) => part instanceof BatchNorm2d));
    return norms.length === 0
      ? [false, 'it has no batch norms']
      : [true, 'where a convolution is before and nothing is recorded between'];
  }

  /** Whether memory is laid out otherwise, and whether it computes in bfloat16. */
  #measured(
    batch: LearnedBatch,
    exact: Choice,
    { work, fixed }: { work: number; fixed: string | undefined },
  ): Record<'channelsLast' | 'bfloat16', [boolean, string]> {
    const { channelsLast: laid, bfloat16: rounded, bound } = this.#options;
    if (fixed !== undefined) return { channelsLast: [false, fixed], bfloat16: [false, fixed] };
    const small = work < leastWork ? 'a pass is too small to be measured' : undefined;
    const { distiller, teachers } = this.#parts;
    const images = inputsOf(teachers, batch).some((one) => one.ndim === 4);
    // What is delivered goes into the student as it is laid out, and not all that is done there takes every layout.
    const delivers = distiller.deliveries.size > 0 ? 'what it delivers goes into the student' : undefined;
    const noLayout = images ? (delivers ?? small) : 'it is given no images';
    const refused = this.#refusesRounding();
    const noRounding = refused ?? (everywhere(hasBfloat16()) ? small : 'the processor does not have it');
    const layouts = laid === undefined && noLayout === undefined ? [false, true] : [laid ?? false];
    const allDtypes = rounded === undefined && noRounding === undefined ? [false, true] : [rounded ?? false];
    const dtypes = refused === undefined ? allDtypes : [false];
    const candidates = dtypes.flatMap((bfloat16) =>
      layouts.map((channelsLast): Choice => ({ ...exact, channelsLast, bfloat16 })),
    );
    const times = candidates.length > 1 ? timed(this.#parts, batch, { candidates, under: this.#under }) : {};
    const timeOf = (choice: Choice): number => times[nameOf(choice)]!;
    const best = (bfloat16: boolean): Choice | undefined => {
      const [plain, other] = candidates.filter((one) => one.bfloat16 === bfloat16);
      return plain !== undefined && other !== undefined && timeOf(other) < leastGain * timeOf(plain) ? other : plain;
    };
    const [float32, bfloat16] = [best(false), best(true)];
    const rows = (chosen: Choice, why: string): Record<'channelsLast' | 'bfloat16', [boolean, string]> => ({
      channelsLast: this.#layoutRow(chosen, { times, laid, noLayout }),
      bfloat16: [chosen.bfloat16, why],
    });
    if (bfloat16 === undefined) {
      return rows(float32!, rounded === false ? 'as asked for' : ((rounded === true ? refused : noRounding) ?? ''));
    }
    const gain = float32 === undefined ? 'as asked for' : `${ms(timeOf(bfloat16))}, ${ms(timeOf(float32))} in float32`;
    if (float32 !== undefined && timeOf(bfloat16) >= leastGainOfRounding * timeOf(float32)) {
      return rows(float32, `${gain}: it gains too little`);
    }
    const seen = this.#moved(batch, bfloat16);
    const fits = seen.most < bound;
    const why = `${gain}; it moves ${seen.text}${fits ? '' : `, more than ${percent(bound)}`}`;
    return rows(fits || float32 === undefined ? bfloat16 : float32, why);
  }

  #layoutRow(
    chosen: Choice,
    { times, laid, noLayout }: { times: Timings; laid: boolean | undefined; noLayout: string | undefined },
  ): [boolean, string] {
    if (laid !== undefined) return [laid, 'as asked for'];
    const timeOf = (channelsLast: boolean): number | undefined => times[nameOf({ ...chosen, channelsLast })];
    const [without, with_] = [timeOf(false), timeOf(true)];
    if (without === undefined || with_ === undefined) return [false, noLayout ?? 'not measured'];
    return [chosen.channelsLast, `${ms(with_)} a pass, ${ms(without)} without`];
  }

  #moved(batch: LearnedBatch, choice: Choice): Moved {
    return this.#under(nothing, () => moved(this.#parts, batch, (body) => this.#under(choice, body)));
  }

  readonly #under: Under = (choice, body) => {
    const before = this.#choice;
    this.#choice = choice;
    try {
      return body();
    } finally {
      this.#choice = before;
    }
  };

  #forgetForms(): void {
    const { channelsLast, bfloat16 } = this.#choice;
    const form = {
      memoryFormat: channelsLast ? ('channels_last' as const) : undefined,
      dtype: bfloat16 ? ('bfloat16' as const) : undefined,
    };
    for (const teacher of Object.values(this.#parts.teachers)) forgetWeightForms(teacher, form);
  }

  /** Why it cannot be computed in bfloat16, on whatever processor. */
  #refusesRounding(): string | undefined {
    const { distiller, teachers } = this.#parts;
    // What is delivered goes into the student, whose arithmetic is not to change.
    if (distiller.deliveries.size > 0) return 'what it delivers goes into the student';
    const parameters = Object.values(teachers).flatMap((teacher) => teacher.parameters());
    return parameters.every(({ dtype }) => dtype === 'float32') ? undefined : 'it is not of float32';
  }
}

function laidOut(one: Tensor): Tensor {
  return one.ndim === 4 ? one.contiguous({ memoryFormat: 'channels_last' }) : one;
}

const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : 1)} ms`;

function shownOption(option: TeacherPlanOption): string {
  if (typeof option === 'string') return option;
  const said = Object.entries(option).map(([name, value]) => `${name}: ${String(value)}`);
  return said.length === 0 ? 'auto' : said.join(', ');
}

function table(title: string, rows: readonly Row[]): string {
  const width = Math.max(...rows.map(({ what }) => what.length));
  const lines = rows.map(({ what, done, why }) => `  ${what.padEnd(width)}  ${done ? 'yes' : 'no '}  ${why}`);
  return [title, ...lines].join('\n');
}

const countsByName = (value: unknown): boolean =>
  isPlain(value) && Object.values(value).every((count) => Number.isInteger(count));

function isDecision(value: unknown): value is Decision {
  if (!isPlain(value)) return false;
  const { choice, needs, taps, steps } = value;
  return (
    isPlain(choice) &&
    Object.keys(nothing).every((name) => typeof choice[name] === 'boolean') &&
    isPlain(needs) &&
    Object.values(needs).every(
      (one) => isPlain(one) && countsByName(one['recorders']) && countsByName(one['deliveries']),
    ) &&
    Array.isArray(taps) &&
    Number.isInteger(steps)
  );
}

/** Where inputs are. */
const deviceOf = (inputs: Inputs): Device => (inputs instanceof Tensor ? inputs : Object.values(inputs)[0]!).device;
