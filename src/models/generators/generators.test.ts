// Generators: the original's numbers, latent vectors, sizes, initial state, mistakes.
import { describe, expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { readFixture } from '../../../test/fixtures.ts';
import { camelKeys, wave } from '../../../test/golden.ts';
import type { Wave } from '../../../test/golden.ts';
import { Identity } from '../../nn/index.ts';
import { grad, manualSeed, noGrad, randn, tensor, tidy, zeros } from '../../torch/index.ts';
import { buildGenerator, DAFLGenerator, generators, ZSKTGenerator } from './index.ts';
import type { BaseGenerator } from './index.ts';

interface Golden {
  generator: string;
  options: object;
  latent: Wave;
  params: [name: string, shape: number[]][];
  out_shape: number[];
  sum: number;
  abs_sum: number;
  first: number[];
}
const goldens = readFixture<{ generators: Golden[] }>('mmrazor-connectors').generators;

/** Parameter k becomes `0.2 * sin(0.3 * i + k)`. */
function setParameters(generator: BaseGenerator): void {
  generator.parameters().forEach((parameter, k) => {
    const values = Float64Array.from({ length: parameter.numel }, (_, i) => 0.2 * Math.sin(0.3 * i + k));
    noGrad(() => tidy(() => void parameter.copy_(tensor(values, { shape: parameter.shape }))));
  });
}

it.each(goldens)('golden $generator', (golden) => {
  for (const compat of [{}, { compat: 'mmrazor' }]) {
    for (const dtype of ['float64', 'float32'] as const) {
      tidy(() => {
        const generator = buildGenerator({
          type: golden.generator,
          ...(camelKeys(golden.options) as object),
          ...compat,
        });
        generator.to({ dtype });
        expect([...generator.namedParameters()].map(([name, { shape }]) => [name, shape])).toEqual(golden.params);
        setParameters(generator);
        const images = generator.forward(wave(golden.latent, dtype)).detach().to('float64');
        const [rtol, atol] = dtype === 'float64' ? [1e-9, 1e-9] : [1e-4, 2e-5];
        expect(images.shape).toEqual(golden.out_shape);
        expect(images.abs().sum()).toBeAllClose(golden.abs_sum, { rtol });
        expect(images.sum()).toBeAllClose(golden.sum, { rtol, atol: atol * golden.abs_sum });
        expect(images.data().slice(0, golden.first.length)).toBeAllClose(golden.first, { rtol, atol });
      });
    }
  }
});

const options = { imgSize: 8, latentDim: 3, hiddenChannels: 4 };

describe.each(generators.names())('%s', (type) => {
  const build = (more: object = {}): BaseGenerator => buildGenerator({ type, ...options, ...more });

  it('makes images of the size asked for, from its own or given vectors', () => {
    tidy(() => {
      expect(build().forward(randn([5, 3])).shape).toEqual([5, 3, 8, 8]);
      expect(build().forward(null, 2).shape).toEqual([2, 3, 8, 8]);
      expect(build().forward(undefined, 6).shape).toEqual([6, 3, 8, 8]);
      expect(build({ imgSize: 32, scaleFactor: 4 }).forward(null, 2).shape).toEqual([2, 3, 32, 32]);
      expect(build({ hiddenChannels: 7 }).forward(null, 2).shape).toEqual([2, 3, 8, 8]);
      const generator = build().to({ dtype: 'float64' });
      manualSeed(4);
      const latent = generator.processLatent(null, 2);
      expect(latent.dtype).toBe('float64');
      manualSeed(4);
      expect(latent).toBeAllClose(randn([2, 3]).to('float64'), { rtol: 0, atol: 0 });
    });
  });

  it('gradients reach every parameter and the latent vectors', () => {
    tidy(() => {
      const generator = build().to({ dtype: 'float64' });
      setParameters(generator);
      const latent = wave({ shape: [3, 3], a: 0.6, b: 0.2 });
      const value = () => {
        const images = generator.forward(latent);
        const weights = Float64Array.from({ length: images.numel }, (_, i) => Math.cos(0.7 * i));
        return images.mul(tensor(weights, { shape: images.shape })).sum();
      };
      const inputs = [latent, ...generator.parameters()];
      grad([value()], inputs).forEach((gradient, k) => {
        const flat = inputs[k]!.detach().view([-1]);
        const moved = (by: number): number =>
          noGrad(() =>
            tidy(() => {
              flat.narrow(0, 0, 1).add_(by);
              return value().item();
            }),
          );
        const difference = (moved(1e-6) - moved(-2e-6)) / 2e-6;
        moved(1e-6);
        const own = gradient!.flatten().select(0, 0).item();
        expect(Math.abs(difference - own), `${k}: ${own}`).toBeLessThan(1e-5 * Math.abs(own) + 1e-5);
      });
    });
  });

  it('gives its state to another', () => {
    tidy(() => {
      const [one, other] = [build(), build({ initCfg: { type: 'Constant', val: 1, layer: 'Linear' } })];
      one.forward(null, 4);
      other.loadStateDict(one.stateDict());
      const latent = randn([2, 3]);
      expect(other.eval().forward(latent)).toBeAllClose(one.eval().forward(latent), { rtol: 0, atol: 0 });
    });
  });

  it('refuses latent vectors and sizes that do not fit', () => {
    tidy(() => {
      const generator = build();
      const latent = (shape: number[]) => () => generator.forward(zeros(shape));
      expect(latent([8, 11])).toThrow(refusal('invalid-argument', type, 'latent', '[N, 3]', 'latentDim', '[8, 11]'));
      expect(latent([8, 3, 1, 1])).toThrow(refusal('invalid-argument', '[8, 3, 1, 1]'));
      expect(latent([3])).toThrow(refusal('invalid-argument', 'latent', '[3]'));
      expect(() => generator.forward(5 as never)).toThrow(refusal('invalid-argument', 'latent', 'number'));
      expect(() => generator.forward(null, 0)).toThrow(refusal('invalid-argument', 'batchSize', 0));
      expect(() => build({ imgSize: 10 })).toThrow(refusal('invalid-argument', 'imgSize', 4, 8));
      expect(build({ imgSize: 10, compat: 'mmrazor' }).forward(null, 2).shape).toEqual([2, 3, 8, 8]);
      expect(() => build({ imgSize: 3, compat: 'mmrazor' })).toThrow(refusal('invalid-argument', 'imgSize'));
      expect(() => build({ hiddenChannels: 1 })).toThrow(refusal('invalid-argument', 'hiddenChannels', 2, 1));
      expect(() => build({ hidenChannels: 1 })).toThrow(refusal('unknown-option', 'hidenChannels', 'hiddenChannels'));
    });
  });
});

it('classes and names', () => {
  tidy(() => {
    expect(buildGenerator({ type: 'DAFLGenerator', ...options, bnEps: 0.5 })).toBeInstanceOf(DAFLGenerator);
    expect(buildGenerator({ type: 'ZSKTGenerator', ...options })).toBeInstanceOf(ZSKTGenerator);
    const own = new Identity();
    expect(buildGenerator(own)).toBe(own);
    expect(() => buildGenerator({ type: 'DAFL' })).toThrow(refusal('unknown-name', '"DAFL"'));
    expect(() => new DAFLGenerator({ ...options, latentDim: 0 })).toThrow(
      refusal('invalid-argument', 'DAFLGenerator', 'latentDim'),
    );
  });
});
