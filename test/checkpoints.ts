// Training checkpoints as versions before wrote them: what the metadata says is changed, and the hash follows.
import { createHash } from 'node:crypto';

import { loadTensors, saveTensors } from '../src/nn/index.ts';
import { tidy } from '../src/torch/index.ts';
import type { Tensor } from '../src/torch/index.ts';

export interface CheckpointState {
  progressed: Record<string, unknown> & { position: { epoch: number; step: number } };
  hooks: unknown;
}

/** Rewrites a training checkpoint in the format of before. @param rename changes names of tensors */
export function asFormer(
  path: string,
  change: (state: CheckpointState) => CheckpointState,
  rename: (name: string) => string = (name) => name,
): void {
  tidy(() => {
    const { tensors, metadata } = loadTensors(path);
    const renamed = Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [rename(name), tensor]));
    const state = JSON.stringify(change(JSON.parse(metadata['state']!) as CheckpointState));
    saveTensors(path, renamed, { format: 'retort-training-2', state, sha256: digest(renamed, state) });
  });
}

function digest(tensors: Readonly<Record<string, Tensor>>, state: string): string {
  const hash = createHash('sha256').update(state);
  for (const name of Object.keys(tensors).toSorted()) {
    const tensor = tensors[name]!;
    hash.update(`\0${name} ${tensor.dtype} ${tensor.shape.join()}\0`).update(tensor.bytes());
  }
  return hash.digest('hex');
}
