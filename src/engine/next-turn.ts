// Lets timers, signals and the terminal have their turn between two steps.
import { setImmediate } from 'node:timers/promises';

export async function nextTurn(): Promise<void> {
  await setImmediate();
}
