import { expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { z } from 'zod';

import { aliased, checkOptions, entry, Registry, validate } from './index.ts';

const box = entry(
  z.strictObject({ width: z.number().int().positive(), color: z.enum(['red', 'blue']).default('red') }),
  (options) => `${options.width} ${options.color}`,
  { summary: 'A box.' },
);
const boxes = new Registry('box', { Box: box });

it('builds with defaults', () => {
  expect(boxes.build({ type: 'Box', width: 3 })).toBe('3 red');
});

it('names the nearest type', () => {
  expect(() => boxes.build({ type: 'Bxo' })).toThrow(refusal('unknown-name', 'box', 'Bxo', 'Box'));
  expect(() => boxes.build({ type: '__proto__' })).toThrow(refusal('unknown-name', '__proto__', 'Box'));
  expect(() => boxes.build({} as never)).toThrow(refusal('invalid-argument', 'box', '"type"'));
});

it('reports every wrong option at once, with the value given and the nearest name', () => {
  const build = (): unknown => boxes.build({ type: 'Box', width: -1, color: 'rde', widht: 2 }, 'teacher');
  expect(build).toThrow(refusal('invalid-argument', 'teacher Box'));
  expect(build).toThrow(refusal('invalid-argument', 'width', '-1'));
  expect(build).toThrow(refusal('invalid-argument', 'color', 'rde'));
  expect(build).toThrow(refusal('invalid-argument', 'widht', 'width'));
});

it('extends without changing the original', () => {
  const more = boxes.extend({ Crate: box });
  expect(more.names()).toEqual(['Box', 'Crate']);
  expect(boxes.names()).toEqual(['Box']);
});

it('says in plain words what was expected and what was given, of each kind of mistake', () => {
  const schema = z.strictObject({
    tau: z.number().positive().optional(),
    share: z.number().min(0).max(1).optional(),
    count: z.int().positive().optional(),
    flag: z.boolean().optional(),
    mode: z.enum(['mean', 'sum']).optional(),
    compat: z.literal('mmrazor').optional(),
    taus: z.array(z.number().positive()).min(1).optional(),
    size: z.union([z.int().positive(), z.tuple([z.int(), z.int()])]).optional(),
  });
  const said = (options: object): string => {
    try {
      checkOptions(schema, options, 'Loss');
      return 'fine';
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect(said({ tau: -1 })).toBe('Loss: tau: expected a number > 0, got -1');
  expect(said({ tau: Number.NaN })).toBe('Loss: tau: expected a number, got NaN');
  expect(said({ tau: Infinity })).toBe('Loss: tau: expected a number, got Infinity');
  expect(said({ tau: '2' })).toBe('Loss: tau: expected a number, got "2"');
  expect(said({ share: 2 })).toBe('Loss: share: expected a number <= 1, got 2');
  expect(said({ count: 1.5 })).toBe('Loss: count: expected an integer, got 1.5');
  expect(said({ flag: 1 })).toBe('Loss: flag: expected true or false, got 1');
  expect(said({ mode: 'men' })).toBe('Loss: mode: expected one of "mean", "sum", got "men"; did you mean "mean"?');
  expect(said({ compat: 'mmdet' })).toBe('Loss: compat: expected "mmrazor", got "mmdet"');
  expect(said({ taus: [] })).toBe('Loss: taus: expected a list of length >= 1, got []');
  expect(said({ taus: [1, -2] })).toBe('Loss: taus.1: expected a number > 0, got -2');
  expect(said({ size: 'x' })).toBe('Loss: size: expected a number, or a list, got "x"');
  expect(said({ size: 0 })).toBe('Loss: size: expected a number > 0, got 0');
  expect(said({ size: [1, 'x'] })).toBe('Loss: size.1: expected a number, got "x"');
  expect(said({ flag: 2, tau: 0 })).toBe(
    'Loss:\n    tau: expected a number > 0, got 0\n    flag: expected true or false, got 2',
  );
});

it('takes an option that is undefined for one left out, and shows any value', () => {
  const schema = z.strictObject({ width: z.number().default(3), color: z.string().exactOptional() });
  expect(checkOptions(schema, { width: undefined, color: undefined }, 'Box')).toEqual({ width: 3 });
  const round: unknown[] = [];
  round.push(round);
  const values = [round, new Map(), () => 1, 5n, Symbol('s'), { a: 1n }, null, [Number.NaN], Object.create(null)];
  for (const color of values) {
    expect(() => checkOptions(schema, { color }, 'Box')).toThrow(refusal('invalid-argument', 'Box: color: ', 'got '));
  }
  for (const options of [null, 3, 'width', [], new Map(), () => 1, Promise.resolve({})]) {
    expect(() => checkOptions(schema, options, 'Box')).toThrow(refusal('invalid-argument', 'Box: ', 'got '));
  }
});

it('takes options by other names, which it never speaks of', () => {
  const schema = aliased(z.strictObject({ tau: z.number().positive(), size: z.int().default(1) }), {
    temperature: 'tau',
    heat: 'tau',
  });
  expect(validate(schema, { temperature: 2 }, 'Loss')).toEqual({ tau: 2, size: 1 });
  expect(() => validate(schema, { temperature: -1 }, 'Loss')).toThrow(
    refusal('invalid-argument', 'Loss', 'temperature', '0', '-1'),
  );
  expect(() => validate(schema, { temperature: 1, tau: 2 }, 'Loss')).toThrow(
    refusal('invalid-argument', 'temperature', 'tau', 'Loss'),
  );
  expect(() => validate(schema, { temperature: 1, heat: 2 }, 'Loss')).toThrow(
    refusal('invalid-argument', 'temperature', 'heat', 'Loss'),
  );
  expect(() => validate(schema, { temperatur: 1, tau: 2 }, 'Loss')).toThrow(
    refusal('unknown-option', 'Loss', 'temperatur', 'tau'),
  );
  expect(() => validate(schema, {}, 'Loss')).toThrow(refusal('invalid-argument', 'Loss', 'tau', 'nothing'));
});
