// Where each argument of a loss comes from, and the check of all mappings at construction.
import { didYouMean } from '../../errors.ts';
import type { DistillLoss } from '../losses/index.ts';
import type { RecorderManager } from '../recorders/index.ts';

/** One argument of a loss: a record of one side, or a part of it, through a connector where shapes differ. */
export interface ArgumentMapping {
  /** The name of a recorder of that side. */
  recorder: string;
  /** Whether the student's recorders are meant, or the teacher's. */
  fromStudent: boolean;
  /** Which call of the target. Default 0. */
  recordIdx?: number;
  /** Which part of a record that is an array. Default: all of it. */
  dataIdx?: number;
  /** The name of a connector that the record passes through. Default none. */
  connector?: string;
  /** Which part of the connector's output. Default: all of it. */
  connectorIdx?: number;
}

/** Loss name -> argument name -> where it comes from. */
export type LossForwardMappings = Readonly<Record<string, Readonly<Record<string, ArgumentMapping>>>>;

const fields = ['recorder', 'fromStudent', 'recordIdx', 'dataIdx', 'connector', 'connectorIdx'];

interface Parts {
  losses: ReadonlyMap<string, DistillLoss>;
  student: RecorderManager;
  teacher: RecorderManager;
  connectors: readonly string[];
  mappings: LossForwardMappings;
}

/** Every mistake in the mappings, in words; none means they can be computed. */
export function mappingMistakes({ losses, student, teacher, connectors, mappings }: Parts): string[] {
  const mistakes: string[] = [];
  const read = { student: new Set<string>(), teacher: new Set<string>() };
  for (const name of losses.keys()) {
    if (!Object.hasOwn(mappings, name)) mistakes.push(`loss "${name}" has no mapping: it would never be computed`);
  }
  for (const [lossName, args] of Object.entries(mappings)) {
    const loss = losses.get(lossName);
    if (loss === undefined) {
      mistakes.push(`lossForwardMappings."${lossName}": there is no such loss; ${didYouMean(lossName, losses.keys())}`);
      continue;
    }
    const { required, optional = [] } = loss.inputs;
    const known = [...required, ...optional];
    for (const argument of required) {
      if (!Object.hasOwn(args, argument)) mistakes.push(`loss "${lossName}": argument "${argument}" is not mapped`);
    }
    for (const [argument, mapping] of Object.entries(args)) {
      const where = `loss "${lossName}", argument "${argument}"`;
      if (!known.includes(argument)) {
        mistakes.push(`${where}: ${loss.constructor.name} takes no such argument; ${didYouMean(argument, known)}`);
      }
      for (const field of Object.keys(mapping)) {
        if (!fields.includes(field)) mistakes.push(`${where}: "${field}" is no field; ${didYouMean(field, fields)}`);
      }
      if (typeof mapping.fromStudent !== 'boolean') {
        mistakes.push(`${where}: fromStudent must be true or false, got ${String(mapping.fromStudent)}`);
        continue;
      }
      const side = mapping.fromStudent ? 'student' : 'teacher';
      const recorders = (mapping.fromStudent ? student : teacher).recorders;
      if (typeof mapping.recorder !== 'string') mistakes.push(`${where}: recorder is missing`);
      else if (!recorders.has(mapping.recorder)) {
        mistakes.push(
          `${where}: the ${side} has no recorder "${mapping.recorder}"; ${didYouMean(mapping.recorder, recorders.keys())}`,
        );
      } else read[side].add(mapping.recorder);
      if (mapping.connector !== undefined && !connectors.includes(mapping.connector)) {
        mistakes.push(
          `${where}: there is no connector "${mapping.connector}"; ${didYouMean(mapping.connector, connectors)}`,
        );
      }
    }
  }
  for (const [side, manager] of [
    ['student', student],
    ['teacher', teacher],
  ] as const) {
    for (const name of manager.recorders.keys()) {
      if (!read[side].has(name)) mistakes.push(`${side} recorder "${name}" is read by no loss`);
    }
  }
  return mistakes;
}
