// @ts-check
/**
 * my-policy: sigbus-on-fault, but a process is told before its pages are unmapped.
 *
 * Compare it:  foliobench compare --policy sigbus-on-fault,./my-policy.policy.mjs --workload ping-pong
 * Explore it:  foliobench explore my-policy.litmus.yaml --policy ./my-policy.policy.mjs
 */
import {
  CHECKS, Flow, Op, end, endInvalidation, preallocateState, readRangeState, referenceCheckSteps, stage2ZapSteps, step, storeState,
  toSharedSteps, unmapEverywhereSteps, walkWholeFolios, writeLockInvalidate, writeUnlockInvalidate,
} from 'foliobench/policy';

/**
 * A step of our own: it touches one thing that others can see at most, charges what that costs, and says where to go on. What it has
 * to remember is in columns of the world (by task, page or folio), never in a variable of this file.
 * @type {import('foliobench/policy').Run}
 */
const tellOwner = (world, task) => {
  if (world.attempts[task] === 0) world.meter.charge(Op.ipc); // one message a request; a retry does not repeat it
  return Flow.Next;
};

/** @type {import('foliobench/policy').ConversionPolicy} */
export default {
  name: 'my-policy',
  summary: 'as sigbus-on-fault, and a process is told before its pages are unmapped',
  family: 'conversion',
  checks: CHECKS, // a row for each with `--check all`; [] for a policy that asks for no references
  rules: ({ check }) => ({
    // The kernel's side. The label behind a step is where it goes on with Flow.Otherwise.
    toPrivate: [
      step('invalidate.writeLock', writeLockInvalidate), // no fault of the host comes in from here on
      step('state.readRange', readRangeState(true), 'invalidate.unlock'), // all of it is private already: done
      step('state.prealloc', preallocateState), // so that the store below cannot fail
      step('walk.folios', walkWholeFolios), // what to walk: the folios that the range touches
      step('owner.tell', tellOwner),
      ...unmapEverywhereSteps(), // the entries of every VMA, and their flushes
      ...referenceCheckSteps({ check, drain: true, refused: 'invalidate.unlock' }), // EAGAIN where somebody else holds a folio
      ...stage2ZapSteps(), // the guest's entries; its faults under way start again
      step('state.store', storeState(true)), // the commit, alone
      step('seq.end', endInvalidation), // the guest may fault again
      step('invalidate.unlock', writeUnlockInvalidate),
      end,
    ],
    toShared: toSharedSteps(),
    // The VMM's side, where there is one: vmm: { beforeToPrivate: { steps: [...] }, afterRequest: { steps: [...] } }
  }),
};
