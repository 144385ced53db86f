// Patterns of paths: `*` stands for anything within one part, `**` for any number of parts.

export function isPattern(path: string): boolean {
  return path.includes('*');
}

/** Whether a path matches: `backbone.layer*.*.conv2`, `**.bn1`, `backbone.**` (all below it). */
export function pathMatcher(pattern: string): (path: string) => boolean {
  const parts = pattern.split('.');
  const expression = parts.map((part, i) => {
    if (part === '**') return i === parts.length - 1 ? '(?:[^.]+\\.)+' : '(?:[^.]+\\.)*';
    const literal = part.split('*').map((text) => text.replaceAll(/[\\^$.|?+()[\]{}]/g, '\\$&'));
    return `${literal.join('[^.]*')}\\.`;
  });
  const compiled = new RegExp(`^${expression.join('')}$`);
  return (path) => compiled.test(`${path}.`);
}
