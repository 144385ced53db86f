// Where else records of metrics go: a function of the user's, or an HTTP endpoint. What fails there never ends training: it is said
// once, records wait and are sent again, and of too many the oldest are given up.
import { z } from 'zod';

import { isObject, isThenable } from '../../check.ts';
import type { MetricsRecord } from '../metrics-file.ts';

/** What is known of the run that a record is of. */
export interface RecordSource {
  /** The folder of the run (of several stages, of the stage); undefined where nothing is written. */
  workDir: string | undefined;
}

/** Takes a record; what it returns is waited for before it gets the next one. */
export type RecordFunction = (record: MetricsRecord, source: RecordSource) => unknown;

/** An endpoint that takes `POST` with `{ "run": "runs/kd", "records": [...] }` as JSON, and answers with a status of 200 to 299. */
export interface RecordEndpoint {
  url: string;
  /** Sent along. They are kept in the run's `config.json` too: for what is secret, give a function. */
  headers?: Readonly<Record<string, string>> | undefined;
}

/** Where records go: a function, or an endpoint. */
export type RecordSink = RecordFunction | RecordEndpoint;

const isUrl = (text: string): boolean => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
/** `fetch` takes no others, and they would be printed. */
const namesNobody = (text: string): boolean => !isUrl(text) || new URL(text).username + new URL(text).password === '';
const endpoint = z.strictObject({
  url: z
    .string()
    .refine(isUrl, 'expected an address that begins with http:// or https://')
    .refine(namesNobody, 'expected an address without a name and a password: headers: { authorization } takes them'),
  headers: z.record(z.string(), z.string()).optional(),
});

/** The schema of {@link RecordSink}. */
export const recordSink: z.ZodType<RecordSink, RecordSink> = z.custom<RecordSink>(
  (value) => typeof value === 'function' || endpoint.safeParse(value).success,
  {
    error: ({ input }) =>
      `expected a function, or { url: 'https://...', headers? }${isObject(input) ? mistakes(input) : ''}`,
  },
);

function mistakes(value: object): string {
  const { error } = endpoint.safeParse(value);
  const [first] = error?.issues ?? [];
  return first === undefined ? '' : ` (${[...first.path, first.message].join(': ')})`;
}

/** Records that wait while they cannot be sent. */
const mostWaiting = 10_000;
/** Records in a request. */
const mostAtOnce = 500;
/** Milliseconds to wait for an answer; at the end of a run, for the last one. */
const patience = 10_000;
const firstPause = 1000;
const longestPause = 60_000;

/** Sends records to a sink, in order, one request or call at a time, while training goes on. */
export class RecordSender {
  readonly #sink: RecordSink;
  readonly #source: RecordSource;
  readonly #say: (text: string) => void;
  #waiting: MetricsRecord[] = [];
  #sending: Promise<void> | undefined;
  #pause = 0;
  #notBefore = 0;
  #lost = 0;

  /** @param say is told when records cannot be sent, once until they can. */
  constructor(sink: RecordSink, source: RecordSource, say: (text: string) => void) {
    this.#sink = sink;
    this.#source = source;
    this.#say = say;
  }

  send(record: MetricsRecord): void {
    if (this.#waiting.push(record) > mostWaiting) {
      this.#waiting.shift();
      this.#lost++;
    }
    if (this.#sending === undefined && performance.now() >= this.#notBefore) this.#start();
  }

  /** Sends what waits, tried once more where it has failed; returns in {@link patience} at the latest. */
  async end(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve) => (timer = setTimeout(resolve, patience)));
    await Promise.race([this.#drained(), over]);
    clearTimeout(timer);
    const left = this.#waiting.length + this.#lost;
    if (left > 0) this.#say(`note: ${left} records were not taken by ${this.#named}; metrics.jsonl has them`);
    this.#waiting = [];
  }

  async #drained(): Promise<void> {
    await this.#sending;
    for (let before = Infinity; this.#waiting.length > 0 && this.#waiting.length < before;) {
      before = this.#waiting.length;
      this.#start();
      await this.#sending;
    }
  }

  get #named(): string {
    return typeof this.#sink === 'function' ? 'the sink' : this.#sink.url;
  }

  /** Sends until nothing waits or something fails. A function that returns no promise is done when this returns. */
  #start(): void {
    const sending = typeof this.#sink === 'function' ? this.#call(this.#sink) : this.#post(this.#sink);
    this.#sending = sending?.finally(() => {
      this.#sending = undefined;
    });
  }

  #call(sink: RecordFunction): Promise<void> | undefined {
    try {
      while (this.#waiting.length > 0) {
        const result = sink(this.#waiting[0]!, this.#source);
        if (isThenable(result)) return this.#settled(result, sink);
        this.#taken(1);
      }
    } catch (error) {
      this.#failed(error);
    }
    return undefined;
  }

  async #settled(result: PromiseLike<unknown>, sink: RecordFunction): Promise<void> {
    try {
      await result;
      this.#taken(1);
      while (this.#waiting.length > 0) {
        await sink(this.#waiting[0]!, this.#source);
        this.#taken(1);
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  async #post({ url, headers }: RecordEndpoint): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const records = this.#waiting.slice(0, mostAtOnce);
        const answer = await fetch(url, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: JSON.stringify({ run: this.#source.workDir, records }),
          signal: AbortSignal.timeout(patience),
        });
        await answer.body?.cancel();
        if (!answer.ok) throw new Error(`it answered ${answer.status} ${answer.statusText}`.trimEnd());
        this.#taken(records.length);
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  #taken(count: number): void {
    this.#waiting.splice(0, count);
    if (this.#pause > 0) this.#say(`note: ${this.#named} takes records again`);
    this.#pause = 0;
    this.#notBefore = 0;
  }

  #failed(error: unknown): void {
    if (this.#pause === 0) {
      const kept = `the last ${mostWaiting.toLocaleString('en-US')} records are kept and sent again`;
      this.#say(`note: records cannot be sent to ${this.#named}: ${reason(error)}: training goes on, ${kept}`);
    }
    this.#pause = Math.min(longestPause, Math.max(firstPause, 2 * this.#pause));
    this.#notBefore = performance.now() + this.#pause;
  }
}

/** What `fetch` throws says why in its cause. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  const text = cause instanceof Error && cause.message !== '' ? cause.message : error.message;
  return text.split('\n')[0]!;
}
