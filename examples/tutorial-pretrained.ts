// The programs of docs/pretrained.md: weights under torchvision's names into a network of ours, and a teacher out of an ONNX file.
import { buildModel, loadNetwork, OnnxNetwork, toTheirNames } from 'retort-kd/models';
import { exportOnnx } from 'retort-kd/deploy';
import { saveTensors } from 'retort-kd/nn';
import { keep, manualSeed, randn, tidy } from 'retort-kd/torch';

manualSeed(0);
const source = {
  type: 'ImageClassifier',
  backbone: { type: 'ResNet', depth: 18 },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 10, inChannels: 512 },
};
tidy(() => {
  const trained = buildModel(source);
  saveTensors('resnet18.pth', toTheirNames(trained.stateDict(), 'torchvision').state);
  exportOnnx(trained, randn([1, 3, 32, 32])).save('teacher.onnx');
});

const teacher = buildModel({
  type: 'ImageClassifier',
  backbone: { type: 'ResNet', depth: 18 },
  neck: { type: 'GlobalAveragePooling' },
  head: { type: 'LinearClsHead', numClasses: 10, inChannels: 512 },
});
const report = loadNetwork('resnet18.pth', teacher);
console.log(report.convention, report.matched, report.missing.length); // torchvision 102 0

using onnxTeacher = new OnnxNetwork({ file: 'teacher.onnx' });
const scores = tidy(() => keep(onnxTeacher.forward(randn([3, 3, 32, 32])))); // (3, 10)
console.log(scores.shape.join()); // 3,10
