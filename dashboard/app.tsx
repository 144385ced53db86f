// The page: the list of runs, what is chosen of them, and one panel at a time. What is chosen stands in the address.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';

import type { RunEntry, RunList } from '../src/dashboard/api.ts';
import { shownDate, shownNumber, styleOf } from './format.ts';
import { bundlesOf } from './lines.ts';
import type { Chosen } from './lines.ts';
import { Agreement, Confusion, Images } from './judgments.tsx';
import { Compare, Config, Curves, Maps, Time } from './panels.tsx';
import type { PanelProps } from './panel-data.tsx';
import type { Source } from './source.ts';

const panels = {
  curves: { title: 'Curves', Panel: Curves },
  compare: { title: 'Compare', Panel: Compare },
  agreement: { title: 'Agreement', Panel: Agreement },
  confusion: { title: 'Confusion', Panel: Confusion },
  images: { title: 'Images', Panel: Images },
  time: { title: 'Time', Panel: Time },
  maps: { title: 'Feature maps', Panel: Maps },
  config: { title: 'Config', Panel: Config },
} as const;
type PanelName = keyof typeof panels;
const names = Object.keys(panels) as PanelName[];

/** What stands behind the `#` of the address. */
function remembered(): { panel: PanelName; runs: readonly string[] | undefined } {
  const query = new URLSearchParams(location.hash.slice(1));
  const panel = names.find((name) => name === query.get('panel')) ?? 'curves';
  return { panel, runs: query.get('runs')?.split(',').map(decodeURIComponent) };
}

/** The runs that are chosen before anybody has: those that train, and the last ones. */
function usual(runs: readonly RunEntry[]): string[] {
  const running = runs.filter(({ state }) => state === 'running');
  return (running.length > 0 ? running : runs).slice(-5).map(({ id }) => id);
}

type Theme = 'auto' | 'light' | 'dark';
const themes: readonly Theme[] = ['auto', 'light', 'dark'];

function useTheme(): { theme: Theme; dark: boolean; next: () => void } {
  const system = useMemo(() => matchMedia('(prefers-color-scheme: dark)'), []);
  const [theme, setTheme] = useState<Theme>('auto');
  const [preferred, setPreferred] = useState(system.matches);
  useEffect(() => {
    const change = (): void => setPreferred(system.matches);
    system.addEventListener('change', change);
    return () => system.removeEventListener('change', change);
  }, []);
  useEffect(() => {
    document.documentElement.style.colorScheme = theme === 'auto' ? 'light dark' : theme;
  }, [theme]);
  const dark = theme === 'auto' ? preferred : theme === 'dark';
  return { theme, dark, next: () => setTheme(themes[(themes.indexOf(theme) + 1) % themes.length]!) };
}

export function App({ source }: { source: Source }) {
  const [list, setList] = useState<RunList>();
  const [problem, setProblem] = useState<string>();
  const [connected, setConnected] = useState(true);
  const [panel, setPanel] = useState<PanelName>(() => remembered().panel);
  const [chosenIds, setChosenIds] = useState<readonly string[] | undefined>(() => remembered().runs);
  /** By stage, how often it has changed: panels ask again for what is theirs. */
  const [changes, setChanges] = useState<ReadonlyMap<string, number>>(new Map());
  const { theme, dark, next } = useTheme();

  useEffect(() => {
    const refresh = async (): Promise<number> => {
      try {
        const found = await source.list();
        setList(found);
        return found.revision;
      } catch (error) {
        setProblem((error as Error).message);
        return 0;
      }
    };
    const changed = (stages: readonly string[]): void => {
      void refresh();
      setChanges(
        (before) => new Map([...before, ...stages.map((id): [string, number] => [id, (before.get(id) ?? 0) + 1])]),
      );
    };
    const begin = async (): Promise<void> => source.follow(await refresh(), changed, setConnected);
    void begin();
  }, []);
  const runs = list?.runs ?? [];
  const chosen = chosenIds ?? usual(runs);
  useEffect(() => {
    if (list === undefined) return;
    const query = new URLSearchParams({
      panel,
      ...(chosenIds && { runs: chosenIds.map(encodeURIComponent).join(',') }),
    });
    history.replaceState(null, '', `#${query.toString()}`);
  }, [panel, chosenIds, list]);

  const stages = runs
    .filter(({ id }) => chosen.includes(id))
    .flatMap((run): Chosen[] => run.stages.map((stage) => ({ run, stage })));
  const { Panel, title } = panels[panel];
  const shared: PanelProps = { source, chosen: stages, changes, dark };
  return (
    <>
      <a
        class="skip"
        href="#panel"
        onClick={(event) => (event.preventDefault(), document.getElementById('panel')!.focus())}
      >
        To the panel
      </a>
      <header>
        <h1>Retort</h1>
        <p class="where">
          {source.live ? list?.folder : `report of ${shownDate(source.written!)}`}
          {source.live && (
            <span class={connected ? 'live' : 'lost'}>{connected ? 'live' : 'waiting for the server'}</span>
          )}
        </p>
        <button type="button" class="theme" onClick={next} aria-label={`Colors: ${theme}. Change.`}>
          {{ auto: '◐', light: '○', dark: '●' }[theme]} <span>{theme}</span>
        </button>
      </header>
      <Runs list={list} problem={problem} chosen={chosen} onChoose={setChosenIds} dark={dark} />
      <main>
        <Tabs panel={panel} onPanel={setPanel} />
        <div id="panel" role="tabpanel" aria-labelledby={`tab-${panel}`} tabIndex={-1}>
          <h2>{title}</h2>
          {list !== undefined && stages.length === 0 ? (
            <p class="empty">
              {runs.length === 0 ? 'There are no runs yet: retort train CONFIG makes one.' : 'Choose a run.'}
            </p>
          ) : (
            <Panel {...shared} />
          )}
        </div>
      </main>
    </>
  );
}

function Tabs({ panel, onPanel }: { panel: PanelName; onPanel: (panel: PanelName) => void }) {
  const place = useRef<HTMLDivElement>(null);
  const move = (event: KeyboardEvent): void => {
    const steps: Record<string, number> = {
      ArrowLeft: -1,
      ArrowRight: 1,
      Home: -names.indexOf(panel),
      End: -1 - names.indexOf(panel),
    };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const to = names.at((names.indexOf(panel) + step) % names.length)!;
    onPanel(to);
    place.current!.querySelector<HTMLElement>(`#tab-${to}`)!.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label="Panels" ref={place} onKeyDown={move}>
      {names.map((name) => (
        <button
          type="button"
          role="tab"
          id={`tab-${name}`}
          key={name}
          aria-selected={name === panel}
          aria-controls="panel"
          tabIndex={name === panel ? 0 : -1}
          onClick={() => onPanel(name)}
        >
          {panels[name].title}
        </button>
      ))}
    </div>
  );
}

interface RunsProps {
  list: RunList | undefined;
  problem: string | undefined;
  chosen: readonly string[];
  onChoose: (ids: readonly string[]) => void;
  dark: boolean;
}

function Runs({ list, problem, chosen, onChoose, dark }: RunsProps) {
  const [filter, setFilter] = useState('');
  const runs = list?.runs ?? [];
  const found = runs.filter(({ name }) => name.toLowerCase().includes(filter.toLowerCase()));
  const toggle = (id: string): void => {
    onChoose(chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id]);
  };
  const ranks = new Map(
    bundlesOf(
      runs.filter(({ id }) => chosen.includes(id)).flatMap((run) => run.stages.map((stage) => ({ run, stage }))),
      false,
    ).map(({ members, rank }) => [members[0]!.run.id, rank]),
  );
  return (
    <nav aria-label="Runs">
      <div class="filter">
        <input
          type="search"
          placeholder={`Filter ${runs.length} runs`}
          aria-label="Filter runs by name"
          value={filter}
          onInput={(event) => setFilter(event.currentTarget.value)}
        />
        <button type="button" onClick={() => onChoose(found.map(({ id }) => id))}>
          All
        </button>
        <button type="button" onClick={() => onChoose([])}>
          None
        </button>
      </div>
      {problem !== undefined && <p role="alert">{problem}</p>}
      <ul class="runs">
        {found.toReversed().map((run) => {
          const last = run.stages.at(-1);
          const [metric, best] = Object.entries(last?.best ?? {}).find(([name]) => !name.startsWith('teacher.')) ?? [];
          const color = ranks.has(run.id) ? styleOf(ranks.get(run.id)!, dark).color : 'var(--grid)';
          return (
            <li key={run.id}>
              <label>
                <input type="checkbox" checked={chosen.includes(run.id)} onChange={() => toggle(run.id)} />
                <span class="mark" style={{ background: color }} aria-hidden="true" />
                <span class="name">{run.name}</span>
                <span class={`state ${run.state}`}>{run.state}</span>
                <Course values={last?.course ?? []} />
                <span class="facts">
                  {last === undefined
                    ? ''
                    : `${shownNumber(last.epoch)}${last.epochs === undefined ? '' : ` of ${last.epochs}`} epochs`}
                  {best !== undefined && (
                    <>
                      {' · '}
                      {metric} <b>{shownNumber(best.value)}</b>
                    </>
                  )}
                </span>
              </label>
              {run.problems.map((text) => (
                <p class="problem" key={text}>
                  {text}
                </p>
              ))}
            </li>
          );
        })}
      </ul>
    </nav>
  );
}

/** The course of a loss, small. */
function Course({ values }: { values: readonly number[] }) {
  if (values.length < 2) return <svg class="course" aria-hidden="true" />;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const points = values.map((value, i) => {
    const x = (60 * i) / (values.length - 1);
    return `${x.toFixed(1)},${(16 - (14 * (value - low)) / (high - low || 1)).toFixed(1)}`;
  });
  return (
    <svg class="course" viewBox="0 0 60 18" aria-hidden="true">
      <polyline points={points.join(' ')} />
    </svg>
  );
}
