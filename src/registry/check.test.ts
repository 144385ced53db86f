// One pass over a config: what schemas say holds registered things is checked through and through, and nothing else is.
import { expect, it } from 'vitest';
import { z } from 'zod';

import { entry, findMistakes, optionsIn, pathTo, readsOf, replaceTyped, typedOf } from './index.ts';
import type { Tables } from './index.ts';

const about = { summary: '' };
const build = (options: unknown): unknown => options;
const loss = entry(z.strictObject({ tau: z.number().positive().exactOptional() }), build, about);
const wrapper = entry(z.strictObject({ inner: typedOf('loss'), weight: z.number().exactOptional() }), build, about);
const head = entry(z.strictObject({ numClasses: z.number(), loss: typedOf('loss', { usual: 'KL' }) }), build, about);
/** A user's own, with options that are called as kinds are. */
const own = entry(
  z.strictObject({
    head: z.strictObject({ dim: z.number() }),
    teacher: z.number(),
    dataset: z.record(z.string(), z.number()).exactOptional(),
  }),
  build,
  about,
);
const tables: Tables = { loss: { KL: loss, Wrapper: wrapper }, head: { Linear: head }, connector: { Own: own } };
const schema = z.strictObject({
  epochs: z.number(),
  head: typedOf('head').exactOptional(),
  connectors: z.record(z.string(), z.union([typedOf('connector'), z.array(typedOf('connector')).readonly()])),
  teachers: z
    .record(
      z.string(),
      z.union([z.strictObject({ buildCfg: typedOf('head'), ckptPath: pathTo('checkpoint') }), typedOf('head')]),
    )
    .exactOptional(),
  optimizer: z.union([typedOf('loss'), z.record(z.string(), typedOf('loss'))]).exactOptional(),
});
const said = (value: unknown): string[] => findMistakes(schema, value, { tables }).map(({ text }) => text);

it("leaves users' own options to their own schemas, whatever they are called", () => {
  const fits = { type: 'Own', head: { dim: 3 }, teacher: 1, dataset: { type: 3 } };
  expect(said({ epochs: 1, connectors: { a: fits, b: [fits, fits] } })).toEqual([]);
  expect(said({ epochs: 1, connectors: { a: { ...fits, head: { dmi: 3 } } } })).toEqual([
    'connectors.a Own: head.dim: expected a number, got nothing',
    'connectors.a Own: head: unknown option "dmi"; did you mean "dim"?',
  ]);
});

it('says all that is wrong at once: the form, types, options of misspelled types, in lists, unions and wrappers', () => {
  const wrong = {
    epcohs: 1,
    head: { type: 'Linaer', numClasses: 'x', loss: { tua: 1 } },
    connectors: { a: [{ type: 'Own', head: { dim: 1 }, teacher: 'x' }], b: 3, c: {} },
    teachers: { t: { buildCfg: { type: 'Linear' }, ckptPth: 'x' }, u: { type: 'Linear', numClasses: 1, los: 1 } },
    optimizer: { architecture: { type: 'KL', tau: 0 }, generator: { type: 'KLL' } },
  };
  expect(said(wrong)).toEqual([
    'epochs: expected a number, got nothing',
    'connectors.b: expected { type, ...options } of a connector, or a list, got 3',
    'connectors.c: "type" is missing; a connector is { type: <name>, ...options }',
    'teachers.t.ckptPath: expected a string, got nothing',
    'teachers.t: unknown option "ckptPth"; did you mean "ckptPath"?',
    'unknown option "epcohs"; did you mean "epochs"?',
    'head: unknown head "Linaer"; did you mean "Linear"?',
    'head Linear: numClasses: expected a number, got "x"',
    'head.loss KL: unknown option "tua"; did you mean "tau"?',
    'connectors.a.0 Own: teacher: expected a number, got "x"',
    'teachers.t.buildCfg Linear: numClasses: expected a number, got nothing',
    'teachers.t.buildCfg Linear: loss: expected { type, ...options } of a loss, got nothing',
    'teachers.u Linear: loss: expected { type, ...options } of a loss, got nothing',
    'teachers.u Linear: unknown option "los"; did you mean "loss"?',
    'optimizer.architecture KL: tau: expected a number > 0, got 0',
    'optimizer.generator: unknown loss "KLL"; did you mean "KL"?',
  ]);
});

it('names a hundred mistakes at most, and twenty unknown options of one object', () => {
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`c${i}`, {}]));
  expect(said({ epochs: 1, connectors: many }).length).toBe(100);
  const unknown = said({ epochs: 1, connectors: {}, ...many });
  expect(unknown.length).toBe(1);
  expect(unknown[0]).toMatch(/unknown option "c19"; there are: [^;]*; and 480 more unknown options$/);
});

it('finds paths through everything, and replaces things from the inside out', () => {
  const value = {
    epochs: 1,
    connectors: {},
    teachers: {
      t: { buildCfg: { type: 'Linear', numClasses: 1, loss: { type: 'Wrapper', inner: { tau: 2 } } }, ckptPath: 'a' },
    },
  };
  const spot = { schema, value, path: [] };
  const paths = [...optionsIn(spot, tables)].filter((one) => readsOf(one.schema) === 'checkpoint');
  expect(paths.map(({ path, value: at }) => [path.join('.'), at])).toEqual([['teachers.t.ckptPath', 'a']]);
  const order: string[] = [];
  const replaced = replaceTyped(spot, tables, (kind, config, path) => {
    order.push(`${path.join('.')} ${kind}`);
    return kind === 'loss' && config['type'] === 'Wrapper' ? 'built' : config;
  });
  expect(order).toEqual([
    'teachers.t.buildCfg.loss.inner loss',
    'teachers.t.buildCfg.loss loss',
    'teachers.t.buildCfg head',
  ]);
  expect(replaced).toMatchObject({ teachers: { t: { buildCfg: { loss: 'built' }, ckptPath: 'a' } } });
});
