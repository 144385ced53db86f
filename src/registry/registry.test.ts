import { expect, it } from 'vitest';
import { z } from 'zod';

import { entry, Registry } from './index.ts';

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
  expect(() => boxes.build({ type: 'Bxo' })).toThrow('box: "Bxo" is no box; did you mean "Box"?');
  expect(() => boxes.build({ type: '__proto__' })).toThrow(/is no box/);
  expect(() => boxes.build({} as never)).toThrow(/"type" is missing/);
});

it('reports every wrong option at once, with what came and the nearest name', () => {
  const build = (): unknown => boxes.build({ type: 'Box', width: -1, color: 'rde', widht: 2 }, 'teacher');
  expect(build).toThrow(/teacher Box:/);
  expect(build).toThrow(/width: .*got -1/);
  expect(build).toThrow(/color: .*got "rde"/);
  expect(build).toThrow(/"widht" is no option; did you mean "width"\?/);
});

it('extends without changing the original', () => {
  const more = boxes.extend({ Crate: box });
  expect(more.names()).toEqual(['Box', 'Crate']);
  expect(boxes.names()).toEqual(['Box']);
});
