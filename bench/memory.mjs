// `npm run bench -- memory`: 500 training steps of the quickstart's distillation; the resident memory must stay flat.
import { fileURLToPath } from 'node:url';

import { buildAlgorithm } from 'retort-kd/algorithms';
import { loadConfig } from 'retort-kd/config';
import { SGD } from 'retort-kd/optim';
import { memory, ops, tidy } from 'retort-kd/torch';

const file = fileURLToPath(new URL('../recipes/kd-fashion-mnist/config.ts', import.meta.url));
const { stages } = await loadConfig(file);
const { teacherCkpt: _unused, ...model } = stages[0].config.model;
const algorithm = buildAlgorithm(model).to({ memoryFormat: 'channels_last' });
const optimizer = new SGD(algorithm.student.parameters(), { lr: 0.05, momentum: 0.9 });
const samples = Array.from({ length: 128 }, (_, i) => ({ gtLabel: i % 10 }));
const mebibytes = () => process.memoryUsage.rss() / 2 ** 20;

const readings = [];
for (let step = 1; step <= 500; step++) {
  tidy(() => {
    const inputs = ops.randn([128, 1, 28, 28]).contiguous({ memoryFormat: 'channels_last' });
    const [total] = algorithm.parseLosses(algorithm.forward(inputs, samples));
    optimizer.zeroGrad();
    total.backward();
    optimizer.step();
  });
  if (step % 50 !== 0) continue;
  await new Promise((resolve) => setImmediate(resolve));
  readings.push(mebibytes());
  process.stdout.write(`step ${step}: ${mebibytes().toFixed(0)} MiB, ${memory().tensors} tensors\n`);
}
const growth = readings.at(-1) / readings[1] - 1;
process.stdout.write(`growth from step 100 to 500: ${(100 * growth).toFixed(1)}%\n`);
if (growth > 0.05) process.exitCode = 1;
