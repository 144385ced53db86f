import { describe, expect, it } from 'vitest';

import { registries } from '../../runner/registries.ts';
import { checkConfig } from '../../config/experiment.ts';
import { toPlain } from '../../config/tree/index.ts';
import { translateOpenMMLab } from '../index.ts';
import { builtinConfig, builtinNames, builtinWeights } from './index.ts';

const names = builtinNames();
const split = (name: string): [string, string] => name.split('::') as [string, string];

describe('built-in configs', () => {
  it('are those that MMRazor’s recipes name', () => {
    const wanted = `_base_/datasets/cifar10_bs16 _base_/datasets/imagenet_bs32 _base_/default_runtime
      _base_/schedules/cifar10_bs128 _base_/schedules/imagenet_bs256 deit/deit-base_pt-16xb64_in1k
      mobilenet_v2/mobilenet-v2_8xb32_in1k resnet/resnet18_8xb16_cifar10 resnet/resnet18_8xb32_in1k
      resnet/resnet34_8xb16_cifar10 resnet/resnet34_8xb32_in1k resnet/resnet50_8xb16_cifar10 resnet/resnet50_8xb32_in1k
      shufflenet_v2/shufflenet-v2-1x_16xb64_in1k`.split(/\s+/);
    for (const path of wanted) expect(names).toContain(`mmcls::${path}.py`);
    expect(names).toContain('mmrazor::vanilla/mmcls/wide-resnet/wrn28-w4_b16x8_cifar10.py');
    expect(builtinConfig('mmcls', 'resnet/resnet17.py')).toBeUndefined();
    expect(builtinConfig('mmdet', '_base_/default_runtime.py')).toBeUndefined();
    expect(builtinConfig('__proto__', 'toString')).toBeUndefined();
    expect(builtinWeights('mmcls', 'resnet/resnet34_8xb32_in1k.py')).toMatch(/resnet34_8xb32_in1k_20210831-f257d4e6/);
  });

  it.each(names)('%s is clean', (name) => {
    const [pkg, path] = split(name);
    const found = translateOpenMMLab(builtinConfig(pkg, path)!, { registries });
    expect(found.mistakes).toEqual([]);
    expect(found.unknown).toEqual([]);
    if (path.startsWith('_base_')) return;
    // A whole experiment, but for what it inherits and overrides.
    const [stage] = checkConfig(toPlain(found.tree), name);
    expect(stage!.config.model).toMatchObject({ type: 'Supervised', architecture: { type: 'ImageClassifier' } });
  });

  it('the wide ones have the widths of their names', () => {
    const wide = toPlain(builtinConfig('mmrazor', 'vanilla/mmcls/wide-resnet/wrn28-w4_b16x8_cifar10.py')!);
    expect(wide).toMatchObject({
      model: { backbone: { depth: 28, widen_factor: 4, num_stages: 3 }, head: { in_channels: 256, num_classes: 10 } },
    });
  });
});
