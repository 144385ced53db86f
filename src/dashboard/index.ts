// The page over a folder of runs: served live, or written as one file.
export { writeReport } from './report.ts';
export type { Report } from './report.ts';
export { serveDashboard } from './server.ts';
export type { Dashboard, DashboardOptions } from './server.ts';
