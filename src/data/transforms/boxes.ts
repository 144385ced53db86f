// Rectangles within images, one per image.
import { ops, tensor } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';

export interface Box {
  top: number;
  left: number;
  height: number;
  width: number;
}

/** Which pixels lie in their image's box: `bool (N, 1, h, w)`; none where there is no box. */
export function insideBoxes(boxes: readonly (Box | undefined)[], h: number, w: number): Tensor {
  const side = (of: (box: Box) => number): Tensor =>
    tensor(
      boxes.map((box) => (box === undefined ? 0 : of(box))),
      { shape: [boxes.length, 1, 1, 1] },
    );
  const rows = ops.arange(h).view([1, 1, h, 1]);
  const columns = ops.arange(w).view([1, 1, 1, w]);
  const inRows = rows.ge(side(({ top }) => top)).logicalAnd(rows.lt(side(({ top, height }) => top + height)));
  const inColumns = columns
    .ge(side(({ left }) => left))
    .logicalAnd(columns.lt(side(({ left, width }) => left + width)));
  return inRows.logicalAnd(inColumns);
}
