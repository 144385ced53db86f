// Features of several layers at once: what losses over lists of maps share.
import { RetortError } from '../../../errors.ts';
import type { Tensor } from '../../../torch/index.ts';
import { requireRank, requireSameBatch } from './shapes.ts';

/** Feature maps of several layers of both networks. */
export interface LayerPair {
  /** The student's maps, one for each layer: map it to a list of records. */
  sFeatures: readonly Tensor[];
  /** The teacher's, of the same layers. */
  tFeatures: readonly Tensor[];
}

/** @throws {RetortError} unless both are lists of as many maps `(N, C, H, W)`, at least `least`, of one batch. */
export function requireLayers(loss: string, { sFeatures, tFeatures }: LayerPair, least: number): void {
  for (const [name, maps] of Object.entries({ sFeatures, tFeatures })) {
    if (Array.isArray(maps) && maps.length >= least) continue;
    const given = Array.isArray(maps) ? `${maps.length} of them` : 'no list';
    throw new RetortError(`${loss}: ${name}: expected a list of the maps of at least ${least} layers, got ${given}`, {
      help: `map ${name} to a list of records: ${name}: [{ recorder: ... }, { recorder: ... }]`,
    });
  }
  if (sFeatures.length !== tFeatures.length) {
    throw new RetortError(
      `${loss}: sFeatures and tFeatures: expected as many layers, got ${sFeatures.length} and ${tFeatures.length}`,
    );
  }
  for (const [l, map] of sFeatures.entries()) {
    requireRank(loss, [`sFeatures[${l}]`, map], [4], '(N, C, H, W)');
    requireRank(loss, [`tFeatures[${l}]`, tFeatures[l]!], [4], '(N, C, H, W)');
    requireSameBatch(loss, [`sFeatures[${l}]`, map], [`tFeatures[${l}]`, tFeatures[l]!]);
  }
}
