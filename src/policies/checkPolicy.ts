/**
 * Whether what a module exports is a policy, asked before anything runs: each member, each step, each label.
 *
 * A shipped policy is checked by the compiler; a module of the user's may never have seen one.
 */
import { buildHost } from '../model/host.ts';
import type { HostRules } from '../model/host.ts';
import { VMM_STRATEGIES } from '../model/request.ts';
import type { VmmStrategy } from '../model/request.ts';
import type { Run, Step } from '../model/step.ts';
import { Mark, end, goTo } from '../model/step.ts';
import { UserError, nearestNames } from '../model/userError.ts';
import { errorText } from './guard.ts';
import { policies as shipped } from './index.ts';
import { CHECKS, DEFAULT_CHECK } from './policy.ts';
import type { Check, ConversionPolicy, PolicyOptions } from './policy.ts';
import { wrongPolicies } from './wrong/index.ts';

const TEMPLATE = '`foliobench new policy NAME` writes one that runs';

/**
 * The policies that a module exports by default: one, or a list of them.
 * @param path for messages, as the user named it @param onPolicy told before functions of a policy are called
 * @throws UserError that names the member, the step or the label
 */
export function checkPolicies(module: Readonly<Record<string, unknown>>, path: string, onCall: (what: string) => void = () => {}): readonly ConversionPolicy[] {
  const { default: exported } = module;
  if (exported === undefined) {
    const others = Object.keys(module).filter((name) => name !== 'default');
    throw new UserError({
      what: `${path} has no default export`,
      why: others.length === 0 ? 'it exports nothing' : `it exports ${others.join(', ')} by name`,
      fix: `write \`export default { name: ... }\`, or a list of policies; ${TEMPLATE}`,
    });
  }
  const list: readonly unknown[] = Array.isArray(exported) ? exported : [exported];
  if (list.length === 0) throw new UserError({ what: `${path} exports an empty list`, why: 'there is no policy in it', fix: `put one in; ${TEMPLATE}` });
  const names = new Set<string>();
  return list.map((candidate, index) => {
    const policy = checkMembers(candidate, path, list.length === 1 ? 'its default export' : `policy ${index + 1} of its default export`);
    if (names.has(policy.name)) throw new UserError({ what: `${path} has two policies named ${policy.name}`, why: 'rows and verdicts are told by name', fix: 'rename one of them' });
    names.add(policy.name);
    for (const check of policy.checks.length === 0 ? [DEFAULT_CHECK] : policy.checks) {
      checkRules(policy, { check }, path, onCall);
      for (const { name, values } of policy.choices ?? []) for (const value of values) checkRules(policy, { check, choices: { [name]: value } }, path, onCall);
    }
    return policy;
  });
}

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
export const NAME_LENGTH_MAX = 40;

/** Why a policy may not be named so; undefined where it may. */
export function nameComplaint(name: string): string | undefined {
  if (!NAME.test(name)) return 'a name is lower-case words of letters and digits, joined by hyphens, such as my-policy';
  if (name.length > NAME_LENGTH_MAX) return `a name has at most ${NAME_LENGTH_MAX} characters, so that it fits a table`;
  if (name === 'all') return '`--policy all` means every policy';
  if ([...shipped, ...wrongPolicies].some((policy) => policy.name === name)) return 'foliobench ships a policy of that name';
  return undefined;
}

/** Members of a policy and what each is; whatever else a shipped policy has is known too. */
const MEMBERS = ['name', 'summary', 'family', 'checks', 'coreOrder', 'ownerRefs', 'vmmStrategy', 'choices', 'rules', 'argument'];
const RULES = ['toPrivate', 'toShared', 'toReadOnly', 'keeps', 'mapsPrivate', 'mappingsAreHarmless', 'mmapHook', 'gup', 'vmm', 'bareRequests', 'ignoresRequests'];
const VMM = ['mapsAtStart', 'beforeToPrivate', 'afterRequest', 'remapsOnAccess', 'retriesOn', 'bounces', 'awaitsCallback', 'strategy'];
const knownMembers = (): ReadonlySet<string> => new Set([...MEMBERS, ...shipped.flatMap(Object.keys)]);

type Fields = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);
const kindOf = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'a list' : value instanceof Promise ? 'a promise' : `${/^[aeiou]/.test(typeof value) ? 'an' : 'a'} ${typeof value}`);
const shown = (value: unknown): string => (typeof value === 'string' ? JSON.stringify(value) : typeof value === 'number' || typeof value === 'boolean' ? String(value) : kindOf(value));

function checkMembers(candidate: unknown, path: string, place: string): ConversionPolicy {
  if (!isObject(candidate)) throw new UserError({ what: `${path}: ${place} is no policy`, why: `it is ${kindOf(candidate)}, and a policy is an object with a name, a summary, a family, checks and rules`, fix: TEMPLATE });
  const { name, summary, family, checks, reference, coreOrder, ownerRefs, vmmStrategy, rules } = candidate;
  const titled = typeof name === 'string' ? name : place;
  const refuse = (what: string, why: string, fix: string): never => {
    throw new UserError({ what: `${path}: ${titled} ${what}`, why, fix });
  };
  const missing = (member: string, is: string, fix: string): void => {
    const value = candidate[member];
    const typo = value === undefined ? nearestNames(member, Object.keys(candidate).filter((key) => !knownMembers().has(key)))[0] : undefined;
    if (value === undefined) refuse(`has no ${member}`, typo === undefined ? `${member} is ${is}` : `it has "${typo}"; ${member} is ${is}`, fix);
    refuse(`has a wrong ${member}`, `${member} is ${is}, and not ${shown(value)}`, fix);
  };
  if (typeof name !== 'string') missing('name', 'a text', "write name: 'my-policy'");
  const complaint = nameComplaint(String(name));
  if (complaint !== undefined) throw new UserError({ what: `${path}: a policy may not be named ${JSON.stringify(name)}`, why: complaint, fix: 'pick another name' });
  if (typeof summary !== 'string' || summary.trim() === '' || summary.includes('\n')) missing('summary', 'one line that says its rule', "write summary: 'as sigbus-on-fault, but ...'");
  if (family !== 'conversion') missing('family', "'conversion'", "write family: 'conversion'");
  if (!Array.isArray(checks)) missing('checks', `a list of ${CHECKS.join(', ')}, empty for a policy without a reference check`, "write checks: ['refcount'], or CHECKS for all of them");
  for (const check of checks as readonly unknown[]) {
    if (!CHECKS.includes(check as Check)) refuse(`has an unknown check ${shown(check)}`, `there are ${CHECKS.join(', ')}`, 'take some of them, or none');
  }
  if (new Set(checks as readonly unknown[]).size < (checks as readonly unknown[]).length) refuse('has a check twice', 'each is a row of its own', 'leave one away');
  if (typeof rules !== 'function') missing('rules', 'a function from { check } to the steps of both sides', 'write rules: ({ check }) => ({ toPrivate: [...], toShared: toSharedSteps() })');
  if (isAsync(rules)) refuse('has an async rules function', 'rules are asked for and used at once', 'leave `async` away; do what takes time at the top of the module');
  if (reference !== undefined) refuse('calls itself a measure (reference)', 'null and lower-bound are what others are measured by', 'leave `reference` away');
  if (ownerRefs !== undefined && !(Number.isInteger(ownerRefs) && (ownerRefs as number) >= 0 && (ownerRefs as number) <= 16)) missing('ownerRefs', 'a whole number of references from 0 to 16', 'leave it away for none');
  if (vmmStrategy !== undefined && !VMM_STRATEGIES.includes(vmmStrategy as VmmStrategy)) missing('vmmStrategy', `one of ${VMM_STRATEGIES.join(', ')}`, 'leave it away for back-off');
  if (coreOrder !== undefined) {
    if (typeof coreOrder !== 'function') missing('coreOrder', 'a function from the order of the run to that of core-mm', 'leave it away for the same order');
    for (const order of [0, 9]) {
      const answer: unknown = (coreOrder as (order: number) => unknown)(order);
      if (!Number.isInteger(answer) || (answer as number) < 0 || (answer as number) > order) refuse('has a wrong coreOrder', `for order ${order} it answers ${shown(answer)}`, `answer a whole number from 0 to ${order}`);
    }
  }
  if (candidate.choices !== undefined) checkChoices(candidate.choices, refuse);
  if (candidate.argument !== undefined && !isArgument(candidate.argument)) {
    refuse('has a wrong argument', 'it is { idea, for: [{ who, says }], against: [...], price, sources: [...] }, all of it texts', 'leave it away where there is nothing to tell');
  }
  refuseTypos(candidate, knownMembers(), `${path}: ${titled}`);
  return candidate as unknown as ConversionPolicy;
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const isListOf = (value: unknown, is: (one: unknown) => boolean): value is readonly unknown[] => Array.isArray(value) && value.every(is);

function checkChoices(choices: unknown, refuse: (what: string, why: string, fix: string) => never): void {
  const example = "write choices: [{ name: 'errno', values: ['EPERM', 'EBUSY'], default: 'EPERM', what: 'what a refusal answers' }]";
  if (!isListOf(choices, isObject)) refuse('has wrong choices', 'they are a list of { name, values, default, what }', example);
  for (const one of choices as readonly Fields[]) {
    const { name, values, default: usual, what } = one;
    if (!isText(name) || !isText(what) || !isListOf(values, isText) || values.length === 0) refuse('has a choice that is none', `a name, what it is, and a list of values are texts; one has ${Object.keys(one).join(', ')}`, example);
    if (!(values as readonly unknown[]).includes(usual)) refuse(`has a choice "${String(name)}" without its default`, `${shown(usual)} is none of ${(values as readonly unknown[]).join(', ')}`, example);
  }
}

function isArgument(value: unknown): boolean {
  const isVoice = (one: unknown): boolean => isObject(one) && isText(one.who) && isText(one.says) && (one.mail === undefined || isText(one.mail));
  return isObject(value) && isText(value.idea) && isText(value.price) && isListOf(value.for, isVoice) && isListOf(value.against, isVoice) && isListOf(value.sources, isText);
}

/** A member that nobody reads does no harm, unless somebody meant another one. */
function refuseTypos(fields: Fields, known: ReadonlySet<string>, place: string): void {
  const words = (name: string): string => name.toLowerCase().replace(/[^a-z]/g, '');
  for (const key of Object.keys(fields)) {
    if (known.has(key)) continue;
    const [near] = nearestNames(key, [...known].filter((one) => words(one) === words(key) || sharesMost(words(one), words(key))));
    if (near !== undefined) throw new UserError({ what: `${place} has an unknown member "${key}"`, why: `nobody reads it; there is ${near}`, fix: `write ${near}, or leave it away` });
  }
}

/** Two words that differ by one letter, or two that changed places. */
function sharesMost(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1 || a.length < 4) return false;
  let front = 0;
  while (front < a.length && front < b.length && a[front] === b[front]) front++;
  let back = 0;
  while (back < Math.min(a.length, b.length) - front && a[a.length - 1 - back] === b[b.length - 1 - back]) back++;
  return Math.max(a.length, b.length) - front - back <= 2;
}

const isAsync = (value: unknown): boolean => typeof value === 'function' && ['AsyncFunction', 'AsyncGeneratorFunction', 'GeneratorFunction'].includes(value.constructor.name);

/* ---- rules and steps ---- */

function checkRules(policy: ConversionPolicy, options: PolicyOptions, path: string, onCall: (what: string) => void): void {
  const { check, choices = {} } = options;
  const chosen = Object.entries(choices).map(([name, value]) => ` with ${name}=${value}`).join('');
  const under = `${policy.checks.length === 0 ? '' : ` under the check ${check}`}${chosen}`;
  const refuse = (what: string, why: string, fix: string): never => {
    throw new UserError({ what: `${path}: ${policy.name}: ${what}`, why, fix });
  };
  onCall(`rules() of ${policy.name}${under}`);
  let rules: unknown;
  try {
    rules = policy.rules(options);
  } catch (error) {
    refuse(`rules() throws${under}`, errorText(error), 'correct it: rules only put steps together');
  }
  if (!isObject(rules)) refuse(`rules() gives ${rules === undefined ? 'nothing' : kindOf(rules)}${under}`, 'rules are an object with toPrivate and toShared', 'return { toPrivate: [...], toShared: toSharedSteps() }');
  const { toPrivate, toShared, mmapHook, gup, vmm } = rules as Fields;
  const place = `${path}: ${policy.name}`;
  refuseTypos(rules as Fields, new Set([...RULES, ...shipped.flatMap((one) => Object.keys(one.rules({ check })))]), `${place}: rules()`);
  checkSteps(toPrivate, 'toPrivate', place);
  checkSteps(toShared, 'toShared', place);
  if (mmapHook !== undefined) checkSteps(mmapHook, 'mmapHook', place, false);
  if (gup !== undefined && !(isObject(gup) && typeof gup.allowed === 'boolean' && typeof gup.longTermAllowed === 'boolean')) {
    refuse('gup of rules() is wrong', `it is ${isObject(gup) ? 'an object without both of its members' : kindOf(gup)}`, 'write gup: { allowed: true, longTermAllowed: false }, or leave it away');
  }
  if (vmm !== undefined) checkVmm(vmm, check, place);
  for (const lazy of [false, true]) {
    try {
      buildHost(rules as unknown as HostRules, { lazy });
    } catch (error) {
      refuse(`its steps make no program${under}`, error instanceof Error ? error.message : String(error), 'labels are names of steps of the same routine; routines that can be called are those of src/model/host.ts');
    }
  }
}

function checkVmm(vmm: unknown, check: Check, place: string): void {
  if (!isObject(vmm)) throw new UserError({ what: `${place}: vmm of rules() is ${kindOf(vmm)}`, why: 'it is an object with what a well-behaved VMM does', fix: 'leave it away where the VMM does nothing' });
  refuseTypos(vmm, new Set([...VMM, ...shipped.flatMap((one) => Object.keys(one.rules({ check }).vmm ?? {}))]), `${place}: vmm`);
  if (vmm.strategy !== undefined && !VMM_STRATEGIES.includes(vmm.strategy as VmmStrategy)) {
    throw new UserError({ what: `${place}: vmm.strategy is ${shown(vmm.strategy)}`, why: `there are ${VMM_STRATEGIES.join(', ')}`, fix: 'pick one of them, or leave it away for back-off' });
  }
  for (const name of ['beforeToPrivate', 'afterRequest'] as const) {
    const routine = vmm[name];
    if (routine === undefined) continue;
    if (!isObject(routine)) throw new UserError({ what: `${place}: vmm.${name} is ${kindOf(routine)}`, why: 'it is a routine: an object with steps', fix: `write ${name}: { steps: [...] }` });
    checkSteps(routine.steps, `vmm.${name}`, place);
  }
}

const CONTROL: ReadonlySet<Run> = new Set([end.run, goTo('').run]);
const MARK_LAST = Math.max(...Object.values(Mark));

/** @param isWhole labels are all in the list: those of the mmap hook may be of the mmap around it */
function checkSteps(steps: unknown, routine: string, place: string, isWhole = true): void {
  const refuse = (what: string, why: string, fix: string): never => {
    throw new UserError({ what: `${place}: ${what}`, why, fix });
  };
  if (!Array.isArray(steps)) refuse(`rules() has ${steps === undefined ? 'no' : 'a wrong'} ${routine}`, `it is a list of steps${steps === undefined ? '' : `, and not ${kindOf(steps)}`}`, `write ${routine}: [step('name', run), end]`);
  const list = steps as readonly unknown[];
  if (list.length === 0) refuse(`${routine} has no steps`, 'a routine does something, or at least ends', `write ${routine}: [end]`);
  for (const [index, one] of list.entries()) {
    const what = isObject(one) && typeof one.name === 'string' && one.name !== '' ? `step "${one.name}" of ${routine}` : `item ${index + 1} of ${routine}`;
    if (Array.isArray(one)) refuse(`${what} is a list`, 'blocks such as unmapEverywhereSteps() are lists of steps', 'write ... before it: ...unmapEverywhereSteps()');
    if (typeof one === 'function') refuse(`${what} is a function`, 'a step is a name and what it does, and blocks have to be called', "write step('name', run), or ...block()");
    if (!isObject(one)) refuse(`${what} is no step`, `it is ${kindOf(one)}`, "write step('name', run)");
    const { name, run, otherwise, callee, mark } = one as Fields;
    if (typeof name !== 'string' || name === '') refuse(`${what} has no name`, 'traces and messages tell a step by its name', "write step('name', run)");
    if (typeof run !== 'function') refuse(`${what} does nothing`, `its run is ${run === undefined ? 'missing' : kindOf(run)}, and not a function (world, task) => Flow`, "write step('name', (world, task) => Flow.Next)");
    if (isAsync(run)) refuse(`${what} is async`, 'a step is over when it returns, and answers a Flow and not a promise', 'leave `async` away; a step that cannot go on answers waitFor(...)');
    if (otherwise !== undefined && typeof otherwise !== 'string') refuse(`${what} has a wrong label`, `it is ${kindOf(otherwise)}, and a label is the name of a step`, "write step('name', run, 'label')");
    if (callee !== undefined && typeof callee !== 'string') refuse(`${what} calls ${kindOf(callee)}`, 'a routine is called by its name', "write callRoutine('name', 'routine')");
    if (mark !== undefined && !(Number.isInteger(mark) && (mark as number) >= 0 && (mark as number) <= MARK_LAST)) refuse(`${what} has a wrong mark`, `it is ${shown(mark)}`, 'take one of Mark, or leave it away: then nothing is taken for granted');
  }
  checkNames(list as readonly Step[], routine, place, isWhole);
}

function checkNames(steps: readonly Step[], routine: string, place: string, isWhole: boolean): void {
  const names = new Set<string>();
  for (const { name, run } of steps) {
    if (names.has(name) && !CONTROL.has(run)) throw new UserError({ what: `${place}: ${routine} has two steps named "${name}"`, why: 'labels and traces tell steps by their names', fix: 'rename one of them' });
    names.add(name);
  }
  if (!isWhole) return;
  for (const [name, label] of steps.flatMap((one) => [one.otherwise, one.onTimeout].map((label) => [one.name, label] as const))) {
    if (label === undefined || names.has(label)) continue;
    const near = nearestNames(label, [...names]);
    throw new UserError({
      what: `${place}: step "${name}" of ${routine} goes on at "${label}", which does not exist`,
      why: near.length > 0 ? `the nearest of the routine's steps are ${near.join(', ')}` : `the routine has ${[...names].join(', ')}`,
      fix: 'name a step of the same routine',
    });
  }
}
