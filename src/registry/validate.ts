// Checks data against a zod schema and reports every mistake at once: where, what was expected, what was given, the nearest name.
// Configs and constructors are checked by the same schemas, in the same words.
import type { z } from 'zod';

import { isPlain, shown } from '../check.ts';
import { RetortError } from '../errors.ts';
import { readText } from '../files.ts';
import { findMistakes } from './check.ts';
import { withoutAliases } from './typed.ts';

/** The checked (and defaulted) value. @throws {RetortError} that lists all mistakes; `where` names the thing checked. */
export function validate<S extends z.ZodType>(schema: S, value: unknown, where: string): z.output<S> {
  const result = schema.safeParse(withoutAliases(schema, value));
  if (result.success) return result.data;
  const mistakes = findMistakes(schema, value);
  const lines = mistakes.map(({ text }) => text);
  const listed = lines.length === 1 ? ` ${lines[0]}` : `\n    ${lines.join('\n    ')}`;
  // the code that all have; where they differ, the options as a whole are wrong
  const code = mistakes.every((one) => one.code === mistakes[0]!.code) ? mistakes[0]?.code : undefined;
  throw new RetortError(`${where}:${listed}`, { code: code ?? 'invalid-argument' });
}

/**
 * What a file of JSON holds, checked by a schema.
 * @param kind what the file is to be, for errors: `'a record of a run'`
 * @param help how to come by one
 * @throws {RetortError} `runs/kd/run.json is not a record of a run: config: expected a text, got 1`
 */
export function readJsonAs<S extends z.ZodType>(
  schema: S,
  path: string,
  { kind, help }: { kind: string; help: string },
): z.output<S> {
  const what = `${path} is not ${kind}`;
  const refused = (text: string, cause: unknown): RetortError =>
    new RetortError(text, { code: 'invalid-file', cause, help });
  const text = readText(path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw refused(`${what}: ${(cause as Error).message}`, cause);
  }
  try {
    return validate(schema, value, what);
  } catch (cause) {
    if (!(cause instanceof RetortError)) throw cause;
    throw refused(cause.what, cause);
  }
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

/** Every mistake in words; none means the value fits. */
export function mistakesOf(schema: z.ZodType, value: unknown): string[] {
  return findMistakes(schema, value).map(({ text }) => text);
}

function withoutUndefined(options: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
