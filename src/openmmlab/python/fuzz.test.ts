// Mutated configs: whatever comes, it is read or refused with a RetortError, and what was read can be printed and read again.
import fc from 'fast-check';
import { expect, it } from 'vitest';

import { RetortError } from '../../errors.ts';
import { toPlain, treeOf } from '../../config/tree/index.ts';
import type { DictNode } from '../../config/tree/index.ts';
import { Budget } from '../../config/tree/budget.ts';
import { Evaluator } from './evaluate.ts';
import { parsePython, printPython } from './index.ts';
import { freeze, thaw } from './values.ts';

const origin = { file: 'cfg.py', line: 0, column: 0 };
const seed = `
_base_.model.depth = 34
student = _base_.model
scale = [103.53, 116.28, 123.675][::-1]
model = dict(
    _scope_='mmrazor', type="SingleTeacherDistill",  # a comment
    architecture=student, sizes=(1, ), ratio=-1 / 4 * 2,
    pad=[round(x) for x in scale],
    keys={'.cls_token': dict(decay_mult=0.0), 'b': None},
    name='a' 'b' + '{{ fileBasename }}', flag=True, batch={{$BATCH:32}}, same={{ _base_.lr }})
model.type = 'KD'
model['sizes'] = model.keys['.cls_token']
del scale[0]
`;
const pieces = seed.match(/\w+|\s+|./g)!;
const extra = [
  'é',
  "'''",
  '"',
  '\\',
  '\n',
  '(',
  '[',
  '{',
  '}}',
  ')',
  ' ',
  '0',
  '1e',
  '1.',
  '**',
  ':',
  ',',
  '=',
  'lambda ',
  'f"',
  '#',
  '\t',
  '__class__',
  '💥',
];

function read(text: string): DictNode {
  const budget = new Budget();
  const base = thaw(treeOf({ model: { type: 'A', depth: 18 }, lr: 0.1 }, origin) as DictNode, budget);
  const evaluator = new Evaluator({ base, budget, surroundings: { path: '/x/cfg.py', env: {} } });
  evaluator.run(parsePython(text, 'cfg.py'));
  return freeze({ kind: 'dict', value: evaluator.names, origin }, budget);
}

/** Puts, drops, repeats or exchanges a piece at a place. */
const change = fc.record({
  at: fc.nat(pieces.length - 1),
  drop: fc.nat(3),
  put: fc.oneof(fc.constantFrom(...extra), fc.constantFrom(...pieces), fc.string({ maxLength: 4 })),
  times: fc.constantFrom(1, 1, 1, 3, 200),
});

it('the unchanged text is read', () => {
  expect(toPlain(read(seed))).toMatchObject({
    model: { type: 'KD', ratio: -0.5, pad: [124, 116, 104], name: 'abcfg.py' },
  });
});

it('reads mutated configs or refuses them, and nothing else', () => {
  let readable = 0;
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const mutated = [...pieces];
      for (const { at, drop, put, times } of changes) mutated.splice(at, drop, put.repeat(times));
      let tree: DictNode;
      try {
        tree = read(mutated.join(''));
      } catch (error) {
        if (!(error instanceof RetortError)) throw error;
        expect(error.message).toMatch(/^cfg\.py/);
        return;
      }
      readable++;
      expect(kinds(read(printPython(tree)))).toEqual(kinds(tree));
    }),
    { numRuns: 500, seed: 6 },
  );
  expect(readable).toBeGreaterThan(12);
});

it('prints any tree so that it reads as the same', () => {
  const key = fc
    .oneof(fc.constantFrom('a', 'b_c', 'lambda', 'None', '.x', '{{$A:1}}'), fc.string())
    .filter((k) => k !== '__proto__');
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, depthSize: 'small' },
      fc.constantFrom(null, true, false, '{{ _base_.lr }}', 'a\n\u2028\'"\\'),
      fc.integer(),
      fc.double(),
      fc.string({ unit: 'binary' }).filter((text) => !/\p{Surrogate}/u.test(text)),
      fc.array(tie('value')),
      fc.dictionary(key, tie('value')),
    ),
  }));
  fc.assert(
    fc.property(value, (value) => {
      const tree = treeOf({ value }, origin) as DictNode;
      expect(kinds(read(printPython(tree)))).toEqual(kinds(tree));
    }),
    { numRuns: 80 },
  );
});

/** Kinds and values, without origins. */
function kinds(tree: DictNode): unknown {
  return JSON.parse(
    JSON.stringify(tree, (name, value: unknown) => {
      if (name === 'origin') return undefined;
      if (value instanceof Map) return [...value];
      return typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))
        ? `${1 / value}${value}`
        : value;
    }),
  );
}
