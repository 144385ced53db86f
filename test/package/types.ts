// What a user's strict project compiles: the root, and something of each kind of subpath.
import {
  AdamW,
  ConfigurableDistiller,
  DataLoader,
  defineConfig,
  Linear,
  Module,
  noGrad,
  randn,
  RetortError,
  tidy,
  Trainer,
  type Tensor,
} from 'retort-kd';
import { algorithms } from 'retort-kd/algorithms';
import type { RecorderConfig } from 'retort-kd/config';
import { connectors } from 'retort-kd/connectors';
import { SyntheticImages } from 'retort-kd/data';
import { deliveries } from 'retort-kd/deliveries';
import { readSafetensorsFile } from 'retort-kd/formats';
import { generators } from 'retort-kd/generators';
import { retortTaps } from 'retort-kd/intercept';
import { losses } from 'retort-kd/losses';
import { ResNet } from 'retort-kd/models';
import { recorders } from 'retort-kd/recorders';
import { Registry } from 'retort-kd/registry';
import { memory } from 'retort-kd/torch';

class Net extends Module {
  fc = new Linear(8, 4);
  override forward(x: Tensor): Tensor {
    return this.fc.forward(x);
  }
}

const fc: RecorderConfig = { type: 'ModuleOutputs', source: 'fc' };
export const distiller = new ConfigurableDistiller({ studentRecorders: { fc }, teacherRecorders: { fc } });
export const optimizer = new AdamW(new Net().parameters(), { lr: 0.01 });
export const value: number = tidy(() =>
  noGrad(() =>
    new Net()
      .forward(randn([2, 8]))
      .sum()
      .item(),
  ),
);
export const names: string[] = [algorithms, connectors, deliveries, generators, losses, recorders].flatMap((registry) =>
  registry.names(),
);
export const kinds = [DataLoader, Registry, ResNet, RetortError, SyntheticImages, Trainer, retortTaps];
export const bytes: number = memory().bytes;
export const file = readSafetensorsFile;
export const define = defineConfig;
