// What panels have in common: what they are given, and what they ask the source for, again when it has changed.
import { useEffect, useState } from 'preact/hooks';

import type { SeriesAnswer, StageDetails } from '../src/dashboard/api.ts';
import { labelOf } from './lines.ts';
import type { Chosen } from './lines.ts';
import type { Axis, Source, Span } from './source.ts';

export interface PanelProps {
  source: Source;
  chosen: readonly Chosen[];
  /** By stage, how often it has changed. */
  changes: ReadonlyMap<string, number>;
  dark: boolean;
}

/** What the source answers, asked for again when `key` changes; where it cannot (the server is away, a run is gone), what it answered last. */
export function useAnswer<T>(ask: (() => Promise<T>) | undefined, key: string): T | undefined {
  const [answer, setAnswer] = useState<T>();
  useEffect(() => {
    let current = true;
    const wait = async (): Promise<void> => {
      const found = await ask?.().catch(() => undefined);
      if (current && found !== undefined) setAnswer(found);
    };
    void wait();
    return () => {
      current = false;
    };
  }, [key]);
  return answer;
}

/** Series of what is chosen, asked for again when something of it has changed or another part is wanted. */
export function useSeries({ source, chosen, changes }: PanelProps, axis: Axis, span?: Span): SeriesAnswer | undefined {
  const ids = chosen.map(({ stage }) => stage.id);
  const key = JSON.stringify([ids, ids.map((id) => changes.get(id) ?? 0), axis, span]);
  const points = Math.min(1200, Math.max(300, innerWidth));
  return useAnswer(ids.length === 0 ? undefined : () => source.series(ids, axis, points, span), key);
}

/** The details of a stage, asked for again when it has changed. */
export function useDetails({ source, changes }: PanelProps, one: Chosen | undefined): StageDetails | undefined {
  const id = one?.stage.id;
  const ask = id === undefined ? undefined : () => source.details(id);
  const details = useAnswer(ask, JSON.stringify([id, id === undefined ? 0 : changes.get(id)]));
  return details?.id === id ? details : undefined;
}

/** Chooses one of the stages. */
export function useOne(chosen: readonly Chosen[]): { one: Chosen | undefined; choice: preact.ComponentChild } {
  const [id, setId] = useState<string>();
  const one = chosen.find(({ stage }) => stage.id === id) ?? chosen.at(-1);
  const choice =
    chosen.length < 2 ? null : (
      <label class="choice">
        Run{' '}
        <select value={one?.stage.id} onChange={(event) => setId(event.currentTarget.value)}>
          {chosen.map((each) => (
            <option value={each.stage.id} key={each.stage.id}>
              {labelOf(each)}
            </option>
          ))}
        </select>
      </label>
    );
  return { one, choice };
}
