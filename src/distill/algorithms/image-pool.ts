// The images that a generator has made so far, as bytes: what a student that learns without data goes through again and again.
import { RetortError } from '../../errors.ts';
import { Buffer, integers, Module } from '../../nn/index.ts';
import { noGrad, ops, processGroup, tidy, zeros } from '../../torch/index.ts';
import type { Tensor } from '../../torch/index.ts';

/**
 * At most `capacity` images with the classes that they were made for; where it is full, new ones take the places of the oldest. Batches
 * go through all of them in random order, and begin anew when images are added. All of it is in buffers, so checkpoints have it. Of
 * processes that train together each has the images of all, and takes its share of each batch.
 */
export class ImagePool extends Module {
  /** uint8 `(capacity, C, H, W)`. */
  readonly images: Buffer;
  /** int64 `(capacity)`. */
  readonly labels: Buffer;
  /** The images in the order of batches, int64 `(capacity)`. */
  readonly order: Buffer;
  /** How many images there are, where the next one goes, and how many of `order` were taken: int64 `(3)`. */
  readonly places: Buffer;

  /** @param shape of one image, `[C, H, W]` */
  constructor(capacity: number, shape: readonly number[]) {
    super();
    const of = (size: readonly number[], dtype: 'uint8' | 'int64'): Buffer =>
      tidy(() => new Buffer(zeros(size, { dtype })));
    this.images = of([capacity, ...shape], 'uint8');
    this.labels = of([capacity], 'int64');
    this.order = of([capacity], 'int64');
    this.places = of([3], 'int64');
  }

  get capacity(): number {
    return this.labels.shape[0]!;
  }

  /** How many images there are. */
  get size(): number {
    return this.#places()[0];
  }

  /**
   * Adds images.
   * @param images uint8 `(N, C, H, W)`, of this process
   * @param labels int64 `(N)`
   * @throws {RetortError} for more images of all processes at once than there are places.
   */
  add(images: Tensor, labels: Tensor): void {
    noGrad(() =>
      tidy(() => {
        const group = processGroup();
        const [everyone, theirs] = [images, labels].map((own) =>
          group === undefined ? own : ops.cat(group.allGather(own)),
        ) as [Tensor, Tensor];
        const count = theirs.shape[0]!;
        if (count > this.capacity) {
          throw new RetortError(
            `poolSize: expected at least ${count}, the images that are made at once, got ${this.capacity}`,
          );
        }
        const [size, next] = this.#places();
        const rows = this.#here(integers(Array.from({ length: count }, (_, i) => (next + i) % this.capacity)));
        this.images.indexCopy_(0, rows, everyone);
        this.labels.indexCopy_(0, rows, theirs);
        this.#set(Math.min(size + count, this.capacity), (next + count) % this.capacity, 0);
        this.#shuffle();
      }),
    );
  }

  /** The next `count` images, uint8 `(count, C, H, W)`, and their labels; fewer where there are not so many. */
  override forward(count: number): [images: Tensor, labels: Tensor] {
    const group = processGroup();
    const [rank, processes] = [group?.rank ?? 0, group?.worldSize ?? 1];
    const [size, next, taken] = this.#places();
    const each = Math.min(count, Math.floor(size / processes));
    let first = taken;
    if (first + each * processes > size) {
      first = 0;
      this.#shuffle();
    }
    this.#set(size, next, first + each * processes);
    const rows = this.order.narrow(0, first + rank * each, each);
    return [this.images.indexSelect(0, rows), this.labels.indexSelect(0, rows)];
  }

  /** Another order. */
  #shuffle(): void {
    noGrad(() =>
      tidy(() => {
        const { size } = this;
        const order = this.#here(ops.randperm(size, { dtype: 'int64' }));
        processGroup()?.broadcast_([order]);
        this.order.narrow(0, 0, size).copy_(order);
      }),
    );
  }

  #places(): [size: number, next: number, taken: number] {
    return tidy(() => Array.from(this.places.data(), Number)) as [number, number, number];
  }

  #set(...places: [size: number, next: number, taken: number]): void {
    noGrad(() => tidy(() => void this.places.copy_(integers(places))));
  }

  #here(tensor: Tensor): Tensor {
    return tensor.to({ device: this.images.device });
  }
}
