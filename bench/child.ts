/** What a process of the bench runs: one case, answered by one message. */
import { cases } from './cases.ts';
import { FULL, QUICK, median } from './measurement.ts';
import { measureYardstick, withYardstick } from './yardstick.ts';

const [wanted, scale] = process.argv.slice(2);
const benchCase = cases.find(({ name }) => name === wanted);
if (benchCase === undefined) throw new Error(`no case ${wanted}`);
const rounds = scale === 'quick' ? 10_000 : undefined;
// On either side of the case, so that what the machine does meanwhile is in both.
const before = measureYardstick(rounds);
const measurements = await benchCase.measure(scale === 'quick' ? QUICK : FULL);
const yardstick = median([before, measureYardstick(rounds)]);
process.send?.(measurements.map((measurement) => withYardstick(measurement, yardstick)), () => process.disconnect());
