// RETORT_TAPS: modules whose functions may be tapped, separated by commas.

export function modulesFromEnvironment(): string[] {
  const names = (process.env['RETORT_TAPS'] ?? '').split(',').map((name) => name.trim());
  return names.filter((name) => name !== '');
}
