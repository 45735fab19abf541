/** What a process of the bench runs: one case, answered by one message. */
import { cases } from './cases.ts';
import { FULL, QUICK } from './measurement.ts';

const [wanted, scale] = process.argv.slice(2);
const benchCase = cases.find(({ name }) => name === wanted);
if (benchCase === undefined) throw new Error(`no case ${wanted}`);
const measurements = await benchCase.measure(scale === 'quick' ? QUICK : FULL);
process.send?.(measurements, () => process.disconnect());
