// Against `JSON.parse`: what it refuses the cursor refuses, what it accepts the cursor accepts, duplicate keys aside.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { FormatError, failFor } from './format-error.ts';
import { JsonCursor } from './json-cursor.ts';

function accepts(text: string): boolean {
  try {
    const cursor = new JsonCursor(Buffer.from(text), { fail: failFor('json'), base: 0 });
    cursor.skip();
    cursor.end();
    return true;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('JsonCursor', () => {
  it('accepts what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(0, 1, '\t'), (json, space) => {
        expect(accepts(JSON.stringify(JSON.parse(json), null, space))).toBe(true);
      }),
    );
  });

  it('refuses what JSON.parse refuses', () => {
    const broken = fc.tuple(
      fc.json(),
      fc.nat(),
      fc.nat(3),
      fc.constantFrom('', ',', '"', '\\', '0', '-', '.', 'e', '}', '\v'),
    );
    fc.assert(
      fc.property(broken, ([json, at, length, put]) => {
        const start = at % (json.length + 1);
        const text = json.slice(0, start) + put + json.slice(start + length);
        expect(accepts(text) && !parses(text)).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    '',
    ' ',
    '"',
    '"\\u12"',
    '"\t"',
    '01',
    '-',
    '1.',
    '.5',
    '+1',
    '1e',
    'True',
    'nul',
    '[1,]',
    '[,]',
    '{"a"}',
    '{a:1}',
    '1 2',
    '\ufeff1',
  ])('refuses %j', (text) => {
    expect(accepts(text)).toBe(false);
    expect(parses(text)).toBe(false);
  });

  it.each(['0', '-0', '1.5E+3', ' [ ] ', '{"":{}}', '"\\ud83d\\ude00"', '"\\\\"'])('accepts %j', (text) => {
    expect(accepts(text)).toBe(true);
  });
});
