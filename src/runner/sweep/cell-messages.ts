// What a sweep and the process of a cell say to each other.
import type { PlanOptions, RunAbout } from './plan.ts';

/** What the process of a cell is to do. */
export interface CellTask {
  about: RunAbout;
  folder: string;
  asked: string;
  /** Its config; undefined where that is more than data: then it is read again, from `sweep`. */
  config: Readonly<Record<string, unknown>> | undefined;
  /** The file of the sweep; `''` where there is none. */
  sweep: string;
  options: PlanOptions;
}

/** What it says: how far it is, and at last how it ended. */
export type CellMessage =
  | {
      kind: 'step';
      epoch: number;
      epochs: number;
      secondsLeft?: number;
      /** The best evaluation so far. */
      best?: { metric: string; value: number };
    }
  | { kind: 'end'; stopped: boolean }
  | { kind: 'failed'; message: string };
