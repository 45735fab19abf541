/** `foliobench explain`: one policy, step by step, with the argument about it and what it costs. */
import type { Command } from 'commander';
import { parseChosen, refuseUnusedChoices } from '../harness/choices.ts';
import { catalogueOf, type Catalogue, type FamilyCatalogue } from '../harness/catalogue.ts';
import { FOLIO_ORDERS, type FolioSize } from '../harness/experiment.ts';
import { explainPolicy, type FamilyExplanation } from '../harness/explanation.ts';
import { familyNamed } from '../harness/families/index.ts';
import { explainFamilyPolicy } from '../harness/familyExplanation.ts';
import { explorablePolicies } from '../harness/litmusFiles.ts';
import { resolveNames } from '../harness/names.ts';
import { factsOf, isPolicyPath, loadOwnPolicy, originOf, readPolicyFiles } from '../harness/policyFiles.ts';
import { readSources } from '../harness/sources.ts';
import { readVerdicts, safetyOf, verdictsPath } from '../harness/verdicts.ts';
import { PLATFORM_NAMES, type PlatformName } from '../model/platform.ts';
import { VMM_STRATEGIES, type VmmStrategy } from '../model/request.ts';
import { UserError, nearestNames } from '../model/userError.ts';
import { CHECKS, DEFAULT_CHECK, type Check, type ConversionPolicy } from '../policies/policy.ts';
import { EXPLAIN_FORMATS, formatExplanation, type ExplainFormat } from '../report/explain.ts';
import type { CliContext } from './context.ts';
import { collect, parseChoice, parsePositive } from './parse.ts';

interface ExplainFlags {
  readonly check?: Check;
  readonly choose?: readonly string[];
  readonly format: ExplainFormat;
  readonly costs?: string;
  readonly family?: string;
  readonly folio?: FolioSize;
  readonly vmas?: number;
  readonly platform?: PlatformName;
  readonly vmm?: VmmStrategy;
}

export function addExplainCommand(program: Command, context: CliContext): void {
  program
    .command('explain')
    .description('one policy: the argument, its steps on both sides with locks and prices, what it refuses, its verdicts')
    .argument('<policy>', 'one of `foliobench list policies`, or the path of a module of your own')
    .option('--check <name>', `its reference check (default: ${DEFAULT_CHECK})`, parseChoice(CHECKS))
    .option('--choose <policy.choice=value>', 'what it leaves open, otherwise than by default; repeatable', collect)
    .option('--format <format>', 'text, md, json, or mermaid for one to-private', parseChoice(EXPLAIN_FORMATS), 'text')
    .option('--costs <profile>', 'cost profile: a name or the path of a file', String)
    .option('--family <name>', 'whose policy it is; where it is left away any', String)
    .option('--folio <size>', 'folio size of the scene: 4K, 2M or 1G (default: 4K)', parseChoice(Object.keys(FOLIO_ORDERS) as FolioSize[]))
    .option('--vmas <count>', 'mappings of the page in the scene (default: 1)', parsePositive)
    .option('--platform <name>', `${PLATFORM_NAMES.join(', ')}: the steps and prices of a conversion there`, parseChoice(PLATFORM_NAMES))
    .option('--vmm <strategy>', `${VMM_STRATEGIES.join(', ')}: what the VMM does with a refusal, with its steps`, parseChoice(VMM_STRATEGIES))
    .action((name: string, flags: ExplainFlags) => runExplain(name, flags, context));
}

async function runExplain(word: string, flags: ExplainFlags, context: CliContext): Promise<void> {
  const { check, choose = [], format, costs, folio = '4K', vmas = 1, platform, vmm } = flags;
  const { catalogue, packageFolder, stdout } = context;
  const other = familyOf(word, flags, catalogue);
  if (other !== undefined) {
    stdout.write(formatExplanation(await explainOther(word, other, flags, context), format));
    return;
  }
  const policy = isPolicyPath(word) ? await ownPolicyOf(word) : policyOf(word);
  const { name } = policy;
  if (check !== undefined && !policy.checks.includes(check)) {
    throw new UserError({
      what: `${name} does not take the check ${check}`,
      why: policy.checks.length === 0 ? 'it has no reference check' : `it takes ${policy.checks.join(', ')}`,
      fix: 'leave --check away',
    });
  }
  const choices = parseChosen(choose, [...explorablePolicies.filter((one) => one.name !== name), policy])[name];
  refuseUnusedChoices(choose, [name]);
  const profile = await catalogue.loadCostProfile(costs ?? catalogue.defaultCosts);
  // A record that cannot be read has checked nothing; `explore` says what is wrong with it.
  const verdicts = await readVerdicts(verdictsPath(packageFolder)).catch(() => undefined);
  const safety = safetyOf(verdicts, readSources(packageFolder));
  const explanation = await explainPolicy({
    policy,
    costs: profile,
    folio,
    vmas,
    safety,
    verdicts,
    ...(check === undefined ? {} : { check }),
    ...(choices === undefined ? {} : { choices }),
    ...(platform === undefined ? {} : { platform }),
    ...(vmm === undefined ? {} : { vmm }),
  });
  stdout.write(formatExplanation(explanation, format));
}

/** The family beside conversions that has a policy of this name; undefined where conversions have one, or nobody has. @throws UserError for a family that does not */
function familyOf(word: string, { family: wanted }: ExplainFlags, catalogue: Catalogue): FamilyCatalogue | undefined {
  const has = ({ policies }: FamilyCatalogue): boolean => policies.some(({ name }) => name === word);
  if (wanted === undefined) return explorablePolicies.some(({ name }) => name === word) ? undefined : (catalogue.others ?? []).find(has);
  const own = catalogueOf(catalogue, familyNamed(wanted).name);
  if (own.simulated === undefined) return undefined;
  if (has(own)) return own;
  const near = nearestNames(word, own.policies.map(({ name }) => name));
  throw new UserError({ what: `the family ${wanted} has no policy "${word}"`, why: `${near.length > 0 ? 'the nearest' : 'its policies'} are ${(near.length > 0 ? near : own.policies.map(({ name }) => name)).join(', ')}`, fix: `pick one of \`foliobench list policies --family ${wanted}\`` });
}

/** A policy of another family. What only conversions have is no option of it. */
async function explainOther(name: string, { simulated, policies: facts }: FamilyCatalogue, flags: ExplainFlags, { catalogue, packageFolder }: CliContext): Promise<FamilyExplanation> {
  const policy = simulated?.policies.find((one) => one.name === name);
  if (simulated === undefined || policy === undefined) throw new Error(`no policy ${name}`);
  const given = (['check', 'folio', 'vmas', 'platform', 'vmm'] as const).find((option) => flags[option] !== undefined);
  if (given !== undefined) throw new UserError({ what: `--${given} does not go with ${name}`, why: `it is of the family ${simulated.name}, whose scene has nothing of the kind`, fix: 'leave it away' });
  const { choose = [], costs } = flags;
  const choices = parseChosen(choose, facts)[name];
  refuseUnusedChoices(choose, [name]);
  const verdicts = await readVerdicts(verdictsPath(packageFolder)).catch(() => undefined);
  return explainFamilyPolicy({
    family: simulated,
    policy,
    costs: await catalogue.loadCostProfile(costs ?? catalogue.defaultCosts),
    safety: safetyOf(verdicts, readSources(packageFolder)),
    verdicts,
    ...(choices === undefined ? {} : { choices }),
  });
}

/** The one policy of a module. @throws UserError where it has more, or is none */
async function ownPolicyOf(word: string): Promise<ConversionPolicy> {
  const files = await readPolicyFiles([word]);
  const [{ name }, ...more] = factsOf(files);
  const origin = originOf(name, files);
  if (more.length === 0 && origin !== undefined) return loadOwnPolicy(origin, name, { bounded: true });
  throw new UserError({ what: `explain takes one policy, and ${word} has ${more.length + 1}`, why: 'each has a page of its own', fix: `name one of them, as in ${word}#${name}` });
}

/** @throws UserError with the nearest names */
function policyOf(name: string): ConversionPolicy {
  const [found, ...more] = resolveNames('policy', 'policies', [name], explorablePolicies.map((policy) => policy.name));
  const policy = explorablePolicies.find((one) => one.name === found);
  if (policy !== undefined && more.length === 0) return policy;
  throw new UserError({ what: `explain takes one policy, and "${name}" is several`, why: 'each has a page of its own', fix: 'name one of `foliobench list policies`' });
}
