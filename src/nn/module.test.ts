// Module: traversal, hooks, scopes, state dicts, errors that name the path.
import { describe, expect, it } from 'vitest';

import { refusal } from '../../test/refusal.ts';
import { RetortError } from '../errors.ts';
import { memory, noGrad, ones, ops, tensor, tidy } from '../torch/index.ts';
import type { Tensor } from '../torch/index.ts';
import { Buffer, Identity, Module, ModuleDict, ModuleList, Parameter, Sequential } from './index.ts';

class Scale extends Module {
  weight = new Parameter(ones([2]));
  steps = new Buffer(tensor(0));
  hidden = new Buffer(tensor(1), { persistent: false });
  override forward(x: Tensor): Tensor {
    const wasted = x.add(1);
    void wasted;
    return x.mul(this.weight);
  }
}

class Net extends Module {
  first = new Scale();
  rest = new ModuleList([new Scale(), new Scale()]);
  override forward(x: Tensor): Tensor {
    let y = this.first.forward(x);
    for (const layer of this.rest) y = layer.forward(y);
    return y;
  }
}

describe('traversal', () => {
  it('names modules, parameters and buffers by their paths', () => {
    const net = new Net();
    expect([...net.namedModules()].map(([name]) => name)).toEqual(['', 'first', 'rest', 'rest.0', 'rest.1']);
    expect([...net.namedParameters()].map(([name]) => name)).toEqual([
      'first.weight',
      'rest.0.weight',
      'rest.1.weight',
    ]);
    expect([...net.namedBuffers({ prefix: 'net' })].map(([name]) => name)).toContain('net.rest.1.hidden');
    expect(net.getModule('rest.1')).toBe(net.rest.get(1));
    expect(net.getModule('rest.7')).toBeUndefined();
  });

  it('lists a shared module once, or under every name it has', () => {
    const shared = new Scale();
    const net = new Sequential({ a: shared, b: shared });
    expect([...net.namedModules()].map(([name]) => name)).toEqual(['', 'a']);
    expect([...net.namedModules({ removeDuplicate: false })].map(([name]) => name)).toEqual(['', 'a', 'b']);
    expect(net.parameters()).toHaveLength(1);
    expect(Object.keys(net.stateDict())).toEqual(['a.weight', 'a.steps', 'b.weight', 'b.steps']);
  });

  it('refuses a module that contains itself', () => {
    class Loop extends Module {
      inner: Module = new Identity();
      override forward(): void {}
    }
    const loop = new Loop();
    loop.inner = loop;
    expect(() => [...loop.namedModules({ removeDuplicate: false })]).toThrow(refusal('invalid-argument', 'inner'));
  });

  it('takes any name without a dot in a ModuleDict', () => {
    const dict = new ModuleDict({ type: new Identity(), train: new Identity() });
    expect(dict.keys()).toEqual(['type', 'train']);
    expect(() => dict.set('a.b', new Identity())).toThrow(refusal('invalid-argument', 'ModuleDict', 'a.b'));
    expect(() => dict.get('nope')).toThrow(refusal('unknown-name', 'nope', 'type, train'));
  });
});

describe('calls', () => {
  it('free everything but what they return', () => {
    const net = new Net();
    tidy(() => {
      const x = ones([2]);
      const before = memory().tensors;
      const y = net.forward(x);
      expect(memory().tensors).toBe(before + 1);
      expect(y).toBeAllClose([1, 1]);
    });
  });

  it('run hooks in order, let them replace, and take them off again', () => {
    const layer = new Scale();
    const seen: string[] = [];
    const before = layer.registerForwardPreHook((_, [x]) => {
      seen.push('before');
      return [(x as Tensor).mul(10)];
    });
    {
      using after = layer.registerForwardHook((_, args, output) => {
        seen.push('after');
        expect((args[0] as Tensor).toArray()).toEqual([10, 10]);
        return (output as Tensor).add(1);
      });
      void after;
      expect(layer.forward(ones([2]))).toBeAllClose([11, 11]);
    }
    expect(layer.forward(ones([2]))).toBeAllClose([10, 10]);
    before.remove();
    expect(layer.forward(ones([2]))).toBeAllClose([1, 1]);
    expect(seen).toEqual(['before', 'after', 'before']);
  });

  it('close their scope when the body throws, and say where', () => {
    const net = new Net();
    const before = memory().tensors;
    tidy(() => {
      const x = ones([3]);
      expect(() => net.forward(x)).toThrow(RetortError);
      expect(() => net.forward(x)).toThrow(refusal('engine', 'in: first (Scale)'));
    });
    expect(memory().tensors).toBe(before);
  });

  it('keep gradients flowing through scopes', () => {
    const net = new Net();
    tidy(() =>
      net
        .forward(ones([2]))
        .sum()
        .backward(),
    );
    expect(net.first.weight.grad!.toArray()).toEqual([1, 1]);
    net.zeroGrad();
    expect(net.first.weight.grad).toBeNull();
  });
});

describe('state dict', () => {
  it('goes out and in, sharing memory and skipping what is not persistent', () => {
    const net = new Net();
    const state = net.stateDict();
    expect(Object.keys(state)).not.toContain('first.hidden');
    noGrad(() => state['first.weight']!.fill_(5));
    expect(net.first.weight).toBeAllClose([5, 5]);
    const other = new Net();
    expect(other.loadStateDict(state)).toEqual({ missing: [], unexpected: [] });
    expect(other.first.weight).toBeAllClose([5, 5]);
    expect(other.first.weight.requiresGrad).toBe(true);
  });

  it('reports every mistake at once and changes nothing', () => {
    const net = new Net();
    const state = { 'module.first.weight': ones([2]), 'rest.0.weight': ops.full([2], 7), 'rest.1.weight': ones([3]) };
    expect(() => net.loadStateDict(state)).toThrow(refusal('mismatch', 'rest.1.weight', '[3]'));
    expect(() => net.loadStateDict(state)).toThrow(refusal('mismatch', 'missing: first.weight'));
    expect(() => net.loadStateDict(state)).toThrow(refusal('mismatch', 'module.'));
    expect(net.rest.get(0).weight).toBeAllClose([1, 1]);
    const report = net.loadStateDict({ 'rest.0.weight': ops.full([2], 7) }, { strict: false });
    expect(report.missing).toContain('first.weight');
    expect(net.rest.get(0).weight).toBeAllClose([7, 7]);
  });
});

it('train, eval, to and printing', () => {
  const net = new Net().eval();
  expect(net.rest.get(1).training).toBe(false);
  net.to({ dtype: 'float64' });
  expect(net.first.weight.dtype).toBe('float64');
  expect(net.first.weight.requiresGrad).toBe(true);
  expect(String(net)).toContain('(rest): ModuleList(\n    (0): Scale()');
});
