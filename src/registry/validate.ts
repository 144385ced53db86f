// Checks data against a zod schema and reports every mistake at once: where, what was expected, what came, the nearest name.
import type { z } from 'zod';

import { didYouMean, RetortError } from '../errors.ts';

/** The checked (and defaulted) value. @throws {RetortError} that lists all mistakes; `where` names the thing checked. */
export function validate<S extends z.ZodType>(schema: S, value: unknown, where: string): z.output<S> {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  throw new RetortError(`${where}:\n    ${worded(result.error, schema).join('\n    ')}`);
}

/**
 * What a constructor was given, checked by the schema that configs are checked by. An option that is `undefined` counts as left
 * out.
 * @param name of what is constructed, for errors
 * @returns the options, with the schema's defaults
 * @throws {RetortError} `KLDivergence: tau: expected a number > 0, got -1`; several mistakes are listed.
 */
export function checkOptions<S extends z.ZodType>(schema: S, options: unknown, name: string): z.output<S> {
  return validate(schema, isPlain(options) ? withoutUndefined(options) : options, name);
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value) as unknown;
  return prototype === Object.prototype || prototype === null;
}

function withoutUndefined(options: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** Every mistake in words; none means the value fits. */
export function mistakesOf(schema: z.ZodType, value: unknown): string[] {
  const result = schema.safeParse(value, { reportInput: true });
  return result.success ? [] : worded(result.error, schema);
}

function worded(error: z.ZodError, schema: z.ZodType): string[] {
  return error.issues.map((issue) => mistake(issue, schema));
}

function mistake(issue: z.core.$ZodIssue, schema: z.ZodType): string {
  const path = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, issue.path);
    const keys = issue.keys.map((key) => `"${key}" is no option; ${didYouMean(key, known)}`);
    return `${path === '' ? '' : `${path}: `}${keys.join('; ')}`;
  }
  const came = issue.input === undefined ? 'nothing' : shown(issue.input);
  return `${path === '' ? 'value' : path}: ${issue.message.replace(/^Invalid input: /, '')}, got ${came}`;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** The option names at a path of an object schema, as far as the schema tells. */
function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let shape = shapeOf(schema);
  for (const part of path) {
    const next = shape?.[String(part)];
    shape = next === undefined ? undefined : shapeOf(next);
  }
  return shape === undefined ? [] : Object.keys(shape);
}

function shapeOf(schema: z.ZodType): Record<string, z.ZodType> | undefined {
  const inner = (schema as unknown as { def: { innerType?: z.ZodType } }).def.innerType;
  return inner === undefined ? (schema as { shape?: Record<string, z.ZodType> }).shape : shapeOf(inner);
}
