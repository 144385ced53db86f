// `retort report`: the page of one run, or several, with all it shows in one file that needs no server and no network.
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';

import { RetortError } from '../errors.ts';
import { readBytes } from '../files.ts';
import { writeFileAtomicSync } from '../formats/index.ts';
import { version } from '../version.ts';
import type { ReportData, SeriesAnswer, StageDetails } from './api.ts';
import { axes } from './metrics-index.ts';
import { pageFiles } from './page-files.ts';
import { RunStore } from './run-store.ts';

/** Points of each curve. */
const points = 1000;

/** What {@link writeReport} has written. */
export interface Report {
  file: string;
  runs: number;
  bytes: number;
}

/**
 * Writes one HTML file with the curves, tables and pictures of a run, or of the runs in a folder.
 * @param folder of a run, or of several
 * @throws {RetortError} when there is no run, or the file cannot be written.
 * @example
 * ```ts
 * await writeReport('runs/kd', 'kd.html');
 * ```
 */
export async function writeReport(folder: string, file: string): Promise<Report> {
  const store = new RunStore(folder);
  await store.update();
  const list = store.list();
  if (list.runs.length === 0) {
    throw new RetortError(`${folder} has no runs`, {
      code: 'not-found',
      help: 'name the folder of a run, or one in which runs are (retort runs lists them)',
    });
  }
  const stages = list.runs.flatMap((run) => run.stages.map(({ id }) => id));
  const series = Object.fromEntries(
    axes.map((axis): [string, SeriesAnswer] => [axis, store.series(stages, axis, { points })]),
  );
  const details = Object.fromEntries(stages.map((id): [string, StageDetails] => [id, store.details(id)]));
  const files: Record<string, string> = {};
  for (const { id, predictions, maps } of Object.values(details)) {
    const shown = [
      ...(predictions?.differing.flatMap((one) => one.file ?? []) ?? []),
      ...maps.flatMap((one) => one.pictures.slice(-1).map((picture) => picture.file)),
    ];
    for (const name of shown) {
      try {
        files[`${id}/${name}`] = `data:image/png;base64,${readBytes(store.picture(id, name)).toString('base64')}`;
      } catch (error) {
        if (!(error instanceof RetortError)) throw error; // a picture that is gone is not shown
      }
    }
  }
  const data: ReportData = {
    ...{ list: { ...list, folder: '' }, series, details, files },
    ...(list.runs.length > 1 ? { comparison: store.comparison(list.runs.map(({ id }) => id)) } : {}),
    ...{ written: new Date().toISOString(), version },
  };
  const html = pageOf(data);
  writeFileAtomicSync(resolve(file), html);
  return { file, runs: list.runs.length, bytes: html.length };
}

/** The page with its script, its style and its data inside. */
function pageOf(data: ReportData): Buffer {
  const text = (name: string): string => pageFiles().get(name)!.bytes.toString();
  // A script ends where its end tag stands, also inside of a string.
  const script = text('dashboard.js').replaceAll('</script', '<\\/script');
  const style = text('dashboard.css');
  const hash = createHash('sha256').update(script).digest('base64');
  const policy = `default-src 'none'; script-src 'sha256-${hash}'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'`;
  // In JSON these stand in strings alone, where they may be written otherwise.
  const json = JSON.stringify(data)
    .replaceAll('<', '\\u003c')
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029');
  const licenses = text('licenses.txt').replaceAll('--', '- -');
  return Buffer.from(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>Retort report</title>
<style>${style}</style>
<!--
${licenses}
-->
</head>
<body>
<div id="app"></div>
<noscript>This report draws itself with a script.</noscript>
<script type="application/json" id="report">${json}</script>
<script type="module">${script}</script>
</body>
</html>
`);
}
