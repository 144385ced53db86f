// ResNet-50 for images of 32x32: a 3x3 stem of stride 1 and no pooling. He, Zhang, Ren, Sun 2016, arXiv 1512.03385.
import type { ClassifierConfig } from 'retort-kd/config';

const resnet50: ClassifierConfig = {
  type: 'ImageClassifier',
  backbone: { type: 'ResNet_CIFAR', depth: 50 },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 10, inChannels: 2048 },
};
export default resnet50;
