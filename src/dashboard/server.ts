// The dashboard's server: on the loopback alone, for who has the token, and read-only. A page of another site cannot use it: the browser
// sends that site's name as Origin, and a name that was made to point here stands in Host. What is read are the run's own files, by ids and
// names from lists; no path of a request reaches the disk.
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { z } from 'zod';

import { RetortError } from '../errors.ts';
import { readBytes } from '../files.ts';
import { pageFiles } from './page-files.ts';
import { axes } from './metrics-index.ts';
import { RunStore } from './run-store.ts';

/** Options of {@link serveDashboard}. */
export interface DashboardOptions {
  /** The folder of runs, or of one. Default `runs`. */
  folder?: string;
  /** Default: 6600, or the next that is free. A port that is named and taken is an error. */
  port?: number;
  /** Milliseconds between two looks at the files while a page is open. Default 1000. */
  interval?: number;
}

/** A dashboard that is served. */
export interface Dashboard {
  /** The address, with the token that lets in. */
  url: string;
  port: number;
  /** Ends it at once, open pages too. */
  close(): Promise<void>;
}

const usualPort = 6600;
const portsTried = 20;
const cookie = 'retort-token';
/** What no answer lacks. Styles of the charts are set by scripts, which the policy allows; nothing comes from elsewhere. */
const security = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
};
const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  txt: 'text/plain; charset=utf-8',
};

/**
 * Serves the page over a folder of runs, on 127.0.0.1.
 * @throws {RetortError} when there is no such folder, or the port is taken.
 * @example
 * ```ts
 * const dashboard = await serveDashboard({ folder: 'runs' });
 * console.log(dashboard.url); // to be opened in a browser
 * await dashboard.close();
 * ```
 */
export async function serveDashboard(options: DashboardOptions = {}): Promise<Dashboard> {
  const { folder = 'runs', port, interval = 1000 } = options;
  const store = new RunStore(folder);
  await store.update();
  const token = randomBytes(24).toString('base64url');
  const listeners = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    answer({ request, response, store, token, listeners, port: (server.address() as AddressInfo).port });
  });
  const listening = await listen(server, port);
  // Nobody looks: nothing is read. The runs are looked at again when a page asks.
  const timer = setInterval(() => {
    if (listeners.size > 0) void tell(store, listeners);
  }, interval);
  return {
    url: `http://127.0.0.1:${listening}/?token=${token}`,
    port: listening,
    close: () =>
      new Promise((resolve) => {
        clearInterval(timer);
        for (const response of listeners) response.end();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function listen(server: Server, asked: number | undefined): Promise<number> {
  const first = asked ?? usualPort;
  for (let port = first; ; port++) {
    const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      server.once('error', resolve);
      server.listen({ port, host: '127.0.0.1' }, () => {
        server.removeListener('error', resolve);
        resolve(undefined);
      });
    });
    if (error === undefined) return (server.address() as AddressInfo).port;
    const taken = error.code === 'EADDRINUSE';
    if (taken && asked === undefined && port + 1 < first + portsTried) continue;
    throw new RetortError(`port: ${port} ${taken ? 'is taken' : `cannot be used: ${error.message}`}`, {
      code: 'file-system',
      cause: error,
      help: taken ? 'choose another: --port 0 takes any that is free' : 'choose another above 1023',
    });
  }
}

/** Looks at the files, and says what has changed to all who listen. */
async function tell(store: RunStore, listeners: ReadonlySet<ServerResponse>): Promise<void> {
  const before = store.revision;
  try {
    if (!(await store.update())) return;
  } catch (error) {
    if (!(error instanceof RetortError)) throw error;
    return; // the folder is gone for now; it is looked for again
  }
  for (const response of listeners) send(response, store, before);
}

function send(response: ServerResponse, store: RunStore, since: number): void {
  const data = JSON.stringify({ revision: store.revision, stages: store.since(since) });
  response.write(`id: ${store.revision}\nevent: change\ndata: ${data}\n\n`);
}

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  store: RunStore;
  token: string;
  listeners: Set<ServerResponse>;
  port: number;
}

/** An answer that is no page. */
class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

function answer(exchange: Exchange): void {
  const { request, response } = exchange;
  const finish = (status: number, type: string, body: string | Uint8Array, more: Record<string, string> = {}): void => {
    response.writeHead(status, { ...security, 'content-type': type, ...more });
    response.end(request.method === 'HEAD' ? undefined : body);
  };
  respond(exchange, finish).catch((error: unknown) => {
    if (response.headersSent) {
      response.end();
      return;
    }
    const [status, text] =
      error instanceof Refusal
        ? [error.status, error.message]
        : error instanceof RetortError
          ? [error.code === 'not-found' ? 404 : 400, error.message]
          : [500, 'this is a fault of Retort'];
    finish(status, types['txt']!, `${text}\n`);
  });
}

type Finish = (status: number, type: string, body: string | Uint8Array, more?: Record<string, string>) => void;

async function respond({ request, response, store, token, listeners, port }: Exchange, finish: Finish): Promise<void> {
  requireOwn(request, port);
  const url = addressOf(request, port);
  const given = url.searchParams.get('token');
  if (given !== null) {
    if (!isToken(given, token)) throw new Refusal(403, tokenHelp);
    // The token leaves the address, so that it is in no history and no screenshot.
    const set = `${cookie}-${port}=${token}; HttpOnly; SameSite=Strict; Path=/`;
    return finish(303, types['txt']!, '', { 'set-cookie': set, location: '/' });
  }
  if (!isToken(cookieOf(request, `${cookie}-${port}`), token)) throw new Refusal(403, tokenHelp);
  const { pathname, searchParams } = url;
  const json = (value: unknown): void => finish(200, 'application/json', JSON.stringify(value));
  if (pathname === '/api/events')
    return listenTo(request, response, { store, listeners, since: searchParams.get('since') });
  if (pathname === '/api/runs') {
    await store.update();
    return json(store.list());
  }
  if (pathname === '/api/series') {
    const { ids, axis, from, to, points } = asked(seriesQuery, searchParams);
    return json(store.series(ids, axis, { from, to, points }));
  }
  if (pathname === '/api/compare') return json(store.comparison(asked(idsQuery, searchParams).ids));
  if (pathname === '/api/details') return json(store.details(asked(idQuery, searchParams).id));
  if (pathname === '/picture') {
    const { id, file } = asked(pictureQuery, searchParams);
    return finish(200, 'image/png', readBytes(store.picture(id, file)));
  }
  const file = pageFiles().get(pathname === '/' ? 'index.html' : pathname.slice(1));
  if (file === undefined) throw new Refusal(404, 'there is no such page');
  return finish(200, types[file.type] ?? 'application/octet-stream', file.bytes);
}

const tokenHelp = 'open the address that retort dashboard has printed: it has a token';

/** @throws {Refusal} for what comes from another site, or by another name, or wants to change something. */
function requireOwn({ method, headers }: IncomingMessage, port: number): void {
  if (method !== 'GET' && method !== 'HEAD') throw new Refusal(405, 'the dashboard only reads: GET and HEAD');
  const own = ['127.0.0.1', 'localhost', '[::1]'].map((name) => `${name}:${port}`);
  if (!own.includes(headers.host ?? ''))
    throw new Refusal(403, 'the dashboard answers to 127.0.0.1 and localhost alone');
  const { origin } = headers;
  if (origin !== undefined && !own.includes(origin.replace(/^http:\/\//, ''))) {
    throw new Refusal(403, 'the dashboard does not answer to pages of other sites');
  }
}

/** @throws {Refusal} for what is no address, such as `//`. */
function addressOf({ url = '/' }: IncomingMessage, port: number): URL {
  try {
    return new URL(url, `http://127.0.0.1:${port}`);
  } catch {
    throw new Refusal(400, 'that is no address');
  }
}

function isToken(given: string | undefined, token: string): boolean {
  const [a, b] = [Buffer.from(given ?? ''), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function cookieOf({ headers }: IncomingMessage, name: string): string | undefined {
  const all = (headers.cookie ?? '').split('; ').map((pair) => pair.split('=', 2) as [string, string?]);
  return all.find(([own]) => own === name)?.[1];
}

const ids = z
  .string()
  .min(1)
  .max(20_000)
  .transform((text, context) => {
    try {
      return text.split(',').map(decodeURIComponent);
    } catch {
      context.addIssue({ code: 'custom', message: 'an id is not percent-encoded as it should be' });
      return z.NEVER;
    }
  });
const number = z.coerce.number().optional();
const idQuery = z.object({ id: z.string() });
const idsQuery = z.object({ ids });
const pictureQuery = z.object({ id: z.string(), file: z.string() });
const seriesQuery = z.object({
  ids,
  axis: z.enum(axes).default('step'),
  from: number,
  to: number,
  points: z.coerce.number().int().min(10).max(4000).default(800),
});

function asked<T>(schema: z.ZodType<T>, query: URLSearchParams): T {
  const { data, error } = schema.safeParse(Object.fromEntries(query));
  if (data !== undefined) return data;
  throw new Refusal(400, error!.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));
}

/** Server-sent events: who comes with the revision of a list, or back with the id of the last event, is told all that has changed since. */
function listenTo(
  request: IncomingMessage,
  response: ServerResponse,
  { store, listeners, since }: Pick<Exchange, 'store' | 'listeners'> & { since: string | null },
): void {
  response.writeHead(200, { ...security, 'content-type': 'text/event-stream', connection: 'keep-alive' });
  response.write('retry: 1000\n\n');
  const last = Number(request.headers['last-event-id'] ?? since ?? Number.NaN);
  if (Number.isFinite(last) && last !== store.revision) send(response, store, last > store.revision ? 0 : last);
  listeners.add(response);
  response.on('close', () => listeners.delete(response));
}
