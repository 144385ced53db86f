// The programs of docs/deploy.md: a student out of a run's folder that answers, and the same as an ONNX model.
import { mkdirSync } from 'node:fs';

import sharp from 'sharp';
import { defineConfig } from 'retort-kd/config';
import { exportOnnx, loadStudent } from 'retort-kd/deploy';
import { run } from 'retort-kd/runner';
import { randn, tidy } from 'retort-kd/torch';

const colors = { cat: [200, 60, 60], dog: [60, 60, 200] };
for (const split of ['train', 'val']) {
  for (const [name, [r, g, b]] of Object.entries(colors)) {
    mkdirSync(`photos/${split}/${name}`, { recursive: true });
    const background = { r: r!, g: g!, b: b! };
    for (let i = 0; i < 8; i++) {
      const image = sharp({ create: { width: 32, height: 32, channels: 3, background } });
      await image.png().toFile(`photos/${split}/${name}/${i}.png`);
    }
  }
}
const images = (root: string) => ({
  dataset: { type: 'ImageFolder', root } as const,
  batchSize: 8,
  transforms: [
    { type: 'Resize', size: 32 } as const,
    { type: 'Normalize', mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] } as const,
  ],
});
const config = defineConfig({
  model: {
    type: 'Supervised',
    architecture: {
      type: 'ImageClassifier',
      backbone: {
        type: 'ResNet_CIFAR',
        depth: 18,
        stageBlocks: [1, 1],
        numStages: 2,
        stemChannels: 8,
        baseChannels: 8,
      },
      neck: { type: 'GlobalAveragePooling' },
      head: { type: 'LinearClsHead', numClasses: 2, inChannels: 16 },
    },
  },
  trainData: images('photos/train'),
  valData: images('photos/val'),
  optimizer: { type: 'SGD', lr: 0.1, momentum: 0.9 },
  epochs: 5,
});
await run(config, { workDir: 'runs/photos' });

using student = await loadStudent('runs/photos');
const [best] = await student.predict('photos/val/cat/0.png');
console.log(best!.label, best!.score > 0.5); // cat true

const exported = tidy(() => exportOnnx(student.network, randn([1, 3, 32, 32]), { classes: student.classes }));
console.log(exported.check.status, exported.model.graph.outputs[0]!.name); // checked logits
exported.save('student.onnx');
