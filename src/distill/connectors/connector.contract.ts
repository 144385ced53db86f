// What holds for every connector; each connector's test runs it with options of its own. Runs the original's numbers too.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { readFixture } from '../../../test/fixtures.ts';
import { expectSameCheck } from '../../../test/options.ts';
import { onOtherDevice } from '../../../test/other-device.ts';
import type { Checked } from '../../../test/options.ts';
import { camelKeys, wave } from '../../../test/golden.ts';
import type { Wave } from '../../../test/golden.ts';
import { BatchNorm } from '../../nn/index.ts';
import { backward, grad, manualSeed, memory, noGrad, tensor, tidy } from '../../torch/index.ts';
import type { DType, Tensor } from '../../torch/index.ts';
import { buildConnector, connectors } from './index.ts';
import type { Connector } from './index.ts';

type Options = Readonly<Record<string, unknown>>;

export interface ConnectorContract {
  /** The class itself, with the same options: its state dict and numbers must equal those of the config. */
  make: () => Connector;
  /** Options besides the type; small, so that gradients can be checked number by number. */
  options?: Options;
  /** Shape of the input. */
  input: number[];
  /** Shapes of the outputs; one for a connector that returns a tensor. */
  outputs: number[][];
  /** What must happen before the first forward. Default nothing. */
  prepare?: (connector: Connector) => void;
  /** Whether gradients reach the input. Default true. */
  differentiable?: boolean;
  /** Parameters that no gradient reaches, by a pattern of their names. Default none. */
  untrained?: RegExp;
  /** Shapes that must be refused. */
  wrong: readonly number[][];
  /** Whether MMRazor has it. Default true. */
  original?: boolean;
  /** What was done to the original before its numbers were taken. Default nothing. */
  prepareGolden?: (connector: Connector) => void;
  /** Golden cases that only `compat` reproduces. Default none. */
  differs?: (options: Options) => boolean;
}

interface Golden {
  connector: string;
  options: Record<string, unknown>;
  input: Wave;
  params: [name: string, shape: number[]][];
  outputs: { shape: number[]; sum: number; abs_sum: number; first: number[] }[];
}

const input = (shape: number[], dtype: DType = 'float64'): Tensor => wave({ shape, a: 0.61, b: 0.35 }, dtype);
const outputsOf = (connector: Connector, x: Tensor): Tensor[] => [connector.forward(x)].flat();

/** Parameter k of a module becomes `0.2 * sin(0.3 * i + k)`. */
function setParameters(connector: Connector): void {
  let k = 0;
  for (const parameter of connector.parameters()) {
    const values = Float64Array.from({ length: parameter.numel }, (_, i) => 0.2 * Math.sin(0.3 * i + k));
    noGrad(() => tidy(() => void parameter.copy_(tensor(values, { shape: parameter.shape }))));
    k++;
  }
}

/** `sum(w y)` over all outputs, `w.flat[i] = cos(0.7 i)`. */
function weighted(outputs: readonly Tensor[]): Tensor {
  const terms = outputs.map((output) => {
    const weights = Float64Array.from({ length: output.numel }, (_, i) => Math.cos(0.7 * i));
    return output.mul(tensor(weights, { shape: output.shape, dtype: output.dtype })).sum();
  });
  return terms.reduce((total, term) => total.add(term));
}

/** The gradient by central differences of up to 16 numbers of `at`, beside the one of autograd. */
function expectDifferences(label: string, at: Tensor, gradient: Tensor | null, value: () => number): void {
  const flat = at.detach().view([-1]);
  const expected = gradient === null ? [] : Array.from(gradient.data(), Number);
  const stride = Math.max(1, Math.floor(flat.numel / 16));
  for (let i = 0; i < flat.numel; i += stride) {
    const nudged = (by: number): number => {
      noGrad(() => tidy(() => void flat.narrow(0, i, 1).add_(by)));
      return value();
    };
    const step = 1e-6;
    const difference = (nudged(step) - nudged(-2 * step)) / (2 * step);
    nudged(step);
    const own = expected[i] ?? 0;
    expect(Math.abs(difference - own), `${label}[${i}]: ${own}`).toBeLessThan(1e-5 * Math.abs(own) + 1e-6);
  }
}

/** Runs the contract on a connector. */
export function describeConnector(name: string, contract: ConnectorContract): void {
  const { options = {}, outputs, prepare = () => {}, differentiable = true, untrained = /^$/ } = contract;
  const build = (more: Options = {}): Connector => {
    const connector = buildConnector({ type: name, ...options, ...more }) as Connector;
    prepare(connector);
    return connector;
  };

  it('contract: is registered with a summary, refuses unknown options by name, takes compat and initCfg', () => {
    expect(connectors.get(name).summary.length).toBeGreaterThan(10);
    expect(() => build({ inchannel: 2 })).toThrow(refusal('unknown-option', name, '"inchannel"'));
    expect(() => build({ compat: 'mmrazr' })).toThrow(refusal('invalid-argument', name, 'compat', 'mmrazr'));
    expect(() => build({ initCfg: { type: 'Kaimign', layer: 'Conv2d' } })).toThrow(
      refusal('unknown-name', 'Kaimign', '"Kaiming"'),
    );
    tidy(() => {
      const constant = build({ initCfg: { type: 'Constant', val: 0.5, layer: ['Conv2d', 'Linear'] } });
      for (const [path, parameter] of constant.namedParameters()) {
        const owner = constant.getModule(path.slice(0, path.lastIndexOf('.')))!;
        if (!['Conv2d', 'Linear'].includes(owner.constructor.name)) continue;
        expect(
          parameter
            .sub(path.endsWith('bias') ? 0 : 0.5)
            .abs()
            .sum()
            .item(),
          path,
        ).toBe(0);
      }
    });
    expect(build({ compat: 'mmrazor' })).toBeInstanceOf(contract.make().constructor);
  });

  it('contract: options are checked alike in configs and in code', () => {
    const Class = tidy(() => contract.make().constructor) as Checked['Class'];
    expect(expectSameCheck(name, { entry: connectors.get(name), Class, options })).toBeGreaterThan(0);
  });

  it('contract: a config and the class make the same', () => {
    tidy(() => {
      manualSeed(3);
      const fromClass = contract.make();
      prepare(fromClass);
      manualSeed(3);
      const fromConfig = build();
      expect(fromClass.constructor.name).toBe(name);
      const [a, b] = [fromClass.stateDict(), fromConfig.stateDict()];
      expect(Object.keys(b)).toEqual(Object.keys(a));
      for (const key of Object.keys(a)) expect(b[key], key).toBeAllClose(a[key]!, { rtol: 0, atol: 0 });
    });
  });

  it('contract: shapes, dtype, finite outputs, gradients where they belong', () => {
    for (const dtype of ['float64', 'float32'] as const) {
      tidy(() => {
        const connector = build().to({ dtype });
        const x = input(contract.input, dtype);
        const made = outputsOf(connector, x);
        expect(made.map((one) => one.shape)).toEqual(outputs);
        for (const one of made) {
          expect(one.dtype).toBe(dtype);
          expect(one.isfinite().all().item()).toBe(1);
        }
        const total = weighted(made);
        expect(total.requiresGrad).toBe(differentiable);
        if (!differentiable) return;
        const named = [...connector.namedParameters()];
        const gradients = grad([total], [x, ...named.map(([, parameter]) => parameter)], { allowUnused: true });
        expect(gradients[0]!.isfinite().all().item()).toBe(1);
        named.forEach(([path], i) => expect(gradients[i + 1] === null, path).toBe(untrained.test(path)));
      });
    }
  });

  it('contract: computes on the device of its input', () => {
    const count = tidy(() =>
      onOtherDevice(({ move }) => {
        const connector = move(build());
        const made = outputsOf(connector, move(input(contract.input, 'float32').detach()).requiresGrad_());
        if (differentiable) backward(made.filter((one) => one.requiresGrad).map((one) => one.sum()));
        return [...made, ...connector.buffers()];
      }),
    );
    expect(count).toBeGreaterThan(0);
  });

  it('contract: gradients of inputs and parameters equal differences, where there are any', () => {
    if (!differentiable) return;
    tidy(() => {
      const connector = build().to({ dtype: 'float64' });
      setParameters(connector);
      const x = input(contract.input);
      const compute = (): Tensor => {
        manualSeed(1);
        return weighted(outputsOf(connector, x));
      };
      const value = (): number => noGrad(() => tidy(() => compute().item()));
      const named = [...connector.namedParameters()].filter(([path]) => !untrained.test(path));
      const total = compute();
      expect(total.requiresGrad).toBe(true);
      const gradients = grad([total], [x, ...named.map(([, parameter]) => parameter)]);
      expectDifferences('x', x, gradients[0]!, value);
      named.forEach(([path, parameter], i) => expectDifferences(path, parameter, gradients[i + 1]!, value));
    });
  });

  it('contract: a state dict gives another the same outputs; eval is eval', () => {
    tidy(() => {
      const [one, other] = [build().to({ dtype: 'float64' }), build().to({ dtype: 'float64' })];
      setParameters(one);
      const x = input(contract.input);
      one.forward(x); // running statistics move
      other.loadStateDict(one.stateDict());
      for (const connector of [one, other]) {
        connector.eval();
        expect(connector.modules().every((module) => !module.training)).toBe(true);
      }
      const [a, b] = [one, other].map((connector) => {
        manualSeed(5);
        return outputsOf(connector, x);
      });
      a!.forEach((output, i) => expect(b![i]!).toBeAllClose(output, { rtol: 0, atol: 0 }));
      const norms = one.modules().filter((module) => module instanceof BatchNorm);
      const moved = norms.map((norm) => norm.running_mean?.abs().sum().item() ?? 1);
      expect(moved.every((sum) => sum > 0)).toBe(true);
    });
  });

  it('contract: leaves nothing but its outputs, and its input as it was', () => {
    tidy(() => {
      const connector = build();
      const x = input(contract.input, 'float32');
      const before = x.detach().clone();
      const tensors = (): number => memory().tensors;
      noGrad(() => tidy(() => void connector.forward(x)));
      const start = tensors();
      noGrad(() => tidy(() => void connector.forward(x)));
      expect(tensors()).toBe(start);
      expect(x.detach()).toBeAllClose(before, { rtol: 0, atol: 0 });
    });
  });

  it('contract: shapes that do not fit are refused by name, with the expected and the given shape', () => {
    tidy(() => {
      const connector = build();
      for (const shape of contract.wrong) {
        const call = (): unknown => connector.forward(input(shape, 'float32'));
        expect(call, String(shape)).toThrow(refusal('invalid-argument', name, 'x', `[${shape.join(', ')}]`));
      }
      const list = (): unknown => connector.forward([input(contract.input)] as unknown as Tensor);
      expect(list).toThrow(refusal('invalid-argument', name, 'x: ', 'an array of 1', 'dataIdx'));
    });
  });

  const all = readFixture<{ connectors: Golden[] }>('mmrazor-connectors').connectors;
  const cases = all
    .filter((one) => one.connector === name)
    .map((one, i) => [i, JSON.stringify(one.options), one] as const);
  it('contract: has numbers of the original', () => expect(cases.length > 0).toBe(contract.original ?? true));
  it.each(cases)('golden %i %s', (_i, _options, golden) => {
    const given = camelKeys(golden.options) as Options;
    expect(golden.outputs.length).toBeGreaterThan(0);
    for (const compat of contract.differs?.(given) === true ? ['mmrazor'] : ['mmrazor', undefined]) {
      for (const dtype of ['float64', 'float32'] as const) {
        const config = { type: name, ...given, ...(compat === undefined ? {} : { compat }) };
        tidy(() => {
          const connector = buildConnector(config) as Connector;
          contract.prepareGolden?.(connector);
          expectGolden(golden, connector, dtype);
        });
      }
    }
  });
}

function expectGolden(golden: Golden, connector: Connector, dtype: 'float64' | 'float32'): void {
  connector.to({ dtype });
  const shapes = [...connector.namedParameters()].map(([name, parameter]) => [name, parameter.shape]);
  expect(shapes).toEqual(golden.params);
  setParameters(connector);
  const made = outputsOf(connector, wave(golden.input, dtype));
  const [rtol, atol] = dtype === 'float64' ? [1e-9, 1e-12] : [1e-5, 1e-6];
  expect(made).toHaveLength(golden.outputs.length);
  golden.outputs.forEach((expected, i) => {
    const output = made[i]!.detach().to('float64');
    expect(output.shape).toEqual(expected.shape);
    expect(output.abs().sum()).toBeAllClose(expected.abs_sum, { rtol, atol });
    expect(output.sum()).toBeAllClose(expected.sum, { rtol, atol: atol + rtol * expected.abs_sum });
    expect(output.data().slice(0, expected.first.length)).toBeAllClose(expected.first, { rtol, atol });
  });
}
