// WideResNet-16-2 for CIFAR-10. Zagoruyko, Komodakis 2016, arXiv 1605.07146.
import type { ClassifierConfig } from 'retort-kd/config';

const wrn16x2: ClassifierConfig = {
  type: 'ImageClassifier',
  backbone: { type: 'WideResNet', depth: 16, widenFactor: 2 },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 10, inChannels: 128 },
};
export default wrn16x2;
