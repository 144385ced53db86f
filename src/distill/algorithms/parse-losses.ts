// From a record of losses to the one number that is differentiated.
import { RetortError } from '../../errors.ts';
import type { Tensor } from '../../torch/index.ts';

/** Losses by name, such as `student.loss` and `distill.loss_kl`; a list counts as the sum of its items' means. */
export type LossRecord = Readonly<Record<string, Tensor | readonly Tensor[]>>;

/**
 * The total and every entry as a scalar. Entries whose name contains "loss" are summed; others are only reported.
 * @returns `[total, entries]`, the entries with the total as `loss`.
 * @throws {RetortError} when nothing contributes to the total.
 */
export function parseLosses(losses: LossRecord): [total: Tensor, entries: Record<string, Tensor>] {
  const entries: Record<string, Tensor> = {};
  let total: Tensor | undefined;
  for (const [name, value] of Object.entries(losses)) {
    const items = Array.isArray(value) ? (value as readonly Tensor[]) : [value as Tensor];
    const scalar = items.map((item) => item.mean()).reduce((sum, item) => sum.add(item));
    entries[name] = scalar;
    if (name.includes('loss')) total = total === undefined ? scalar : total.add(scalar);
  }
  if (total === undefined) {
    throw new RetortError(
      `parseLosses: losses: expected an entry whose name contains "loss", got ${Object.keys(losses).join(', ') || 'an empty record'}`,
      { help: 'entries are trained on by their name: { loss_kl: ... }; others are only reported' },
    );
  }
  return [total, { ...entries, loss: total }];
}
