// A frozen teacher is run as far as somebody looks: when its recorders and deliveries have all that a whole pass gives them, a private
// exception ends its forward, so that what comes after is not computed.
import { sourcesOf } from '../distillers/index.ts';
import type { ConfigurableDistiller } from '../distillers/index.ts';
import { Conv2d, hasNamedValues, Linear } from '../../nn/index.ts';
import type { Module } from '../../nn/index.ts';
import { Tensor } from '../../torch/index.ts';

/** How many records and outputs a whole pass of one network leaves, by the names of recorders and deliveries. */
export interface Needs {
  readonly recorders: Readonly<Record<string, number>>;
  readonly deliveries: Readonly<Record<string, number>>;
}

/** What a whole pass has shown of one network. */
export interface Survey {
  readonly needs: Needs;
  /** How many modules were called. */
  readonly called: number;
  /** Multiplications of convolutions and fully connected layers up to the last record. */
  readonly work: number;
  /** Those that were called only after the last record. */
  readonly after: readonly Module[];
  /** The recorder or delivery that had its last record last, in words. */
  readonly last: string;
}

/** Not an error of anybody: it never leaves {@link runUntil}. */
class Enough extends Error {}

/** Where records and outputs are counted, by name. */
function countersOf(distiller: ConfigurableDistiller): Record<keyof Needs, Map<string, () => number>> {
  const recorders = [...distiller.teacherRecorders.recorders];
  const deliveries = [...distiller.deliveries.deliveries];
  return {
    recorders: new Map(recorders.map(([name, recorder]) => [name, () => recorder.length])),
    deliveries: new Map(deliveries.map(([name, delivery]) => [name, () => delivery.ready])),
  };
}

/** Runs `body` while `told` hears of each record and each kept output. */
function listening(distiller: ConfigurableDistiller, told: (what: string) => void, body: () => void): void {
  const recorders = [...distiller.teacherRecorders.recorders.values()];
  const deliveries = [...distiller.deliveries.deliveries];
  for (const recorder of recorders) recorder.whenRecorded = () => told(recorder.label);
  for (const [name, delivery] of deliveries) delivery.whenKept = () => told(`delivery "${name}"`);
  try {
    body();
  } finally {
    for (const recorder of recorders) recorder.whenRecorded = undefined;
    for (const [, delivery] of deliveries) delivery.whenKept = undefined;
  }
}

/** Runs a network as a whole and tells what it leaves, and what it does after that. */
export function surveyed(distiller: ConfigurableDistiller, network: Module, body: () => void): Survey {
  const counters = countersOf(distiller);
  const before = new Map([...counters.recorders].map(([name, count]) => [name, count()]));
  const kept = new Map([...counters.deliveries].map(([name, count]) => [name, count()]));
  let called: Module[] = [];
  const upToLast = new Set<Module>();
  let last = 'nothing';
  const work = { upToLast: 0, sinceThen: 0 };
  const hooks = network
    .modules()
    .flatMap((module) => [
      module.registerForwardPreHook((one) => void called.push(one)),
      module.registerForwardHook((one, _args, output) => void (work.sinceThen += multiplications(one, output))),
    ]);
  try {
    listening(
      distiller,
      (what) => {
        last = what;
        for (const one of called) upToLast.add(one);
        called = [];
        work.upToLast += work.sinceThen;
        work.sinceThen = 0;
      },
      body,
    );
  } finally {
    for (const hook of hooks) hook.remove();
  }
  const left = (all: ReadonlyMap<string, () => number>, had: ReadonlyMap<string, number>): Record<string, number> =>
    Object.fromEntries(
      [...all].map(([name, count]) => [name, count() - had.get(name)!] as const).filter(([, count]) => count > 0),
    );
  const after = [...new Set(called)].filter((module) => !upToLast.has(module));
  return {
    needs: { recorders: left(counters.recorders, before), deliveries: left(counters.deliveries, kept) },
    called: upToLast.size + after.length,
    work: work.upToLast,
    after,
    last,
  };
}

/** For each number that comes out, as many as a filter has weights. */
function multiplications(module: Module, output: unknown): number {
  if (!(module instanceof Conv2d || module instanceof Linear) || !(output instanceof Tensor)) return 0;
  return (output.numel * module.weight.numel) / module.weight.shape[0]!;
}

/** Runs a network until its recorders and deliveries have what they need. */
export function runUntil(distiller: ConfigurableDistiller, { recorders, deliveries }: Needs, body: () => void): void {
  const counters = countersOf(distiller);
  const goals = [
    ...Object.entries(recorders).map(([name, need]) => [counters.recorders.get(name)!, need] as const),
    ...Object.entries(deliveries).map(([name, need]) => [counters.deliveries.get(name)!, need] as const),
  ].map(([count, need]) => [count, count() + need] as const);
  if (goals.length === 0) return; // nobody looks at this one
  const enough = new Enough();
  try {
    listening(
      distiller,
      () => {
        if (goals.every(([count, goal]) => count() >= goal)) throw enough;
      },
      body,
    );
  } catch (error) {
    if (error !== enough) throw error;
  }
}

/** Why a network cannot be left early, as far as its parts and mappings say; undefined where it can. */
export function mustEnd(distiller: ConfigurableDistiller, network: Module): string | undefined {
  const mappings = Object.values(distiller.mappings).flatMap((mapping) => Object.values(mapping));
  const fromEnd = mappings
    .flatMap(sourcesOf)
    .find((source) => 'recorder' in source && !source.fromStudent && (source.recordIdx ?? 0) < 0);
  if (fromEnd !== undefined && 'recorder' in fromEnd) {
    return `recordIdx ${fromEnd.recordIdx} of "${fromEnd.recorder}" counts from the end`;
  }
  const modules = network.modules();
  if (modules.some((module) => module.training)) return 'it is not in evaluation mode as a whole';
  return modules.some((module) => hasNamedValues(module)) ? 'a network of ONNX runs as a whole' : undefined;
}
