// How channels are rounded where widths are scaled.

/** The nearest multiple of `divisor`, at least `divisor`, and the next one where that is below nine tenths of the width. */
export function makeDivisible(width: number, divisor = 8): number {
  const rounded = Math.max(divisor, Math.floor(Math.trunc(width + divisor / 2) / divisor) * divisor);
  return rounded < 0.9 * width ? rounded + divisor : rounded;
}
