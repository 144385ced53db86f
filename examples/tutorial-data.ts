// Data: a folder of images, what is taken of it, labels that go by name, and one batch.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import {
  alignClasses,
  checkFiles,
  DataLoader,
  type Dataset,
  ImageFolder,
  Normalize,
  padSamples,
  Resize,
} from 'retort-kd/data';
import { ones, type Tensor, tidy } from 'retort-kd/torch';

const folder = mkdtempSync(join(tmpdir(), 'retort-example-'));
const write = (name: string, content: string | Uint8Array): void => {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), content);
};
/** An image of one color, as a PPM file. */
const flat = (...color: number[]): Uint8Array =>
  Buffer.concat([Buffer.from('P6 4 4 255\n'), Buffer.from(Array.from({ length: 16 }, () => color).flat())]);

write('train/cat/1.ppm', flat(250, 0, 0));
write('train/cat/.DS_Store', '');
write('train/cat/2.heic', '');
write('train/dog/1.ppm', flat(0, 250, 0));
write('train/owl/deeper/1.ppm', flat(0, 0, 250));
write('val/cat/1.ppm', flat(250, 0, 0));
write('val/owl/1.ppm', flat(0, 0, 250));

const train = new ImageFolder({ root: join(folder, 'train') });
console.log(train.classes.join(), train.length); // cat,dog,owl 3
console.log(train.leftOut.map(({ reason, count }) => `${count} ${reason}`).join('; ')); // 1 hidden, or put there by a system; 1 .heic
console.log((await checkFiles(train)).mistakes.length); // 0

const val = new ImageFolder({ root: join(folder, 'val') }); // lacks dogs
const { dataset, notes } = alignClasses(val, train, { name: 'valData' });
console.log(notes[0]); // valData has 2 classes, trainData 3: it lacks "dog"; its labels go by the names of the classes
console.log(val.label(1), dataset.label?.(1)); // 1 2

const loader = new DataLoader(dataset, {
  batchSize: 2,
  transforms: [new Resize({ size: 8 }), new Normalize({ mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2] })],
});
await loader.prepare(0, 0); // reads and decodes the files of the batch
tidy(() => {
  const { inputs, targets } = loader.load(0, 0);
  console.log(inputs.shape.join(), inputs.dtype, targets.labels!.data().join()); // 2,3,8,8 float32 0,2
});
loader[Symbol.dispose](); // frees what was read ahead
rmSync(folder, { recursive: true });

// Samples of different sizes: padded to the largest of a batch.
const texts: Dataset<Record<string, Tensor>> = {
  length: 4,
  classes: ['short', 'long'],
  label: (index) => Number(index > 1),
  item: (index) => ({ inputs: { ids: ones([index + 1], { dtype: 'int64' }) } }),
  collate: padSamples(),
};
const batches = new DataLoader(texts, { batchSize: 4 });
await batches.prepare(0, 0);
tidy(() => {
  const { inputs, targets } = batches.load(0, 0);
  console.log(inputs['ids']!.shape.join(), inputs['idsMask']!.sum(1).data().join()); // 4,4 1,2,3,4
  console.log(targets.labels!.data().join()); // 0,0,1,1
});
batches[Symbol.dispose]();
