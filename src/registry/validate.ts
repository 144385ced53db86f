// Checks data against a zod schema and reports every mistake at once: where, what was expected, what came, the nearest name.
// Configs and constructors are checked by the same schemas, in the same words.
import type { z } from 'zod';

import { didYouMean, nearest, RetortError } from '../errors.ts';

/** The checked (and defaulted) value. @throws {RetortError} that lists all mistakes; `where` names the thing checked. */
export function validate<S extends z.ZodType>(schema: S, value: unknown, where: string): z.output<S> {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  const mistakes = worded(result.error, schema);
  throw new RetortError(
    mistakes.length === 1 ? `${where}: ${mistakes[0]}` : `${where}:\n    ${mistakes.join('\n    ')}`,
  );
}

/**
 * What a constructor was given, checked by the schema that configs are checked by. An option that is `undefined` counts as left
 * out.
 * @param name of what is constructed, for errors
 * @returns the options, with the schema's defaults
 * @throws {RetortError} `KLDivergence: tau: expected a number > 0, got -1`; several mistakes are listed.
 */
export function checkOptions<S extends z.ZodType>(schema: S, options: unknown, name: string): z.output<S> {
  if (isPlain(options)) return validate(schema, withoutUndefined(options), name);
  throw new RetortError(`${name}: expected an object of options, got ${shown(options)}`);
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || Object.getPrototypeOf(prototype) === null; // of any realm
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
  return error.issues.flatMap((issue) => mistakes(issue, schema));
}

function mistakes(issue: z.core.$ZodIssue, schema: z.ZodType): string[] {
  const path = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, issue.path);
    const keys = issue.keys.map((key) => `"${key}" is no option; ${didYouMean(key, known)}`);
    return [`${path === '' ? '' : `${path}: `}${keys.join('; ')}`];
  }
  const inner = issue.code === 'invalid_union' ? meantBranch(issue) : undefined;
  if (inner !== undefined) {
    return inner.flatMap((one) => mistakes({ ...one, path: [...issue.path, ...one.path] }, schema));
  }
  const came = issue.input === undefined ? 'nothing' : shown(issue.input);
  return [`${path === '' ? '' : `${path}: `}${expected(issue)}, got ${came}${nearestValue(issue)}`];
}

/** The mistakes of the one alternative of a union whose kind the value has, if there is one. */
function meantBranch({ errors }: z.core.$ZodIssueInvalidUnion): z.core.$ZodIssue[] | undefined {
  const meant = errors.filter((issues) => issues.every(({ path, code }) => path.length > 0 || isBound(code)));
  return meant.length === 1 ? meant[0] : undefined;
}

const isBound = (code: string): boolean =>
  ['too_small', 'too_big', 'not_multiple_of', 'unrecognized_keys'].includes(code);

/** What was expected, in words. */
function expected(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${kinds[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `expected ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map((one) => shown(one)).join(', ')}`;
    case 'too_small':
      return `expected ${bound(issue.origin, `${issue.inclusive === false ? '>' : '>='} ${issue.minimum}`)}`;
    case 'too_big':
      return `expected ${bound(issue.origin, `${issue.inclusive === false ? '<' : '<='} ${issue.maximum}`)}`;
    case 'invalid_union': {
      const each = issue.errors.flatMap((issues) => issues.slice(0, 1)).map((one) => expected(one));
      return each.length === 0
        ? issue.message
        : `expected ${each.map((one) => one.replace('expected ', '')).join(', or ')}`;
    }
    default:
      return issue.message.replace(/^Invalid input: /, '');
  }
}

const kinds: Readonly<Record<string, string>> = {
  number: 'a number',
  int: 'an integer',
  string: 'a string',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'an object',
  record: 'an object',
};

function bound(origin: string, limit: string): string {
  if (origin === 'array' || origin === 'set') return `a list of length ${limit}`;
  return origin === 'string' ? `a string of length ${limit}` : `a number ${limit}`;
}

function nearestValue(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'invalid_value' || typeof issue.input !== 'string') return '';
  const near = nearest(issue.input, issue.values.map(String));
  return near.length === 0 ? '' : `; did you mean "${near[0]}"?`;
}

/** A value in few characters, whatever it is. */
function shown(value: unknown, depth = 0): string {
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !isPlain(value)) {
    return `a ${value.constructor?.name ?? 'value'}`;
  }
  const text = written(value, depth);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function written(value: unknown, depth: number): string {
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'symbol') return String(value);
  if (Array.isArray(value))
    return depth > 3
      ? '[...]'
      : `[${value
          .slice(0, 40)
          .map((one) => shown(one, depth + 1))
          .join(',')}]`;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return 'an object'; // one that refers to itself, or holds what JSON does not have
  }
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
