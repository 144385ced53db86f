// Accuracy of a classifier over a data loader.
import type { DataLoader } from '../data/index.ts';
import type { LossModel } from '../nn/index.ts';
import { noGrad, tidy } from '../torch/index.ts';
import { nextTurn } from './next-turn.ts';

export interface Metrics {
  /** Share of images whose highest score is the right class, in percent. */
  accuracy: number;
}

/** Runs the model in evaluation mode over every batch; its mode is put back afterwards. */
export async function evaluate(model: LossModel, loader: DataLoader): Promise<Metrics> {
  const modes = model.modules().map((module) => [module, module.training] as const);
  model.eval();
  try {
    let right = 0;
    let seen = 0;
    for (let i = 0; i < loader.length; i++) {
      const counts = noGrad(() =>
        tidy(() => {
          const { inputs, dataSamples } = loader.load(0, i);
          const predicted = model.forward(inputs, undefined, 'tensor').argmax(1).data();
          const hits = dataSamples.filter((sample, k) => Number(predicted[k]) === sample.gtLabel);
          return { right: hits.length, seen: dataSamples.length };
        }),
      );
      right += counts.right;
      seen += counts.seen;
      await nextTurn();
    }
    return { accuracy: (100 * right) / seen };
  } finally {
    for (const [module, training] of modes) module.training = training;
  }
}
