// `val_evaluator`: what is measured. One set of evaluators serves validation and tests.
import type { TreeNode } from '../../config/tree/index.ts';
import type { Context } from './context.ts';
import { itemsOf } from './place.ts';
import type { Place } from './place.ts';
import { thing } from './thing.ts';

export function evaluators(ctx: Context, place: Place): TreeNode {
  const list = itemsOf(place).map((item) =>
    thing(ctx, item, 'evaluators', {
      before: (fields) => {
        fields.drop(
          ['prefix', 'collect_device', 'collect_dir'],
          'metrics are called after their network, in one process',
        );
        return [];
      },
      slots: {
        topk: (topk) => ({ kind: 'list', value: itemsOf(topk).map(({ node }) => node), origin: topk.node.origin }),
      },
    }),
  );
  return { kind: 'list', value: list, origin: place.node.origin };
}
