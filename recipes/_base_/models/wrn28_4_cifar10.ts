// WideResNet-28-4 for CIFAR-10. Zagoruyko, Komodakis 2016, arXiv 1605.07146.
import type { ClassifierConfig } from 'retort-kd/config';

const wrn28x4: ClassifierConfig = {
  type: 'ImageClassifier',
  backbone: { type: 'WideResNet', depth: 28, widenFactor: 4 },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 10, inChannels: 256 },
};
export default wrn28x4;
