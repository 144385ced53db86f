// The check of a distiller's mappings at construction: all mistakes at once, and what is there without being used.
import { didYouMean } from '../../errors.ts';
import type { DistillLoss } from '../losses/index.ts';
import { batchFields, connectorsOf, fieldOf, sourcesOf } from './mapping.ts';
import type { ArgumentSource, LossForwardMappings, RecordSource } from './mapping.ts';

export interface Parts {
  losses: ReadonlyMap<string, DistillLoss>;
  /** Names of recorders. */
  student: readonly string[];
  teacher: readonly string[];
  connectors: readonly string[];
  mappings: LossForwardMappings;
}

export interface Findings {
  /** What makes the mappings impossible to compute. */
  mistakes: string[];
  /** What is there and not used, or will surprise. */
  warnings: string[];
}

const recordFields = ['recorder', 'fromStudent', 'recordIdx', 'dataIdx', 'connector', 'connectorIdx'];

export function checkMappings(parts: Parts): Findings {
  const findings: Findings = { mistakes: [], warnings: [] };
  const used = { student: new Set<string>(), teacher: new Set<string>(), connectors: new Set<string>() };
  for (const name of parts.losses.keys()) {
    if (!Object.hasOwn(parts.mappings, name)) {
      findings.mistakes.push(`loss "${name}" has no mapping: it would never be computed`);
    }
    if (!name.includes('loss')) {
      findings.warnings.push(`loss "${name}": its name does not contain "loss", so it is reported but not trained on`);
    }
  }
  for (const [name, args] of Object.entries(parts.mappings)) checkLoss(name, args, parts, findings.mistakes, used);
  for (const side of ['student', 'teacher'] as const) {
    for (const name of parts[side]) {
      if (!used[side].has(name)) findings.warnings.push(`${side} recorder "${name}" is read by no loss`);
    }
  }
  for (const name of parts.connectors) {
    if (!used.connectors.has(name)) findings.warnings.push(`connector "${name}" is used by no loss`);
  }
  return findings;
}

function checkLoss(
  name: string,
  args: LossForwardMappings[string],
  parts: Parts,
  mistakes: string[],
  used: Record<'student' | 'teacher' | 'connectors', Set<string>>,
): void {
  const loss = parts.losses.get(name);
  if (loss === undefined) {
    mistakes.push(`lossForwardMappings: unknown loss "${name}"; ${didYouMean(name, parts.losses.keys())}`);
    return;
  }
  const { required, optional = [] } = loss.inputs;
  const known = [...required, ...optional];
  for (const argument of required) {
    if (!Object.hasOwn(args, argument)) mistakes.push(`loss "${name}": argument "${argument}" is not mapped`);
  }
  for (const [argument, mapping] of Object.entries(args)) {
    const where = `loss "${name}", argument "${argument}"`;
    if (!known.includes(argument)) {
      mistakes.push(`${where}: unknown argument of ${loss.constructor.name}; ${didYouMean(argument, known)}`);
    }
    for (const source of sourcesOf(mapping)) {
      mistakes.push(...sourceMistakes(source, parts, used).map((mistake) => `${where}: ${mistake}`));
    }
  }
}

function sourceMistakes(
  source: ArgumentSource,
  parts: Parts,
  used: Record<'student' | 'teacher' | 'connectors', Set<string>>,
): string[] {
  const given = Object.keys(source);
  if ('value' in source) return given.length === 1 ? [] : ['value: expected no key beside it'];
  if ('field' in source) {
    if (given.length > 1) return ['field: expected no key beside it'];
    return fieldOf(String(source.field)) !== undefined
      ? []
      : [
          `field: unknown part of a batch "${String(source.field)}"; ${didYouMean(String(source.field), Object.keys(batchFields))}`,
        ];
  }
  return recordMistakes(source, parts, used);
}

function recordMistakes(
  source: RecordSource,
  parts: Parts,
  used: Record<'student' | 'teacher' | 'connectors', Set<string>>,
): string[] {
  const mistakes: string[] = [];
  for (const field of Object.keys(source)) {
    if (!recordFields.includes(field)) {
      mistakes.push(`unknown key "${field}"; ${didYouMean(field, [...recordFields, 'field', 'value'])}`);
    }
  }
  for (const connector of connectorsOf(source)) {
    if (parts.connectors.includes(connector)) used.connectors.add(connector);
    else mistakes.push(`unknown connector "${connector}"; ${didYouMean(connector, parts.connectors)}`);
  }
  if (typeof source.fromStudent !== 'boolean') {
    mistakes.push(`fromStudent: expected true or false, got ${String(source.fromStudent)}`);
    return mistakes;
  }
  const side = source.fromStudent ? 'student' : 'teacher';
  if (typeof source.recorder !== 'string') mistakes.push('recorder: expected a name, got nothing');
  else if (parts[side].includes(source.recorder)) used[side].add(source.recorder);
  else {
    mistakes.push(`unknown recorder "${source.recorder}" of the ${side}; ${didYouMean(source.recorder, parts[side])}`);
  }
  return mistakes;
}
