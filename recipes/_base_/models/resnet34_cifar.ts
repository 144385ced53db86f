// ResNet-34 for images of 32x32: a 3x3 stem of stride 1 and no pooling. He, Zhang, Ren, Sun 2016, arXiv 1512.03385.
import type { ClassifierConfig } from 'retort-kd/config';

const resnet34: ClassifierConfig = {
  type: 'ImageClassifier',
  backbone: { type: 'ResNet_CIFAR', depth: 34 },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 10, inChannels: 512 },
};
export default resnet34;
