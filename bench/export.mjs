// `npm run bench -- export`: one image through the student in libtorch and through its ONNX models in onnxruntime, in turns. Needs
// onnxruntime-node. Weights are random: the time does not depend on them, and accuracy is for `retort export --data`.
import { exportOnnx, quantizeOnnx, toHalf } from '../dist/deploy/index.js';
import { onnxModelBytes } from '../dist/formats/index.js';
import { buildModel } from '../dist/models/index.js';
import { openOnnx } from '../dist/models/onnx/session.js';
import { manualSeed, noGrad, ops, setThreads, tidy } from '../dist/torch/index.js';

const quick = process.argv.includes('--quick');
const threads = Number(process.env.RETORT_THREADS ?? 1);
const print = (text) => process.stdout.write(`${text}\n`);
const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const neck = { type: 'GlobalAveragePooling' };
const head = (inChannels, numClasses) => ({ type: 'LinearClsHead', numClasses, inChannels });

const cases = [
  {
    name: "the quickstart's student, 28x28",
    image: [1, 28, 28],
    rounds: 2000,
    model: {
      type: 'ImageClassifier',
      backbone: {
        ...{ type: 'ResNet_CIFAR', depth: 18, stageBlocks: [1, 1, 1], numStages: 3, inChannels: 1 },
        ...{ stemChannels: 8, baseChannels: 8, outIndices: [2] },
      },
      neck,
      head: head(32, 10),
    },
  },
  {
    name: 'ResNet-18, 224x224',
    image: [3, 224, 224],
    rounds: 60,
    model: { type: 'ImageClassifier', backbone: { type: 'ResNet', depth: 18 }, neck, head: head(512, 1000) },
  },
  {
    name: 'MobileNetV2, 224x224',
    image: [3, 224, 224],
    rounds: 120,
    model: { type: 'ImageClassifier', backbone: { type: 'MobileNetV2' }, neck, head: head(1280, 1000) },
  },
];

/** Milliseconds of each side, so many times, the sides in turns. */
function interleave(sides, rounds) {
  const names = Object.keys(sides);
  const times = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = -5; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const start = performance.now();
      sides[name]();
      if (round >= 0) times[name].push(performance.now() - start);
    }
  }
  return times;
}

setThreads(threads);
print(
  `\nOne image, ${threads} ${threads === 1 ? 'thread' : 'threads'}, medians in ms; sizes of the ONNX files in KiB\n`,
);
print('| network                         | libtorch |    fp32 |    fp16 |    int8 | fp32 KiB | fp16 KiB | int8 KiB |');
print('|---------------------------------|---------:|--------:|--------:|--------:|---------:|---------:|---------:|');
for (const { name, image, rounds, model } of cases) {
  manualSeed(0);
  tidy(() => {
    const net = buildModel(model);
    // Norms that have seen something, so that activations have usual sizes.
    noGrad(() => tidy(() => net.train().forward(ops.randn([8, ...image]))));
    net.eval();
    const { model: fp32 } = exportOnnx(net, ops.randn([1, ...image]));
    const { model: int8 } = quantizeOnnx(fp32, { calibration: [ops.randn([4, ...image])] });
    const bytes = [fp32, toHalf(fp32), int8].map(onnxModelBytes);
    const sessions = bytes.map((one) => openOnnx(one, { threads }));
    const x = ops.randn([1, ...image]);
    const [a, b, c] = sessions.map((session) => session.prepared([x]));
    const forward = () => noGrad(() => tidy(() => void net.forward(x)));
    const times = interleave({ libtorch: forward, fp32: a, fp16: b, int8: c }, quick ? Math.ceil(rounds / 10) : rounds);
    const shown = Object.values(times).map((one) => median(one).toFixed(3).padStart(7));
    const sizes = bytes.map((one) => (one.length / 1024).toFixed(0).padStart(8));
    print(`| ${name.padEnd(31)} | ${[shown[0].padStart(8), ...shown.slice(1), ...sizes].join(' | ')} |`);
    for (const session of sessions) session.dispose();
  });
}
