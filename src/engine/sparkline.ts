// A curve in a line of text: the course of a number over a whole run, in a fixed number of points, however long it gets.

const blocks = '▁▂▃▄▅▆▇█';
const fewest = 4;

/** Keeps a number's course in so many points at most: when they are full, each two become their mean. */
export class Sparkline {
  readonly #most: number;
  #points: number[] = [];
  /** Values in a point. */
  #each = 1;
  #sum = 0;
  #count = 0;

  /** @param points the widest it gets, even. Default 16. */
  constructor(points = 16) {
    this.#most = points;
  }

  add(value: number): void {
    this.#sum += value;
    if (++this.#count < this.#each) return;
    this.#points.push(this.#sum / this.#each);
    this.#sum = this.#count = 0;
    if (this.#points.length < this.#most) return;
    this.#points = this.#points.flatMap((point, i, all) => (i % 2 === 0 ? [(point + all[i + 1]!) / 2] : []));
    this.#each *= 2;
  }

  /** From the lowest to the highest so far; `''` while there are fewer than four points. */
  get text(): string {
    if (this.#points.length < fewest) return '';
    const [low, high] = [Math.min(...this.#points), Math.max(...this.#points)];
    const level = (value: number): number => (high > low ? Math.round(((value - low) / (high - low)) * 7) : 0);
    return this.#points.map((value) => blocks[level(value)] ?? ' ').join('');
  }
}

/** Whether the locale says that the terminal shows more than ASCII. */
export function showsBlocks(env: NodeJS.ProcessEnv = process.env): boolean {
  return /utf-?8/i.test(env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '');
}
