/** How fast the explorer goes through states: the reference protocol as a whole, once, in a process of its own. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { checkLitmus } from '../../src/explore/checkLitmus.ts';
import { parseLitmus } from '../../src/explore/parseLitmus.ts';
import type { Verdict } from '../../src/explore/verdict.ts';
import { sigbusOnFault } from '../../src/policies/conversion/sigbus-on-fault.ts';
import { once } from '../measurement.ts';
import type { BenchCase } from '../measurement.ts';
import { rateOf, timeRuns } from '../timing.ts';

const MIB = 1 << 20;
const STATES_TARGET = 1_000_000;
const SECONDS_TARGET = 15;
const RESIDENT_TARGET_MIB = 500;
/** States of the quick run, which only sees that the case runs. */
const STATES_QUICK = 3000;

// This file is dist/bench/cases/explorer.js when it runs, bench/cases/explorer.ts in a test.
const FOLDERS_UP = import.meta.url.endsWith('.ts') ? '../../' : '../../../';
const FILE = fileURLToPath(new URL(`${FOLDERS_UP}litmus/conversion/reference-protocol.litmus.yaml`, import.meta.url));

export const explorerCases: readonly BenchCase[] = [
  {
    name: 'explorer/reference-protocol',
    async measure({ quick }) {
      const litmus = parseLitmus(readFileSync(FILE, 'utf8'), FILE);
      let verdict: Verdict | undefined;
      const explore = () => {
        verdict = checkLitmus({ litmus, policy: sigbusOnFault, check: 'refcount', ...(quick ? { statesMax: STATES_QUICK } : {}) });
      };
      // A run is long enough to warm itself up, and is measured with what that costs.
      const timing = await timeRuns(explore, { quick, samples: 1, warmups: 0 }, { isAsync: false });
      if (verdict === undefined || verdict.verdict !== (quick ? 'bounded' : 'proved')) throw new Error(`the reference protocol is ${verdict?.verdict}`);
      const seconds = timing.wallNs[0] / 1e9;
      const resident = (process.resourceUsage().maxRSS * 1024) / MIB;
      return [
        rateOf(timing, verdict.states, { figure: 'explorer, reference protocol, states', unit: 'states/s', target: STATES_TARGET }),
        rateOf(timing, verdict.transitions, { figure: 'explorer, reference protocol, moves', unit: 'moves/s' }),
        once({ figure: `explorer, reference protocol: all ${verdict.states} states`, unit: 's', better: 'less', value: seconds, target: SECONDS_TARGET }),
        once({ figure: 'explorer, reference protocol: resident memory', unit: 'MiB', better: 'less', value: resident, target: RESIDENT_TARGET_MIB }),
      ];
    },
  },
];
