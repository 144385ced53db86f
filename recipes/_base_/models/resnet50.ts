// ResNet-50 for ImageNet. He, Zhang, Ren, Sun 2016, arXiv 1512.03385.
import type { ClassifierConfig } from 'retort-kd/config';

const resnet50: ClassifierConfig = {
  type: 'ImageClassifier',
  backbone: { type: 'ResNet', depth: 50 },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 1000, inChannels: 2048 },
};
export default resnet50;
