// One forward of an algorithm on a small batch before training: which recorders fire, what each loss is given, what does not
// fit. Nothing of it stays: networks, running statistics and random numbers are put back.
import { RetortError } from '../../errors.ts';

import { initialWeights, Parameter } from '../../nn/index.ts';
import type { LearnedBatch, Module } from '../../nn/index.ts';
import { clearGrads, getRandomState, keep, setRandomState, Tensor, tensorsIn, tidy } from '../../torch/index.ts';
import { connectorsOf, sourcesOf } from '../distillers/index.ts';
import type { ArgumentMapping, ConfigurableDistiller } from '../distillers/index.ts';
import type { Algorithm } from './algorithm.ts';

/** A recorder as {@link probe} saw it. */
export interface ProbedRecorder {
  distiller: string;
  side: 'student' | 'teacher';
  name: string;
  /** What it records, such as `ModuleOutputs head.fc`. */
  source: string;
  /** How often it fired. */
  records: number;
  /** The shapes of the first record, such as `(8, 512, 4, 4)`. */
  shapes: string;
}

/** What {@link probe} saw a loss be given for one of its arguments. */
export interface ProbedArgument {
  loss: string;
  argument: string;
  /** Where it comes from, such as `student fc > connector`. */
  from: string;
  /** Shapes after the connector; values other than tensors by their kind. */
  shapes: string;
}

/** What {@link probe} found. */
export interface ProbeReport {
  recorders: readonly ProbedRecorder[];
  arguments: readonly ProbedArgument[];
  /** Values of the losses that could be computed. */
  losses: Readonly<Record<string, number>>;
  /** What keeps the config from being trained. */
  mistakes: readonly string[];
  /** What may be meant, and may not. */
  warnings: readonly string[];
}

/** Options of {@link probe}. */
export interface ProbeOptions {
  /** Parameters that some optimizer moves; connectors and students outside are reported. Default: not looked at. */
  optimized?: ReadonlySet<Tensor>;
  /** How many classes the data has; heads of another number are reported. */
  numClasses?: number;
  /** Whether batches of the training data are mixed, this one or others. Default false; a student that mixes is known. */
  mixes?: boolean;
  /** Paths of frozen modules that are meant to keep the weights they were made with, such as `teacher.head`. Default: none. */
  allowInitialWeights?: readonly string[];
}

/** See the head of this file. @param batch at least two images, so that batch norms can measure */
export function probe(algorithm: Algorithm, batch: LearnedBatch, options: ProbeOptions = {}): ProbeReport {
  const training = algorithm.modules().map((module) => [module, module.training] as const);
  const saved = tidy(() => ({
    rng: keep(getRandomState()),
    state: keep(
      Object.fromEntries(Object.entries(algorithm.stateDict()).map(([name, value]) => [name, value.clone()])),
    ),
  }));
  try {
    algorithm.train();
    return tidy(() => report(algorithm, batch, options));
  } finally {
    clearGrads(algorithm.parameters());
    tidy(() => algorithm.loadStateDict(saved.state, { strict: false, trained: false }));
    setRandomState(saved.rng);
    for (const tensor of [saved.rng, ...Object.values(saved.state)]) tensor.dispose();
    for (const [module, mode] of training) module.training = mode;
  }
}

function report(algorithm: Algorithm, given: LearnedBatch, options: ProbeOptions): ProbeReport {
  const batch = algorithm.preprocessed(given);
  const { numClasses } = options;
  const heads = numClasses === undefined ? { mistakes: [], warnings: [] } : compareHeads(algorithm, numClasses);
  const mistakes: string[] = [...heads.mistakes];
  const warnings: string[] = [];
  const losses: Record<string, number> = {};
  const { cache } = algorithm;
  // Nothing is stored, and teachers are run whatever is stored of them: what they give is to be seen.
  const unlike = cache === undefined ? undefined : attempt(() => cache.look(batch));
  if (unlike !== undefined) mistakes.push(unlike);
  const run = (): void => {
    const [total, entries] = algorithm.batchLosses(batch);
    for (const [name, value] of Object.entries(entries)) losses[name] = value.item();
    total.backward();
  };
  const failed = attempt(() => (cache === undefined ? run() : cache.bypassed(run)));
  const recorders: ProbedRecorder[] = [];
  const args: ProbedArgument[] = [];
  for (const [key, distiller] of Object.entries(algorithm.distillersByName())) {
    recorders.push(...recordersOf(key, distiller));
    warnings.push(...distiller.warnings, ...weightless(distiller));
    if (options.mixes === true || algorithm.student.mixes === true) mistakes.push(...distiller.wantsOneClass());
    const checked = argumentsOf(distiller, batch);
    args.push(...checked.rows);
    mistakes.push(...checked.mistakes);
  }
  const silent = recorders.filter(({ records }) => records === 0);
  // A forward that fails says more than the recorders that it did not reach.
  if (failed !== undefined && silent.length > 0)
    return { recorders, arguments: args, losses, mistakes: [...heads.mistakes, failed], warnings };
  for (const { side, name, source } of silent) {
    mistakes.push(`${side} recorder "${name}" (${source}) did not fire: this forward does not call its target`);
  }
  if (failed !== undefined && mistakes.length === 0) mistakes.push(failed);
  if (failed === undefined) warnings.push(...unreached(algorithm), ...notFinite(losses), ...badGradients(algorithm));
  warnings.push(
    ...differences(algorithm, given),
    ...outside(algorithm, options.optimized),
    ...heads.warnings,
    ...untrained(algorithm, options.allowInitialWeights ?? []),
  );
  return { recorders, arguments: args, losses, mistakes: [...new Set(mistakes)], warnings: [...new Set(warnings)] };
}

/** The message of the error that `body` throws, if it is one for a user. */
function attempt(body: () => void): string | undefined {
  try {
    body();
    return undefined;
  } catch (error) {
    if (error instanceof RetortError) return error.message;
    throw error;
  }
}

function recordersOf(key: string, distiller: ConfigurableDistiller): ProbedRecorder[] {
  return (['student', 'teacher'] as const).flatMap((side) => {
    const { recorders } = side === 'student' ? distiller.studentRecorders : distiller.teacherRecorders;
    return [...recorders].map(([name, recorder]) => ({
      distiller: key,
      side,
      name,
      source: recorder.label,
      records: recorder.length,
      shapes: recorder.length === 0 ? '-' : shapesOf(safely(() => recorder.getRecordData())),
    }));
  });
}

const safely = (body: () => unknown): unknown => {
  let value: unknown;
  attempt(() => {
    value = body();
  });
  return value;
};

function argumentsOf(
  distiller: ConfigurableDistiller,
  batch: LearnedBatch,
): { rows: ProbedArgument[]; mistakes: string[] } {
  const rows: ProbedArgument[] = [];
  const mistakes: string[] = [];
  for (const name of distiller.activeLosses()) {
    let given: Record<string, unknown> | undefined;
    const failed = attempt(() => {
      given = distiller.argumentsOf(name, batch);
      const loss = distiller.distill_losses.get(name);
      const finite =
        loss
          .forward(given as never)
          .isfinite()
          .all()
          .item() === 1;
      const why = finite ? undefined : loss.explainNonFinite(given);
      if (why !== undefined) mistakes.push(`loss "${name}": ${loss.constructor.name}: ${why}`);
    });
    if (failed !== undefined) mistakes.push(`loss "${name}": ${failed}`);
    for (const [argument, mapping] of Object.entries(distiller.mappings[name]!)) {
      rows.push({
        loss: name,
        argument,
        from: origin(mapping),
        shapes: given === undefined ? '-' : shapesOf(given[argument]),
      });
    }
  }
  return { rows, mistakes };
}

function origin(mapping: ArgumentMapping): string {
  return sourcesOf(mapping)
    .map((source) => {
      if ('value' in source) return `value ${JSON.stringify(source.value)}`;
      if ('field' in source) return `batch ${source.field}`;
      return [`${source.fromStudent ? 'student' : 'teacher'} ${source.recorder}`, ...connectorsOf(source)].join(' > ');
    })
    .join(', ');
}

/** `(8, 10)`; the shapes of several tensors one after the other; other values by their kind. */
function shapesOf(value: unknown): string {
  if (value instanceof Tensor) return `(${value.shape.join(', ')})`;
  if (Array.isArray(value) && tensorsIn(value).length === 0) return `${value.length} values`;
  const tensors = tensorsIn(value);
  return tensors.length === 0 ? typeof value : tensors.map((tensor) => `(${tensor.shape.join(', ')})`).join(' ');
}

function weightless(distiller: ConfigurableDistiller): string[] {
  const names = Object.keys(distiller.mappings).filter((name) => distiller.distill_losses.get(name).lossWeight === 0);
  return names.map((name) => `loss "${name}" has lossWeight 0: it is not computed`);
}

function unreached(algorithm: Algorithm): string[] {
  const names = [...algorithm.namedParameters()]
    .filter(([, parameter]) => parameter.requiresGrad && parameter.grad === null)
    .map(([name]) => name);
  if (names.length === 0) return [];
  return [`no loss reaches ${shortened(names)}`];
}

function notFinite(losses: Readonly<Record<string, number>>): string[] {
  const bad = Object.entries(losses).filter(([, value]) => !Number.isFinite(value));
  return bad.map(([name, value]) => `${name} is ${value} on the first batch`);
}

function badGradients(algorithm: Algorithm): string[] {
  const names = [...algorithm.namedParameters()]
    .filter(([, { grad }]) => grad !== null && grad.isfinite().all().item() === 0)
    .map(([name]) => name);
  return names.length === 0 ? [] : [`the gradient of ${shortened(names)} is not finite on the first batch`];
}

/** Names, the first of many. */
function shortened(names: readonly string[]): string {
  return names.length > 4 ? `${names.slice(0, 4).join(', ')}, ... (${names.length})` : names.join(', ');
}

/** Networks that do not see what the student sees: meant, where the teacher was trained so. */
function differences(algorithm: Algorithm, { views = {} }: LearnedBatch): string[] {
  const own = (model: object): string => ('preprocessing' in model ? String(model.preprocessing) : '');
  const shown = (text: string): string => (text === '' ? 'nothing' : text);
  const ofStudent = own(algorithm.student);
  return Object.entries(algorithm.evaluated()).flatMap(([name, model]) => {
    const found = views[name] === undefined ? [] : [`${name} sees images of its own (views)`];
    const differs = own(model) !== ofStudent;
    return differs
      ? [...found, `preprocessing differs: ${name} has ${shown(own(model))}, the student ${shown(ofStudent)}`]
      : found;
  });
}

function outside(algorithm: Algorithm, optimized: ReadonlySet<Tensor> | undefined): string[] {
  if (optimized === undefined) return [];
  const names = [...algorithm.namedParameters()]
    .filter(([, parameter]) => parameter.requiresGrad && !optimized.has(parameter))
    .map(([name]) => name.split('.').slice(0, 3).join('.'));
  return [...new Set(names)].map((name) => `${name} is trained by no optimizer`);
}

const tensorsOf = (module: Module): Tensor[] => [...module.parameters(), ...module.buffers()];

/** Frozen parts that no checkpoint has filled: a teacher that knows nothing, stages of a student that stay as they were drawn. */
function untrained(algorithm: Algorithm, allowed: readonly string[]): string[] {
  const below = (root: string) => (path: string) => [root, path].filter((part) => part !== '').join('.');
  const pathOf = new Map([...algorithm.namedModules()].map(([path, module]) => [module, path]));
  const isFrozen = (tensor: Tensor): boolean => tensor instanceof Parameter && !tensor.requiresGrad;
  const absent = new Set<Tensor>(Object.values(algorithm.absent()).flatMap((network) => tensorsOf(network)));
  const isAbsent = (path: string): boolean => {
    const named = [...algorithm.namedParameters(), ...algorithm.namedBuffers()];
    const inside = named.filter(([name]) => name === path || name.startsWith(`${path}.`));
    return inside.length > 0 && inside.every(([, tensor]) => absent.has(tensor));
  };
  const found = new Set([
    ...algorithm.frozen().flatMap((module) => initialWeights(module).map(below(pathOf.get(module) ?? ''))),
    ...Object.values(algorithm.students()).flatMap((student) =>
      initialWeights(student, isFrozen).map(below(pathOf.get(student) ?? '')),
    ),
  ]);
  const unknown = allowed.filter((path) => algorithm.getModule(path) === undefined);
  const meant = (path: string): boolean => allowed.some((one) => path === one || path.startsWith(`${one}.`));
  return [
    ...unknown.map((path) => `allowInitialWeights: unknown module "${path}"`),
    ...[...found]
      .filter((path) => !meant(path) && !isAbsent(path))
      .map(
        (path) =>
          `${path} is frozen with the weights it was made with: no checkpoint fills it. Load one (teacherCkpt, ckptPath, ` +
          `initCfg), or, where that is meant, say allowInitialWeights: ['${path}']`,
      ),
  ];
}

/**
 * Heads that know another number of classes than the data. Too few are a mistake where the network is trained: labels beyond have no
 * score. Too many, and a frozen teacher of another number, may be meant.
 */
export function compareHeads(algorithm: Algorithm, numClasses: number): Record<'mistakes' | 'warnings', string[]> {
  const found = { mistakes: [] as string[], warnings: [] as string[] };
  for (const [name, model] of Object.entries(algorithm.evaluated())) {
    const own = (model.getModule('head') as { numClasses?: number } | undefined)?.numClasses;
    if (own === undefined || own === numClasses) continue;
    const counts = `the head of the network "${name}" has ${own} classes, the data ${numClasses}`;
    if (!model.parameters().some((parameter) => parameter.requiresGrad)) {
      found.warnings.push(`${counts}: its features can be distilled, its scores and its accuracy mean something else`);
    } else if (own > numClasses) {
      found.warnings.push(`${counts}: no sample is of the classes from ${numClasses} on`);
    } else {
      const help = `set numClasses of its head to ${numClasses}, or leave classes out of the data`;
      found.mistakes.push(`${counts}: labels from ${own} on have no score\n  help: ${help}`);
    }
  }
  return found;
}
