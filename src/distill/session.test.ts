// Sessions: begun in order, ended in reverse and once, whatever fails.
import { expect, it } from 'vitest';

import { beginAll, makeSession, within } from './session.ts';
import type { Session } from './session.ts';

function logged() {
  const log: string[] = [];
  const begin = (name: string, fails?: 'begin' | 'end') => (): Session => {
    if (fails === 'begin') throw new Error(`${name} cannot begin`);
    log.push(`begin ${name}`);
    return makeSession(() => {
      log.push(`end ${name}`);
      if (fails === 'end') throw new Error(`${name} cannot end`);
    });
  };
  return { log, begin };
}

it('ends in reverse, once', () => {
  const { log, begin } = logged();
  {
    using all = beginAll([begin('a'), begin('b')]);
    all.end();
    all.end();
  }
  expect(log).toEqual(['begin a', 'begin b', 'end b', 'end a']);
});

it('ends those begun when one cannot begin, and the others when one cannot end', () => {
  const { log, begin } = logged();
  expect(() => beginAll([begin('a'), begin('b', 'begin'), begin('c')])).toThrow('b cannot begin');
  expect(log.splice(0)).toEqual(['begin a', 'end a']);
  const all = beginAll([begin('a'), begin('b', 'end'), begin('c')]);
  expect(() => all.end()).toThrow('b cannot end');
  expect(log.slice(3)).toEqual(['end c', 'end b', 'end a']);
});

it('lasts as long as a function, or the promise it returns', async () => {
  const { log, begin } = logged();
  expect(within(begin('a')(), () => log.push('body'))).toBe(2);
  expect(() =>
    within(begin('b')(), () => {
      throw new Error('in the body');
    }),
  ).toThrow('in the body');
  const promise = within(begin('c')(), async () => {
    await Promise.resolve();
    log.push('later');
  });
  expect(log.at(-1)).toBe('begin c');
  await promise;
  expect(log).toEqual(['begin a', 'body', 'end a', 'begin b', 'end b', 'begin c', 'later', 'end c']);
});
