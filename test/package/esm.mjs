// A program of a user's project, as an ES module; prints `[2,4]`. tools/prove-package.mjs runs it.
import { ConfigurableDistiller, Linear, noGrad, randn, tensor, tidy } from 'retort-kd';
import { losses } from 'retort-kd/losses';

if (!losses.names().includes('KLDivergence')) throw new Error('retort-kd/losses has no KLDivergence');
const fc = { type: 'ModuleOutputs', source: '' };
const recorders = { studentRecorders: { fc }, teacherRecorders: { fc } };
if (!(new ConfigurableDistiller(recorders) instanceof ConfigurableDistiller)) throw new Error('no distiller');
tidy(() => noGrad(() => new Linear(8, 4).forward(randn([2, 8]))));
console.log(JSON.stringify(tidy(() => [...tensor([1, 2]).mul(2).data()])));
