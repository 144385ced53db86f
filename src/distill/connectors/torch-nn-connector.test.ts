// TorchNNConnector: the contract, every layer it knows, names that are none.
import { expect, it } from 'vitest';

import { refusal } from '../../../test/refusal.ts';
import { wave } from '../../../test/golden.ts';
import { noGrad, tidy } from '../../torch/index.ts';
import { describeConnector } from './connector.contract.ts';
import { buildConnector, TorchNNConnector } from './index.ts';
import type { TorchNNConnectorOptions } from './index.ts';

const options: TorchNNConnectorOptions = { moduleName: 'Linear', moduleArgs: { inFeatures: 4, outFeatures: 3 } };
describeConnector('TorchNNConnector', {
  options: { ...options },
  make: () => new TorchNNConnector(options),
  input: [2, 4],
  outputs: [[2, 3]],
  wrong: [[2, 5]],
});

const x = () => wave({ shape: [2, 4, 6, 6], a: 0.29, b: 0.3 }, 'float32');

it.each<[TorchNNConnectorOptions['moduleName'], object, number[]]>([
  ['AdaptiveAvgPool2d', { outputSize: 2 }, [2, 4, 2, 2]],
  ['AdaptiveMaxPool2d', { outputSize: [2, null] }, [2, 4, 2, 6]],
  ['AvgPool2d', { kernelSize: 3 }, [2, 4, 2, 2]],
  ['BatchNorm2d', { numFeatures: 4 }, [2, 4, 6, 6]],
  ['Conv2d', { inChannels: 4, outChannels: 2, kernelSize: 3 }, [2, 2, 4, 4]],
  ['Dropout', { p: 0.3 }, [2, 4, 6, 6]],
  ['Dropout2d', {}, [2, 4, 6, 6]],
  ['MaxPool2d', { kernelSize: 2 }, [2, 4, 3, 3]],
  ['ReLU', {}, [2, 4, 6, 6]],
  ['Softmax', { dim: 1 }, [2, 4, 6, 6]],
])('%s', (moduleName, moduleArgs, shape) => {
  tidy(() => {
    const connector = new TorchNNConnector({ moduleName, moduleArgs: { ...moduleArgs } });
    expect(connector.forward(x()).shape).toEqual(shape);
    expect(connector.func.constructor.name).toBe(moduleName);
    expect(Object.keys(connector.stateDict()).every((name) => name.startsWith('func.'))).toBe(true);
  });
});

it('refuses unknown names, with the nearest', () => {
  const build = (config: object): unknown => buildConnector({ type: 'TorchNNConnector', ...config });
  expect(() => build({})).toThrow(refusal('invalid-argument', 'moduleName'));
  expect(() => build({ moduleName: 'fake' })).toThrow(refusal('invalid-argument', 'moduleName', 'fake'));
  expect(() => new TorchNNConnector({ moduleName: 'AvgPool' as 'ReLU' })).toThrow(
    refusal('invalid-argument', 'moduleName', '"AvgPool"', '"AvgPool2d"'),
  );
  expect(() => build({ moduleName: 'AvgPool2d', moduleArgs: { kernelsize: 2 } })).toThrow(
    refusal('invalid-argument', 'TorchNNConnector', 'kernelsize', 'kernelSize', 'moduleArgs'),
  );
  expect(() => build({ moduleName: 'Linear', moduleArgs: { inFeatures: 2, outFeatures: 2, inplace: true } })).toThrow(
    refusal('invalid-argument', 'moduleArgs', '"inplace"'),
  );
});

it('leaves the record as it was, and needs a dim; compat does neither', () => {
  tidy(() => {
    const relu = (more: object) =>
      buildConnector({ type: 'TorchNNConnector', moduleName: 'ReLU', moduleArgs: { inplace: true }, ...more });
    const least = (more: object): number => {
      const record = x().detach();
      noGrad(() => (relu(more) as TorchNNConnector).forward(record));
      return record.min().item();
    };
    expect(least({})).toBeLessThan(-0.9);
    expect(least({ compat: 'mmrazor' })).toBe(0);
    const softmax = { type: 'TorchNNConnector', moduleName: 'Softmax' };
    expect(() => buildConnector(softmax)).toThrow(refusal('invalid-argument', 'moduleArgs', 'dim'));
    const implied = buildConnector({ ...softmax, compat: 'mmrazor' }) as TorchNNConnector;
    expect(implied.forward(x())).toBeAllClose(x().softmax(1));
    expect(implied.forward(x().select(0, 0))).toBeAllClose(x().select(0, 0).softmax(0));
  });
});
