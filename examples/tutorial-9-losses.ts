// Tutorial, part 9: losses by themselves: temperature, chunks, padding, standardized logits, half precision, shapes that do not fit.
import { KDSoftCELoss, KLDivergence, L2Loss, StandardizedLogits } from 'retort-kd/losses';
import { manualSeed, randn, tensor, tidy } from 'retort-kd/torch';

manualSeed(0);
const [predsS, predsT] = [randn([8, 100]), randn([8, 100])];
const kl = new KLDivergence({ tau: 4, lossWeight: 2 });
const whole = kl.forward({ predsS, predsT }).item();

// Two rows at a time: the same number, less memory.
const inChunks = new KLDivergence({ tau: 4, lossWeight: 2, chunkSize: 2 }).forward({ predsS, predsT }).item();
console.log(Math.abs(whole - inChunks) < 1e-6 * whole); // true

// Any loss of logits on standardized ones: scale and shift of the student's logits do not count.
const standardized = new StandardizedLogits({ loss: new KLDivergence({ tau: 2 }) });
const same = standardized.forward({ predsS: predsT.mul(3).add(1), predsT }).item();
console.log(Math.abs(same) < 1e-5); // true

// Log space: no NaN and no Inf, however far apart the logits are.
console.log(Number.isFinite(kl.forward({ predsS: predsS.mul(1e4), predsT: predsT.mul(-1e4) }).item())); // true

// bfloat16 comes in, the sum is made in float32.
console.log(kl.forward({ predsS: predsS.to('bfloat16'), predsT: predsT.to('bfloat16') }).dtype); // float32

// Tokens: a vocabulary of 50, sequences of 6, the second one of 4 and padding.
const [student, teacher] = [randn([2, 6, 50]), randn([2, 6, 50])];
const mask = tensor([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]).view([2, 6]);
const tokens = new KDSoftCELoss({ tau: 2 });
const counted = tokens.forward({ predsS: student, predsT: teacher, mask }).item();

// What is padding does not matter.
const garbage = teacher.maskedFill(mask.eq(0).unsqueeze(-1), NaN);
console.log(tokens.forward({ predsS: student, predsT: garbage, mask }).item() === counted); // true

// Divergences with the classes last.
const last = new KLDivergence({ dim: -1 }).forward({ predsS: student, predsT: teacher, mask });
const second = new KLDivergence().forward({ predsS: student.movedim(-1, 1), predsT: teacher.movedim(-1, 1), mask });
console.log(Math.abs(last.item() - second.item()) < 1e-5); // true

// Shapes that would broadcast are refused, with the connector that would help.
try {
  tidy(() => new L2Loss().forward({ sFeature: randn([8, 64, 8, 8]), tFeature: randn([8, 256, 8, 8]) }));
} catch (error) {
  const { message } = error as Error;
  console.log(message.split('\n')[0]); // L2Loss: sFeature and tFeature: expected the same shape, got [8, 64, 8, 8] and [8, 256, 8, 8]
  console.log(message.includes("{ type: 'ConvModuleConnector', inChannels: 64, outChannels: 256, actCfg: null }")); // true
}
