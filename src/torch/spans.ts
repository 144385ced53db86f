// Where the time of a training step goes: parts of it are named where they are computed, and cost nothing while nobody records them.
import { during } from './modes.ts';

/** Takes the time of spans. */
export interface SpanRecorder {
  /** Runs `body`, as a span of `part` or, with a name, of something in that part. */
  span<T>(part: string, name: string | undefined, body: () => T): T;
}

let recorder: SpanRecorder | undefined;

/** Runs `body`; its time counts as that of `part`, and of `name` in it, while somebody records spans. */
export function span<T>(part: string, name: string | undefined, body: () => T): T {
  return recorder === undefined ? body() : recorder.span(part, name, body);
}

/** Runs `body`, and tells `to` of the spans in it. */
export function recordSpans<T>(to: SpanRecorder, body: () => T): T {
  const set = (value: SpanRecorder | undefined): SpanRecorder | undefined => {
    const before = recorder;
    recorder = value;
    return before;
  };
  return during('recordSpans', body, { enter: () => set(to), leave: set });
}
