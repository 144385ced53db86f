// Reads OpenMMLab's Python configs into configs of ours.
import type { PythonReader } from '../config/index.ts';
import { RetortError } from '../errors.ts';

export interface PythonReaderOptions {
  /** `name=folder` */
  packages: readonly string[];
  /** Told what has no meaning here. */
  note?: (text: string) => void;
}

export function pythonReader(_options: PythonReaderOptions): PythonReader {
  return (path) => {
    throw new RetortError(path);
  };
}
