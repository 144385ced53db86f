// ResNet-18 for ImageNet. He, Zhang, Ren, Sun 2016, arXiv 1512.03385.
import type { ClassifierConfig } from 'retort-kd/config';

const resnet18: ClassifierConfig = {
  type: 'ImageClassifier',
  backbone: { type: 'ResNet', depth: 18 },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 1000, inChannels: 512 },
};
export default resnet18;
