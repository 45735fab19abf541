/** How fast the engine steps, alone and at work: step loop, standard mix, conversions, rmap walks. */
import { Op } from '../../src/model/operations.ts';
import { Flow, end, step } from '../../src/model/step.ts';
import type { Step } from '../../src/model/step.ts';
import { policies } from '../../src/policies/index.ts';
import type { ConversionPolicy } from '../../src/policies/policy.ts';
import { allConvert, standardMix } from '../../src/workloads/index.ts';
import { scaled } from '../measurement.ts';
import type { BenchCase, Scale } from '../measurement.ts';
import { countSteps, simulate } from '../simulated.ts';
import type { Simulated } from '../simulated.ts';
import { costOf, rateOf, timeRuns } from '../timing.ts';
import type { Timing } from '../timing.ts';

const MIX_TARGET = 20e6;
const CONVERSIONS_TARGET = 4e6;
const TASKS = 4;
const REFERENCE = 'sigbus-on-fault';

function policyNamed(wanted: string): ConversionPolicy {
  const policy = policies.find(({ name }) => name === wanted);
  if (policy === undefined) throw new Error(`no policy ${wanted}`);
  return policy;
}

const timeSimulation = (simulated: Simulated, scale: Scale): Promise<Timing> =>
  timeRuns(async () => void (await simulate(simulated)), scale, { isAsync: true });

/** Steps of which each only charges one operation: what is left is the engine. */
const BARE_STEPS = 40;
const bareSteps: readonly Step[] = [
  ...Array.from({ length: BARE_STEPS }, (_, nth) =>
    step(`charge${nth}`, (world) => {
      world.meter.charge(Op['state.read']);
      return Flow.Next;
    }),
  ),
  end,
];
const bare: ConversionPolicy = {
  name: 'bare-steps',
  summary: `each conversion is ${BARE_STEPS} steps that charge one operation each`,
  family: 'conversion',
  checks: [],
  rules: () => ({ toPrivate: bareSteps, toShared: bareSteps, bareRequests: true }),
};

function stepLoop(name: string, figure: string, policy: ConversionPolicy): BenchCase {
  return {
    name: `step-loop/${name}`,
    async measure(scale) {
      const simulated: Simulated = { policy, workload: allConvert, accesses: scaled(200_000, scale, 100), tasks: 1 };
      const steps = await countSteps(simulated);
      return [rateOf(await timeSimulation(simulated, scale), steps, { figure, unit: 'steps/s' })];
    },
  };
}

/** Whole runs, so creation, the first touch of every page and all counters and histograms are in it. */
function mix(policy: ConversionPolicy): BenchCase {
  return {
    name: `standard-mix/${policy.name}`,
    async measure(scale) {
      const accesses = scaled(10_000_000, scale, 1000);
      const timing = await timeSimulation({ policy, workload: standardMix, accesses, tasks: TASKS }, scale);
      return [rateOf(timing, accesses, { figure: `standard mix, ${policy.name}`, unit: 'accesses/s', target: MIX_TARGET })];
    },
  };
}

function conversions(policy: ConversionPolicy, tasks: number): BenchCase {
  return {
    name: `all-convert-${tasks}/${policy.name}`,
    async measure(scale) {
      const accesses = scaled(500_000, scale, 100);
      const timing = await timeSimulation({ policy, workload: allConvert, accesses, tasks }, scale);
      const figure = `all convert, ${tasks} ${tasks === 1 ? 'task' : 'tasks'}, ${policy.name}`;
      return [rateOf(timing, accesses, { figure, unit: 'conversions/s', target: CONVERSIONS_TARGET })];
    },
  };
}

/** Mappings that nobody has touched: a walk descends each of them and finds no page table. */
function rmapWalk(vmas: number): BenchCase {
  return {
    name: `rmap-walk/${vmas}`,
    async measure(scale) {
      const accesses = scaled(Math.floor(800_000 / (vmas + 8)), scale, 100);
      const simulated: Simulated = { policy: policyNamed(REFERENCE), workload: allConvert, accesses, tasks: 1, vmas };
      const visits = (await simulate(simulated)).operations[Op['vma.visit']];
      const timing = await timeSimulation(simulated, scale);
      const figure = `rmap walk, ${vmas} ${vmas === 1 ? 'VMA' : 'VMAs'}`;
      return [
        costOf(timing, visits, { figure: `${figure}, all of a run for each visit`, unit: 'ns/visit' }),
        rateOf(timing, accesses, { figure, unit: 'conversions/s' }),
      ];
    },
  };
}

/** `null` ignores requests. */
const converting = policies.filter(({ reference }) => reference !== 'null');

export const engineCases: readonly BenchCase[] = [
  stepLoop('bare', 'step loop, bare steps', bare),
  stepLoop('conversion', `step loop, conversions of ${REFERENCE}`, policyNamed(REFERENCE)),
  ...policies.map(mix),
  ...converting.map((policy) => conversions(policy, 1)),
  ...converting.map((policy) => conversions(policy, TASKS)),
  ...[1, 16, 256].map(rmapWalk),
];
