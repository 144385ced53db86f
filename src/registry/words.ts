// What is wrong with a value, in words: what was expected, what was given, the nearest name.
import type { z } from 'zod';

import { shown } from '../check.ts';
import { nearest } from '../errors.ts';

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
