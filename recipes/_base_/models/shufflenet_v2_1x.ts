// ShuffleNetV2 1x for ImageNet. Ma, Zhang, Zheng, Sun 2018, arXiv 1807.11164.
import type { ClassifierConfig } from 'retort-kd/config';

const shufflenetV2: ClassifierConfig = {
  type: 'ImageClassifier',
  backbone: { type: 'ShuffleNetV2', widenFactor: 1 },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 1000, inChannels: 1024 },
};
export default shufflenetV2;
