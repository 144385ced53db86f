// ResNet-18 for images of 32x32: a 3x3 stem of stride 1 and no pooling. He, Zhang, Ren, Sun 2016, arXiv 1512.03385.
import type { ClassifierConfig } from 'retort-kd/config';

const resnet18: ClassifierConfig = {
  type: 'ImageClassifier',
  backbone: { type: 'ResNet_CIFAR', depth: 18 },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 10, inChannels: 512 },
};
export default resnet18;
