// The weights of attention are where they were: whoever looks at `attn_drop` sees them, and the output stays the same.
import { expect, it } from 'vitest';

import { RecorderManager } from '../src/distill/recorders/index.ts';
import { methodTarget } from '../src/intercept/index.ts';
import { VisionTransformer } from '../src/models/index.ts';
import { Dropout } from '../src/nn/index.ts';
import type { Module } from '../src/nn/index.ts';
import { hasOperator, traceOperators } from '../src/torch/internal.ts';
import { manualSeed, noGrad, randn, tidy } from '../src/torch/index.ts';
import type { Tensor } from '../src/torch/index.ts';

const kernel = 'scaled_dot_product_attention';
const arch = { embedDims: 16, numLayers: 2, numHeads: 4, feedforwardChannels: 32 };
const make = (): VisionTransformer => new VisionTransformer({ arch, imgSize: 16, patchSize: 4 }).eval();

/** How often the kernel runs in one forward. */
function kernels(network: Module & { forward(x: Tensor): unknown }, input: Tensor): number {
  let count = 0;
  traceOperators(
    () => network.forward(input),
    ({ operator }, proceed) => {
      if (operator === kernel) count++;
      return proceed();
    },
  );
  return count;
}
const all = hasOperator(kernel) ? 2 : 0;

it('a recorder at attn_drop gets the weights, and only that layer computes them', () => {
  manualSeed(1);
  noGrad(() =>
    tidy(() => {
      const network = make();
      const input = randn([2, 3, 16, 16]);
      const [alone] = network.forward(input) as Tensor[];
      expect(kernels(network, input)).toBe(all);
      const manager = new RecorderManager({
        weights: { type: 'ModuleOutputs', source: 'layers.1.attn.attn_drop' },
        given: { type: 'ModuleInputs', source: 'layers.1.attn.attn_drop' },
      }).initialize(network);
      const recording = manager.record();
      const [watched] = network.forward(input) as Tensor[];
      expect(kernels(network, input)).toBe(all / 2);
      recording.end();
      expect(watched!).toBeAllClose(alone!, { rtol: 1e-4, atol: 1e-5 });
      const weights = manager.getRecorder('weights').getRecordData() as Tensor;
      expect(weights.shape).toEqual([2, 4, 17, 17]);
      expect(weights.sum(-1)).toBeAllClose(weights.sum(-1).mul(0).add(1), { rtol: 0, atol: 1e-5 });
      expect(kernels(network, input)).toBe(all); // nobody looks any more
    }),
  );
});

it('a tap on the method of dropouts sees them too, and what replaces one is asked', () => {
  manualSeed(1);
  noGrad(() =>
    tidy(() => {
      const [network, input] = [make(), randn([2, 3, 16, 16])];
      const seen: number[][] = [];
      const tap = methodTarget({ class: Dropout, method: 'forward' }).tap((call, next) => {
        seen.push((call.args[0] as Tensor).shape);
        return next();
      }, 'observe');
      expect(kernels(network, input)).toBe(0);
      tap[Symbol.dispose]();
      expect(seen).toContainEqual([2, 4, 17, 17]);
      expect(kernels(network, input)).toBe(all);

      Object.assign(network.getModule('layers.0.attn')!, { attn_drop: new Dropout({ p: 0.5 }) });
      expect(kernels(network, input)).toBe(all / 2);
    }),
  );
});
