import { join } from 'node:path';

import { expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { methodTarget } from './taps.ts';
import type { Layer, MethodReference, TapTarget } from './taps.ts';
import { importFile, writeTapped } from './testing/modules.ts';

/** New classes for each test. */
function classes() {
  class Base {
    factor = 2;
    scale(x: number): number {
      return x * this.factor;
    }
    static make(): Base {
      return new this();
    }
    get size(): number {
      return 1;
    }
    field = (): number => 1;
    *generate(): Generator<number> {
      yield 1;
    }
    async *stream(): AsyncGenerator<number> {
      yield 1;
    }
    async wait(): Promise<number> {
      return this.#hidden();
    }
    #hidden(): number {
      return 3;
    }
  }
  class Derived extends Base {
    override factor = 10;
    twice(x: number): number {
      return this.scale(x) + super.scale(x);
    }
  }
  return { Base, Derived };
}

function mark(target: TapTarget, name: string, layer: Layer, log: string[]): Disposable {
  return target.tap((_, next) => {
    log.push(`${name}(`);
    try {
      return next();
    } finally {
      log.push(')');
    }
  }, layer);
}

const shapeOf = (object: object): unknown => Object.entries(Object.getOwnPropertyDescriptors(object));

it('sees calls of all instances, with this and arguments, and restores the descriptor', () => {
  const { Base } = classes();
  const [one, two] = [new Base(), new Base()];
  two.factor = 5;
  const before = shapeOf(Base.prototype);
  const seen: unknown[] = [];
  const tap = methodTarget({ class: Base, method: 'scale' }).tap(({ self, args, parameters }, next) => {
    const result = next();
    seen.push([self, args, parameters, result]);
    return result;
  }, 'observe');
  expect([one.scale(1), two.scale(1)]).toEqual([2, 5]);
  expect(seen).toEqual([
    [one, [1], ['x'], 2],
    [two, [1], ['x'], 5],
  ]);
  tap[Symbol.dispose]();
  tap[Symbol.dispose]();
  expect(shapeOf(Base.prototype)).toEqual(before);
  one.scale(1);
  expect(seen).toHaveLength(2);
});

it('keeps the flags of an unusual property', () => {
  const { Base } = classes();
  Object.defineProperty(Base.prototype, 'scale', { enumerable: true, writable: false });
  const before = shapeOf(Base.prototype);
  const tap = methodTarget({ class: Base, method: 'scale' }).tap(() => 0, 'replace');
  expect(Object.getOwnPropertyDescriptor(Base.prototype, 'scale')).toMatchObject({ enumerable: true, writable: false });
  expect(new Base().scale(3)).toBe(0);
  tap[Symbol.dispose]();
  expect(shapeOf(Base.prototype)).toEqual(before);
});

it('taps an inherited method for the named class only, and takes it off again', () => {
  const { Base, Derived } = classes();
  const before = [shapeOf(Base.prototype), shapeOf(Derived.prototype)];
  const log: string[] = [];
  const derived = mark(methodTarget({ class: Derived, method: 'scale' }), 'derived', 'observe', log);
  const base = mark(methodTarget({ class: Base, method: 'scale' }), 'base', 'observe', log);
  expect(new Base().scale(1)).toBe(2);
  expect(log.splice(0)).toEqual(['base(', ')']);
  expect(new Derived().twice(1)).toBe(20);
  expect(log.splice(0)).toEqual(['derived(', 'base(', ')', ')', 'base(', ')']);
  base[Symbol.dispose]();
  expect(new Derived().scale(1)).toBe(10);
  expect(log.splice(0)).toEqual(['derived(', ')']);
  derived[Symbol.dispose]();
  expect([shapeOf(Base.prototype), shapeOf(Derived.prototype)]).toEqual(before);
  expect(Object.hasOwn(Derived.prototype, 'scale')).toBe(false);
});

it('taps static methods, inherited ones too', () => {
  const { Base, Derived } = classes();
  const log: string[] = [];
  {
    using tap = mark(methodTarget({ class: Derived, method: 'make' }), 'make', 'observe', log);
    expect(Derived.make()).toBeInstanceOf(Derived);
    expect(Base.make()).not.toBeInstanceOf(Derived);
    void tap;
  }
  expect(log).toEqual(['make(', ')']);
  expect(Object.hasOwn(Derived, 'make')).toBe(false);
});

it('stacks observers outside and replacements inside, whatever the order of laying and removing', () => {
  const { Base } = classes();
  const before = shapeOf(Base.prototype);
  const target = (): TapTarget => methodTarget({ class: Base, method: 'scale' });
  const call = (): number => new Base().scale(1);
  for (const order of [
    [0, 1, 2, 3],
    [3, 2, 1, 0],
    [1, 3, 0, 2],
  ]) {
    const log: string[] = [];
    const taps = [
      mark(target(), 'r1', 'replace', log),
      mark(target(), 'o1', 'observe', log),
      mark(target(), 'r2', 'replace', log),
      mark(target(), 'o2', 'observe', log),
    ];
    call();
    expect(log.filter((entry) => entry !== ')')).toEqual(['o2(', 'o1(', 'r2(', 'r1(']);
    const left = new Set(['r1(', 'o1(', 'r2(', 'o2(']);
    const names = ['r1(', 'o1(', 'r2(', 'o2('];
    for (const index of order) {
      taps[index]![Symbol.dispose]();
      left.delete(names[index]!);
      log.length = 0;
      expect(call()).toBe(2);
      expect(new Set(log.filter((entry) => entry !== ')'))).toEqual(left);
    }
    expect(shapeOf(Base.prototype)).toEqual(before);
  }
});

it('lets an observer see what a replacement delivers, without running the method', () => {
  const { Base } = classes();
  let ran = 0;
  Base.prototype.scale = () => ++ran;
  const seen: unknown[] = [];
  const target = methodTarget({ class: Base, method: 'scale' });
  using observer = target.tap((_, next) => {
    const result = next();
    seen.push(result);
    return result;
  }, 'observe');
  using delivery = target.tap(() => 'delivered', 'replace');
  expect(new Base().scale(1)).toBe('delivered');
  expect([seen, ran]).toEqual([['delivered'], 0]);
  void [observer, delivery];
});

it('lets a call that runs keep its taps, and counts calls inside calls', () => {
  class Tree {
    depth(n: number): number {
      return n === 0 ? 0 : 1 + this.depth(n - 1);
    }
  }
  const target = methodTarget({ class: Tree, method: 'depth' });
  const log: string[] = [];
  const tap = target.tap(({ args }, next) => {
    if (args[0] === 1) tap[Symbol.dispose]();
    const result = next();
    log.push(`${String(args[0])}: ${String(result)}`);
    return result;
  }, 'observe');
  expect(new Tree().depth(3)).toBe(3);
  expect(log).toEqual(['1: 1', '2: 2', '3: 3']);
});

it('restores when the method, or a tap, throws', () => {
  const { Base } = classes();
  const before = shapeOf(Base.prototype);
  const target = methodTarget({ class: Base, method: 'scale' });
  expect(() => {
    using tap = target.tap(() => {
      throw new Error('from the tap');
    }, 'observe');
    new Base().scale(1);
    void tap;
  }).toThrow('from the tap');
  expect(shapeOf(Base.prototype)).toEqual(before);
});

it('leaves what somebody else puts over a tap, and sees each call once afterwards', () => {
  const { Base } = classes();
  const log: string[] = [];
  const target = methodTarget({ class: Base, method: 'scale' });
  const tap = mark(target, 'first', 'observe', log);
  const wrapped = Base.prototype.scale;
  const theirs = function (this: InstanceType<typeof Base>, x: number): number {
    return wrapped.call(this, x) + 100;
  };
  Base.prototype.scale = theirs;
  tap[Symbol.dispose]();
  expect(Base.prototype.scale).toBe(theirs);
  expect(new Base().scale(1)).toBe(102);
  using again = mark(target, 'second', 'observe', log);
  expect(new Base().scale(1)).toBe(102);
  expect(log).toEqual(['second(', ')']);
  void again;
});

it('finds a class by address, through a re-export too', async () => {
  const folder = writeTapped({
    'head.js':
      'export default class Head { assign(x) { return x; } static make() { return 1; } }\nexport const fn = () => 1;',
    'index.js': `export { default as Head } from './head.js';`,
  });
  const { default: Head } = await importFile(join(folder, 'head.js'));
  await importFile(join(folder, 'index.js'));
  const head = new (Head as unknown as new () => { assign(x: number): number })();
  const values = ['head.js#Head.assign', 'index.js#Head.assign', 'head.js#default.assign'].map((address) => {
    using tap = methodTarget(address, { folder }).tap(() => address, 'replace');
    void tap;
    return head.assign(1);
  });
  expect(values).toEqual(['head.js#Head.assign', 'index.js#Head.assign', 'head.js#default.assign']);
  expect(head.assign(1)).toBe(1);
  expect(() => methodTarget('head.js#Haed.assign', { folder })).toThrow(refusal('not-found', 'Haed', 'Head'));
  expect(() => methodTarget('head.js#Head.asign', { folder })).toThrow(refusal('unknown-name', 'asign', 'assign'));
  expect(() => methodTarget('head.js#fn.assign', { folder })).toThrow(
    refusal('invalid-argument', 'fn', 'class', 'function'),
  );
  expect(() => methodTarget('head.js#fn', { folder })).toThrow(
    refusal('invalid-argument', 'head.js#fn', 'function', 'method'),
  );
  expect(() => methodTarget('head.js#Head.#secret', { folder })).toThrow(refusal('unsupported', '#secret', 'private'));
});

it.each([
  ['scal', refusal('unknown-name', 'Base', '"scal"', '"scale"')],
  ['size', refusal('unsupported', 'Base.size', 'getter')],
  ['field', refusal('unsupported', 'Base.field', 'field(')],
  ['#hidden', refusal('unsupported', '#hidden', 'private')],
  ['constructor', refusal('unsupported', 'constructor')],
  ['generate', refusal('unsupported', 'Base.generate', 'generator')],
  ['stream', refusal('unsupported', 'Base.stream', 'generator')],
  ['factor', refusal('unsupported', 'Base.factor', 'field')],
  ['toString', refusal('unknown-name', 'Base', '"toString"')],
])('refuses the method %s and says why', (method, error) => {
  const { Base } = classes();
  expect(() => methodTarget({ class: Base, method })).toThrow(error);
});

it('refuses built-in methods, frozen classes and what is no class', () => {
  class List extends Array<number> {}
  expect(() => methodTarget({ class: List, method: 'push' })).toThrow(
    refusal('unsupported', 'List.push', 'native code'),
  );
  const { Base, Derived } = classes();
  Object.freeze(Base.prototype);
  expect(() => methodTarget({ class: Base, method: 'scale' })).toThrow(refusal('unsupported', 'Base.scale', 'frozen'));
  Object.preventExtensions(Derived.prototype);
  expect(() => methodTarget({ class: Derived, method: 'scale' })).toThrow(refusal('unsupported', 'scale', 'frozen'));
  const wrong = { class: () => 1, method: 'scale' } as unknown as MethodReference;
  expect(() => methodTarget(wrong)).toThrow(refusal('invalid-argument', 'class', 'method', 'function'));
});

it('taps methods of constructor functions', () => {
  function Old(this: { x: number }): void {
    this.x = 1;
  }
  (Old.prototype as { read: unknown }).read = function (this: { x: number }) {
    return this.x;
  };
  const owner = Old as unknown as new () => { x: number; read(): number };
  using tap = methodTarget({ class: owner, method: 'read' }).tap((_, next) => [next()], 'observe');
  expect(new owner().read()).toEqual([1]);
  void tap;
});
