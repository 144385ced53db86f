// Tutorial, part 9: the loss of `tutorial-9-own-loss.ts` in code and in a config.
import { checkConfig, defineConfig, type ClassifierConfig, type LoaderConfig } from 'retort-kd/config';
import { buildLoss, losses } from 'retort-kd/losses';
import { randn } from 'retort-kd/torch';

import { CharbonnierLoss, charbonnierLoss } from './tutorial-9-own-loss.ts';

// In code no registry is needed: a built loss may stand wherever its config may.
const features = randn([4, 8]);
const loss = new CharbonnierLoss({ lossWeight: 2 });
console.log(buildLoss(loss) === loss); // true
console.log(loss.forward({ sFeature: features, tFeature: features }).item().toFixed(4)); // 0.0020

// Or a registry with one more name; the one it comes from stays as it was.
const more = losses.extend({ CharbonnierLoss: charbonnierLoss });
console.log(more.build({ type: 'CharbonnierLoss', eps: 0.1 }) instanceof CharbonnierLoss); // true
console.log(losses.names().includes('CharbonnierLoss')); // false

const network: ClassifierConfig = {
  type: 'ImageClassifier',
  backbone: { type: 'ResNet_CIFAR', depth: 18, inChannels: 1 },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 4, inChannels: 512 },
};
const data: LoaderConfig = { dataset: { type: 'SyntheticImages' }, batchSize: 16 };

const config = defineConfig({
  imports: ['./tutorial-9-own-loss.ts'],
  model: {
    type: 'SingleTeacherDistill',
    architecture: network,
    teacher: network,
    distiller: {
      type: 'ConfigurableDistiller',
      studentRecorders: { gap: { type: 'ModuleOutputs', source: 'neck.gap' } },
      teacherRecorders: { gap: { type: 'ModuleOutputs', source: 'neck.gap' } },
      distillLosses: { loss_feat: { type: 'CharbonnierLoss', eps: 0.01 } },
      lossForwardMappings: {
        loss_feat: {
          sFeature: { recorder: 'gap', fromStudent: true },
          tFeature: { recorder: 'gap', fromStudent: false },
        },
      },
    },
  },
  trainData: data,
  valData: data,
  optimizer: { type: 'SGD', lr: 0.1 },
  epochs: 1,
});
console.log(checkConfig(config, 'config').length); // 1
