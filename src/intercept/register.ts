// Registers the load hook for a whole process, for the modules that RETORT_TAPS names:
//   RETORT_TAPS=./heads.js,some-pkg/ops node --import retort-kd/intercept/register app.js
// With tsx, its own `--import tsx` stands before.
import { RetortError } from '../errors.ts';
import { modulesFromEnvironment } from './named-modules.ts';
import { registerTaps } from './register-taps.ts';

const modules = modulesFromEnvironment();
if (modules.length === 0) {
  throw new RetortError('retort-kd/intercept/register: RETORT_TAPS names no module', {
    help: 'set it to the modules whose functions are tapped, such as RETORT_TAPS=./heads.js,some-pkg/ops',
  });
}
registerTaps({ modules });
