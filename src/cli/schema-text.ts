// What a schema lets pass, in the words of configs: `number > 0`, `"mean" | "sum"`, `{ type: <loss>, ... }`.
import type { z } from 'zod';

import { defOf, kindOf, readsOf, unwrapped } from '../registry/index.ts';

/** The type of an option. */
export function typeText(schema: z.ZodType): string {
  const { type, innerType } = defOf(schema);
  const kind = kindOf(schema);
  if (kind !== undefined) return `{ type: <${kind}>, ... }`;
  if (type === 'nullable') return `${typeText(innerType!)} | null`;
  const inner = unwrapped(schema);
  if (inner !== schema) return innerType === undefined ? typeText(inner) : typeText(innerType);
  return plainText(schema);
}

function plainText(schema: z.ZodType): string {
  const { type, options, element, items, valueType, shape, values, entries } = defOf(schema);
  switch (type) {
    case 'number':
      return numberText(schema);
    case 'string':
      return readsOf(schema) === undefined ? 'text' : 'path';
    case 'boolean':
      return 'true | false';
    case 'null':
      return 'null';
    case 'literal':
      return values!.map((value) => JSON.stringify(value)).join(' | ');
    case 'enum':
      return Object.values(entries!)
        .map((value) => JSON.stringify(value))
        .join(' | ');
    case 'union':
      return [...new Set(options!.map(typeText))].join(' | ');
    case 'array':
      return `list of ${typeText(element!)}`;
    case 'tuple':
      return `[${items!.map(typeText).join(', ')}]`;
    case 'record':
      return `{ <name>: ${typeText(valueType!)} }`;
    case 'object':
      return `{ ${Object.entries(shape!)
        .map(([key, one]) => `${key}${isOptional(one) ? '?' : ''}`)
        .join(', ')} }`;
    default:
      return customText(schema);
  }
}

interface NumberCheck {
  readonly check: string;
  readonly format?: string;
  readonly value?: number;
  readonly inclusive?: boolean;
}

/** `number >= 0 and <= 1` */
function numberText(schema: z.ZodType): string {
  const { checks = [], format } = defOf(schema);
  const rules = checks.map((check) => (check as { _zod: { def: NumberCheck } })._zod.def);
  const whole = [format, ...rules.map((rule) => rule.format)].some((one) => one?.includes('int') === true);
  const bounds = rules.flatMap(({ check, value, inclusive }) => {
    const sign = check === 'greater_than' ? '>' : check === 'less_than' ? '<' : undefined;
    return sign === undefined ? [] : [`${sign}${inclusive === true ? '=' : ''} ${value}`];
  });
  return [whole ? 'integer' : 'number', bounds.join(' and ')].filter((part) => part !== '').join(' ');
}

/** A check of our own says what it expects. */
function customText(schema: z.ZodType): string {
  const result = schema.safeParse(Symbol('nothing that fits'));
  const message = result.success ? '' : (result.error.issues[0]?.message ?? '');
  return message.startsWith('expected ') ? message.slice('expected '.length) : 'anything';
}

/** Whether an option may be left out. */
export function isOptional(schema: z.ZodType): boolean {
  return (schema as unknown as { _zod: { optin?: string } })._zod.optin !== undefined;
}

/** The default of an option, if the schema has one. */
export function defaultOf(schema: z.ZodType): string | undefined {
  const { type, innerType, defaultValue } = defOf(schema);
  if (type === 'default' || type === 'prefault') return JSON.stringify(defaultValue);
  return innerType === undefined ? undefined : defaultOf(innerType);
}

/** A value that fits an option, for examples. */
function exampleOf(schema: z.ZodType): unknown {
  const kind = kindOf(schema);
  if (kind !== undefined) return { type: `<${kind}>` };
  const inner = unwrapped(schema);
  const { type, options, element, items, values, entries, valueType, shape } = defOf(inner);
  switch (type) {
    case 'number':
      return [1, 0.5, 2, 8, 0, -1].find((value) => inner.safeParse(value).success) ?? 1;
    case 'string':
      return '...';
    case 'boolean':
      return true;
    case 'literal':
      return values![0];
    case 'enum':
      return Object.values(entries!)[0];
    case 'union':
      return exampleOf(options![0]!);
    case 'array':
      return [exampleOf(element!)];
    case 'tuple':
      return items!.map(exampleOf);
    case 'record':
      return { name: exampleOf(valueType!) };
    case 'object':
      return requiredExample(shape!);
    default:
      return typeText(inner).startsWith('{ type') ? { type: '...' } : '...';
  }
}

/** Examples of the options that must be given. */
export function requiredExample(shape: Readonly<Record<string, z.ZodType>>): Record<string, unknown> {
  const required = Object.entries(shape).filter(([, schema]) => !isOptional(schema));
  return Object.fromEntries(required.map(([key, schema]) => [key, exampleOf(schema)]));
}
