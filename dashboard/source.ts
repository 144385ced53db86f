// Where the page has its data from: the server, live, or a report that has it embedded. Panels do not know which.
import type { Comparison, ReportData, RunList, SeriesAnswer, StageDetails } from '../src/dashboard/api.ts';

/** What runs are placed by along x. */
export type Axis = 'step' | 'epoch' | 'time';

/** A part of x. */
export interface Span {
  from: number;
  to: number;
}

export interface Source {
  /** Whether it goes on; a report does not. */
  live: boolean;
  /** When a report was written. */
  written?: string;
  list(): Promise<RunList>;
  series(ids: readonly string[], axis: Axis, points: number, span?: Span): Promise<SeriesAnswer>;
  details(id: string): Promise<StageDetails>;
  comparison(ids: readonly string[]): Promise<Comparison>;
  picture(id: string, file: string): string | undefined;
  /** Calls back when something has changed since a revision of the list, and when the server goes or comes back. */
  follow(since: number, onChange: (stages: readonly string[]) => void, onState: (connected: boolean) => void): void;
}

export function openSource(): Source {
  const embedded = document.getElementById('report');
  return embedded === null ? fromServer() : fromReport(JSON.parse(embedded.textContent) as ReportData);
}

async function get<T>(path: string, query: Readonly<Record<string, string>> = {}): Promise<T> {
  const response = await fetch(`${path}?${new URLSearchParams(query).toString()}`, { credentials: 'same-origin' });
  if (!response.ok) throw new Error((await response.text()).trim());
  return (await response.json()) as T;
}

const listed = (ids: readonly string[]): string => ids.map(encodeURIComponent).join(',');

function fromServer(): Source {
  return {
    live: true,
    list: () => get<RunList>('/api/runs'),
    series: (ids, axis, points, span) =>
      get<SeriesAnswer>('/api/series', {
        ...{ ids: listed(ids), axis, points: String(points) },
        ...(span === undefined ? {} : { from: String(span.from), to: String(span.to) }),
      }),
    details: (id) => get<StageDetails>('/api/details', { id }),
    comparison: (ids) => get<Comparison>('/api/compare', { ids: listed(ids) }),
    picture: (id, file) => `/picture?${new URLSearchParams({ id, file }).toString()}`,
    follow(since, onChange, onState) {
      // The browser comes back by itself, and says which event it had last.
      const events = new EventSource(`/api/events?since=${since}`);
      events.addEventListener('open', () => onState(true));
      events.addEventListener('error', () => onState(false));
      events.addEventListener('change', (event) => {
        onChange((JSON.parse((event as MessageEvent<string>).data) as { stages: string[] }).stages);
      });
    },
  };
}

function fromReport(data: ReportData): Source {
  const only = <T>(ids: readonly string[], series: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(series).filter(([id]) => ids.includes(id)));
  return {
    live: false,
    written: data.written,
    list: async () => data.list,
    series: async (ids, axis) => {
      const { steps, evaluations } = data.series[axis]!;
      return {
        steps: { ...steps, series: only(ids, steps.series) },
        evaluations: { ...evaluations, series: only(ids, evaluations.series) },
      };
    },
    details: async (id) => data.details[id]!,
    comparison: async () => data.comparison!,
    picture: (id, file) => data.files[`${id}/${file}`],
    follow() {},
  };
}
