// What is wrong with a value, in words: what was expected, what was given, the nearest name.
import type { z } from 'zod';

import { nearest } from '../errors.ts';
import { isPlain } from './typed.ts';

type Issue = z.core.$ZodIssue;

/** `expected a number > 0, got -1` */
export function issueInWords(issue: Issue): string {
  if (issue.code === 'custom' && issue.params?.['complete'] === true) return issue.message;
  const got = issue.input === undefined ? 'nothing' : shown(issue.input);
  return `${expected(issue)}, got ${got}${hint(issue)}`;
}

/** What was expected. */
function expected(issue: Issue): string {
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
      if (issue.errors.length === 0 || issue.message !== 'Invalid input') return issue.message;
      const each = issue.errors.flatMap((issues) => issues.slice(0, 1)).map((one) => expected(one));
      return `expected ${[...new Set(each)].map((one) => one.replace('expected ', '')).join(', or ')}`;
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

function hint(issue: Issue): string {
  const { code, input } = issue;
  if (typeof input !== 'string') return '';
  if (code === 'invalid_value') {
    const near = nearest(input, issue.values.map(String));
    return near.length === 0 ? '' : `; did you mean "${near[0]}"?`;
  }
  // YAML took these words for booleans once.
  const old = code === 'invalid_type' && issue.expected === 'boolean' && /^(?:y|yes|no?|on|off)$/i.test(input);
  return old ? '; write true or false' : '';
}

/** A value in few characters, whatever it is. */
export function shown(value: unknown, depth = 0): string {
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !isPlain(value)) {
    return `a ${value.constructor?.name ?? 'value'}`;
  }
  return cut(written(value, depth));
}

/** Some items of a list, some keys of an object: no more is looked at than is shown. */
function written(value: unknown, depth: number): string {
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'symbol') return String(value);
  if (depth > 3) return '...';
  if (Array.isArray(value)) {
    return `[${value
      .slice(0, 40)
      .map((one) => shown(one, depth + 1))
      .join(',')}]`;
  }
  if (!isPlain(value)) return JSON.stringify(value) ?? String(value);
  const entries = Object.entries(value).slice(0, 40);
  return `{${entries.map(([key, one]) => `${JSON.stringify(key)}:${shown(one, depth + 1)}`).join(',')}}`;
}

export function cut(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
