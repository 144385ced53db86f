// MobileNetV2 for ImageNet. Sandler et al. 2018, arXiv 1801.04381.
import type { ClassifierConfig } from 'retort-kd/config';

const mobilenetV2: ClassifierConfig = {
  type: 'ImageClassifier',
  backbone: { type: 'MobileNetV2', widenFactor: 1 },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 1000, inChannels: 1280 },
};
export default mobilenetV2;
