// Options are checked alike in configs and in code: what a schema refuses, the constructor refuses in the same words.
import { expect } from 'vitest';
import type { z } from 'zod';

import type { Entry } from '../src/registry/index.ts';
import { refusal } from './refusal.ts';

/** Values that make no sense for most options. */
const strange = [Number.NaN, Infinity, -Infinity, -1, 0, 1.5, '', 'strange', true, {}, [], () => 1];

export interface Checked {
  entry: Entry<unknown>;
  /** The class that the entry builds. */
  Class: new (options: object) => object;
  /** Options that are fine. */
  options: object;
}

/** Expects the constructor to refuse what the entry's schema refuses, naming class and option. @returns how often it did */
export function expectSameCheck(name: string, { entry, Class, options }: Checked): number {
  let refused = 0;
  const { shape } = entry.schema as unknown as { shape: Readonly<Record<string, z.ZodType>> };
  for (const [option, schema] of Object.entries(shape)) {
    for (const value of strange) {
      if (schema.safeParse(value).success) continue;
      const label = `${name}: ${option}: ${typeof value} ${JSON.stringify(value)}`;
      const words = new RegExp(`^${name}:\\s+${option}\\b.*(?:got |"type" is missing)`);
      expect(() => new Class({ ...options, [option]: value }), label).toThrow(words);
      expect(() => entry.build({ ...options, [option]: value }, name), label).toThrow(words);
      refused++;
    }
  }
  expect(() => new Class({ ...options, strange: 1 })).toThrow(refusal('unknown-option', name, 'strange'));
  expect(() => new Class(Promise.resolve(options))).toThrow(refusal('invalid-argument', 'Promise'));
  const undefinedOnes = Object.entries(shape).filter(([, schema]) => schema.safeParse(undefined).success);
  expect(
    () => new Class({ ...Object.fromEntries(undefinedOnes.map(([key]) => [key, undefined])), ...options }),
  ).not.toThrow();
  return refused;
}
