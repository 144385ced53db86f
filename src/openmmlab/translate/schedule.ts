// `param_scheduler`: how learning rates change. OpenMMLab's begin and end become lengths where ours have them.
import type { DictNode, TreeNode } from '../../config/tree/index.ts';
import type { Context } from './context.ts';
import { countOf } from './dataset.ts';
import { Fields } from './fields.ts';
import { lookup } from './lookup.ts';
import { typeName } from './names.ts';
import { dictOf, flagOf, itemsOf, made, numberOf, numbersOf, textOf } from './place.ts';
import type { Place } from './place.ts';

/** How long training is; undefined: not known before the data is there. */
export interface Length {
  epochs: number | undefined;
  steps: number | undefined;
}

/** Schedulers of everything, or by part where optimizers are. */
export function schedule(
  ctx: Context,
  place: Place,
  { length, byPart }: { length: Length; byPart: boolean },
): TreeNode {
  const { node } = place;
  const typed = node.kind !== 'dict' || node.value.has('type');
  if (!byPart || typed) return listOf(ctx, place, length);
  const entries = [...node.value.keys()].filter((key) => key !== '_scope_');
  const parts = entries.map((key): [string, TreeNode] => {
    const part: Place = { ...place, node: node.value.get(key)!, path: [...place.path, key] };
    return [key, listOf(ctx, part, length)];
  });
  return dictOf(parts, node.origin);
}

function listOf(ctx: Context, place: Place, length: Length): TreeNode {
  const value = itemsOf(place).map((item) => scheduler(ctx, item, length));
  return { kind: 'list', value, origin: place.node.origin };
}

/** Begin and end of a scheduler, in what it counts. */
interface Range {
  begin: number;
  /** Undefined: the end of training. */
  end: number | undefined;
  /** Whether that is before the end of training, as far as that is known. */
  endsEarly: boolean;
  /** Its numbers are epochs, the rate changes every step. */
  everyStep: boolean;
}

interface Kind {
  readonly name: string;
  readonly options: Readonly<Record<string, string>>;
  /** What else is to be said; `begin` and `end` are added where it does not take care of them. */
  range(entries: Map<string, TreeNode>, range: Range, place: Place): 'done' | 'begin' | 'begin and end';
}

/** The length of what goes from one rate to another by a formula of its own. */
const lengthAs =
  (key: string, minus: number): Kind['range'] =>
  (entries, { begin, end, everyStep }, { node }) => {
    // In epochs the last step is not a whole one: the length follows from begin and end when steps are counted.
    if (end !== undefined && !everyStep && !entries.has(key)) {
      entries.set(key, made(Math.max(1, end - begin - minus), node.origin));
    }
    return everyStep || (end === undefined && minus > 0) ? 'begin and end' : 'begin';
  };

const kinds: Readonly<Record<string, Kind>> = {
  MultiStepLR: {
    name: 'MultiStepLR',
    options: { milestones: 'milestones', gamma: 'gamma' },
    range(entries, { begin, end = Infinity }) {
      const milestones = entries.get('milestones');
      if (milestones?.kind !== 'list' && milestones?.kind !== 'tuple') return 'done';
      // They count from the beginning of the scheduler.
      const shifted = milestones.value
        .map((item) => (item.kind === 'int' ? { ...item, value: item.value + begin } : item))
        .filter((item) => typeof item.value !== 'number' || item.value < end);
      entries.set('milestones', { ...milestones, value: shifted });
      return 'done';
    },
  },
  StepLR: { name: 'StepLR', options: { step_size: 'stepSize', gamma: 'gamma' }, range: () => 'begin and end' },
  ExponentialLR: { name: 'ExponentialLR', options: { gamma: 'gamma' }, range: () => 'begin and end' },
  CosineAnnealingLR: {
    name: 'CosineAnnealingLR',
    options: { T_max: 'tMax', eta_min: 'etaMin' },
    range(entries, range, place) {
      lengthAs('tMax', 0)(entries, range, place);
      return 'begin and end';
    },
  },
  LinearLR: {
    name: 'LinearLR',
    options: { start_factor: 'startFactor', end_factor: 'endFactor' },
    range: lengthAs('totalIters', 1),
  },
  ConstantLR: { name: 'ConstantLR', options: { factor: 'factor' }, range: lengthAs('totalIters', 1) },
  PolyLR: {
    name: 'PolynomialLR',
    options: { power: 'power', eta_min: 'etaMin' },
    range(entries, range, place) {
      if (entries.get('etaMin')?.value === 0) entries.delete('etaMin'); // as ours
      return lengthAs('totalIters', 1)(entries, range, place);
    },
  },
  OneCycleLR: {
    name: 'OneCycleLR',
    options: {
      ...{ eta_max: 'maxLr', total_steps: 'totalSteps', pct_start: 'pctStart', anneal_strategy: 'annealStrategy' },
      ...{ div_factor: 'divFactor', final_div_factor: 'finalDivFactor', three_phase: 'threePhase' },
    },
    range(entries, _range, { node }) {
      entries.set('cycleMomentum', made(false, node.origin)); // momentum has a scheduler of its own there
      return 'begin and end';
    },
  },
};

/** What an option must be; all others are numbers. */
const expected: Readonly<Record<string, readonly [read: (value: Place) => unknown, what: string]>> = {
  milestones: [numbersOf, 'a list of numbers'],
  anneal_strategy: [textOf, 'a text'],
  three_phase: [flagOf, 'True or False'],
};

function scheduler(ctx: Context, place: Place, length: Length): TreeNode {
  const { findings } = ctx;
  const fields = new Fields(place, findings);
  const type = fields.get('type');
  const { name = '', written = '' } = type?.node.kind === 'str' ? typeName(type.node.value, place) : {};
  const kind = lookup(kinds, name);
  if (kind === undefined) {
    if (type === undefined) findings.absent(place, '"type" must be the name of a scheduler');
    else findings.missing('scheduler', written, type);
    return place.node;
  }
  const range = rangeOf(fields, length);
  const byStep = range.bySteps;
  const entries = new Map<string, TreeNode>([['type', made(kind.name, type!.node.origin)]]);
  for (const [key, ours] of Object.entries(kind.options)) {
    const value = fields.get(key);
    if (value === undefined) continue;
    const [read, what] = expected[key] ?? [numberOf, 'a number'];
    if (read(value) === undefined) findings.mistake(value, `expected ${what}`);
    entries.set(ours, value.node);
  }
  const ratio = fields.get('eta_min_ratio');
  if (ratio !== undefined) findings.mistake(ratio, 'the lowest rate is a rate here, not a share: write eta_min');
  fields.drop(['verbose', 'last_step'], 'rates are in the log, and a resumed run knows where it stands');
  fields.finish(name);
  const left = kind.range(entries, range, place);
  if (byStep) entries.set('by', made('step', place.node.origin));
  addRange(entries, { left, range, place, changesAtOnce: name === 'MultiStepLR' || name === 'StepLR' });
  return { kind: 'dict', value: entries, origin: place.node.origin } satisfies DictNode;
}

function rangeOf(fields: Fields, { epochs, steps }: Length): Range & { bySteps: boolean } {
  const byEpoch = fields.read('by_epoch', flagOf, 'True or False') ?? true;
  const converted = fields.read('convert_to_iter_based', flagOf, 'True or False') ?? false;
  const begin = fields.read('begin', countOf, 'an integer') ?? 0;
  const asked = fields.read('end', numberOf, 'a number');
  const whole = byEpoch ? epochs : steps;
  const end = asked !== undefined && (whole === undefined || asked < whole) ? asked : whole;
  const endsEarly = asked !== undefined && (whole === undefined || asked < whole);
  return { begin, end, endsEarly, everyStep: byEpoch && converted, bySteps: !byEpoch };
}

interface RangeOptions {
  left: ReturnType<Kind['range']>;
  range: Range;
  place: Place;
  /** Rates that fall at the beginning of an epoch need no step within it. */
  changesAtOnce: boolean;
}

function addRange(entries: Map<string, TreeNode>, { left, range, place, changesAtOnce }: RangeOptions): void {
  const { origin } = place.node;
  const { begin, end, endsEarly, everyStep } = range;
  if (left === 'done') return;
  if (begin > 0) entries.set('begin', made(begin, origin));
  if (left === 'begin and end' && endsEarly && end !== undefined) entries.set('end', made(end, origin));
  if (everyStep && !changesAtOnce) entries.set('everyStep', made(true, origin));
}
