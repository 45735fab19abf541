/**
 * What a policy refuses, and what comes of it: each line is a scene that was played (scenes.ts), with the errno or the signal
 * that came, and what the VMM made of it.
 */
import { ERRNOS } from '../model/errno.ts';
import { isApart, isPrivate } from '../model/file.ts';
import { Op } from '../model/operations.ts';
import type { World } from '../model/world.ts';
import type { ConversionPolicy } from '../policies/policy.ts';
import type { RunOutcome } from '../simulate/run.ts';
import { a } from '../workloads/scripted.ts';
import type { ScriptedAccess } from '../workloads/scripted.ts';
import { FILE_PAGES, playScene, type Script, type Stage } from './scenes.ts';

export interface Answer {
  readonly situation: string;
  /** OK, or the errnos and signals that came, each once. */
  readonly answer: string;
  readonly consequence: string;
  /** The page was private and within reach of the host. */
  readonly exposed: boolean;
}

const PAGE = 5;
/** After the patience of every VMM. */
const LATE_NS = 500_000_000;

interface Scene {
  readonly situation: string;
  readonly script: Script;
  readonly withoutDance?: boolean;
  readonly tell: (outcome: RunOutcome, world: World, stage: Stage) => Omit<Answer, 'situation' | 'exposed'>;
}

const vmm = (access: ScriptedAccess) => ({ by: 'vmm', access }) as const;
const vcpu = (access: ScriptedAccess) => ({ by: 'vcpu', access }) as const;
const SHARED: Script = [vcpu(a.guestWrite(PAGE)), vcpu(a.toShared(0, FILE_PAGES)), vmm(a.hostWrite(PAGE))];
const PRIVATE: Script = [vcpu(a.guestWrite(PAGE))];

const conversion = (situation: string, held: readonly ScriptedAccess[], withoutDance = false): Scene => ({
  situation: `to-private ${situation}`,
  script: [...SHARED, ...held.map(vmm), vcpu(a.toPrivate(PAGE)), ...(held.length === 0 ? [] : [vmm({ ...a.device(0), atNs: LATE_NS })])],
  withoutDance,
  tell: tellConversion,
});

const SCENES: readonly Scene[] = [
  conversion('while a short pin (O_DIRECT) is held for another 2 ms', [a.io(PAGE, 1, 3_000_000)]),
  conversion('while a long-term pin is held (an io_uring fixed buffer)', [a.pinLong(0, PAGE)]),
  conversion('while a long-term pin is held whose VMA is gone', [a.pinLong(0, PAGE), a.unmap(0, FILE_PAGES)]),
  conversion('while a vmsplice holds the page (FOLL_GET) and its VMA is gone', [a.splice(0, PAGE), a.unmap(0, FILE_PAGES)]),
  conversion('while the page next to it is pinned', [a.hostWrite(PAGE + 1), a.pinLong(0, PAGE + 1)]),
  conversion('while a VMA covers the page, by a VMM that leaves its own routine out', [], true),
  { situation: 'mmap of a private page', script: [...PRIVATE, vmm(a.unmap(PAGE)), vmm(a.map(PAGE))], tell: tellMmap },
  { situation: 'a store of the VMM to a private page that it tried to map', script: [...PRIVATE, vmm(a.map(PAGE)), vmm(a.hostWrite(PAGE))], tell: tellAccess },
  { situation: 'a short pin (O_DIRECT) of a shared page', script: [...SHARED, vmm(a.pinShort(0, PAGE))], tell: tellPin },
  { situation: 'a long-term pin of a shared page', script: [...SHARED, vmm(a.pinLong(0, PAGE))], tell: tellPin },
  { situation: 'a short pin of a private page', script: [...PRIVATE, vmm(a.map(PAGE)), vmm(a.pinShort(0, PAGE))], tell: tellPin },
];

/** Plays every scene, one mapping each. A policy that ignores requests has no answers. */
export async function answersOf(stage: Stage): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  if (stage.policy.rules({ check: stage.check }).ignoresRequests === true) return answers;
  for (const { situation, script, withoutDance = false, tell } of SCENES) {
    const { outcome, world } = await playScene({ ...stage, vmas: 1, ...(withoutDance ? { policy: withoutOwnRoutine(stage.policy) } : {}) }, script);
    answers.push({ situation, ...tell(outcome, world, stage), exposed: outcome.tally.operations[Op['access.exposed']] > 0 });
  }
  return answers;
}

function withoutOwnRoutine(policy: ConversionPolicy): ConversionPolicy {
  return {
    ...policy,
    rules(options) {
      const { vmm: { beforeToPrivate: _, ...others } = {}, ...rules } = policy.rules(options);
      return { ...rules, vmm: others };
    },
  };
}

/** Names of the errnos that came, each once; OK where none did. */
const errnosIn = (counts: Float64Array): string => ERRNOS.filter((_, errno) => counts[errno] > 0).join(', ') || 'OK';

function tellMmap({ tally }: RunOutcome): ReturnType<Scene['tell']> {
  const answer = errnosIn(tally.errors.mmap);
  return { answer, consequence: answer === 'OK' ? 'the page is covered; an access to it is another matter' : 'the page is not mapped' };
}

/** Private pages have a memory of their own. */
const OTHER_PAGE = 'it reaches a page of the shared memory, which is not the guest\'s';

function tellPin({ tally }: RunOutcome, world: World): ReturnType<Scene['tell']> {
  const answer = errnosIn(tally.errors.gup);
  if (answer !== 'OK') return { answer, consequence: 'GUP holds nothing; no signal' };
  if (world.slotCount[0] > 0) return { answer, consequence: isApart(world, PAGE) ? OTHER_PAGE : 'the holder reaches the page until it drops it' };
  const mmap = errnosIn(tally.errors.mmap);
  return mmap === 'OK' ? { answer, consequence: 'GUP is not asked: the VMM copies through a bounce buffer' } : { answer: mmap, consequence: 'mmap fails, and GUP is not asked' };
}

function tellAccess({ tally }: RunOutcome, world: World): ReturnType<Scene['tell']> {
  const signals = (['SIGBUS', 'SIGSEGV'] as const).filter((signal) => tally.operations[Op[`signal.${signal}`]] > 0);
  const mmap = errnosIn(tally.errors.mmap);
  const failedMmap = mmap === 'OK' ? '' : `mmap failed with ${mmap}; `;
  if (signals.length > 0) return { answer: signals.join(', '), consequence: `${failedMmap}the access is dropped and the thread goes on, where a real VMM may die` };
  // The guest's own store is one page of work, this one would be another.
  return tally.operations[Op['work.done']] > 1 ? { answer: 'OK', consequence: isApart(world, PAGE) ? OTHER_PAGE : 'it reaches the page' } : { answer: mmap, consequence: 'the VMM knows that nothing is mapped, and does not touch it' };
}

function tellConversion({ tally }: RunOutcome, world: World, { vmm }: Stage): ReturnType<Scene['tell']> {
  const { timedOut, gaveUp, retries } = tally.conversions.toPrivate;
  const pin = errnosIn(tally.errors.gup);
  const rogue = tally.operations[Op['access.rogue']] > 0 ? '; the holder then reached private data' : '';
  const orphan = tally.operations[Op['access.orphan']] > 0 ? '; the holder goes on with a page that was punched, and its data is lost' : '';
  const state = `the page is ${isPrivate(world, PAGE) ? 'private' : 'still shared'}`;
  const attempts = `${retries + 1} attempts`;
  const waitedMs = Math.round((tally.latencyNs.abandoned.maxNs ?? 0) / 1_000_000);
  const how =
    timedOut > 0 ? `the VMM asks again ${vmm === 'retry-at-once' ? 'at once' : 'with back-off'} and gives up after ${attempts} in ${waitedMs} ms`
    : gaveUp > 0 ? 'the VMM gives up at once'
    : retries > 0 ? `granted after ${attempts}`
    : 'granted at once';
  return { answer: errnosIn(tally.errors.convert), consequence: `${pin === 'OK' ? '' : `the pin failed with ${pin}; `}${how}; ${state}${rogue}${orphan}` };
}
