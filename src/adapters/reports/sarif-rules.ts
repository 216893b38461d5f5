import { damaged } from './damage.ts';
import type { SarifReference, SarifResult, SarifRule, SarifRun } from './schema.ts';

type Component = SarifRun['tool']['driver'];
export type Level = 'none' | 'note' | 'warning' | 'error';

export interface FoundRule {
  readonly id: string;
  /** Null where the run says nothing of it. */
  readonly rule: SarifRule | null;
}

/**
 * The rule of a result, by SARIF 2.1.0, 3.27.5 to 3.27.7 and 3.52: in the component that is referred to (the driver where none is), by
 * index, else by guid, else by id, of which `CA1000/1` has a tail of its own and is a result of `CA1000`.
 * @throws Unreadable where the index leads nowhere, or to another rule than the id.
 */
export function ruleOf(result: SarifResult, { tool }: SarifRun): FoundRule {
  const reference = result.rule ?? {};
  const id = reference.id ?? result.ruleId;
  const index = valid(reference.index) ?? valid(result.ruleIndex);
  const parts = [tool.driver, ...(tool.extensions ?? [])];
  const named = componentOf(reference.toolComponent, tool);
  if (result.ruleId !== undefined && reference.id !== undefined && !isSame(result.ruleId, reference.id))
    throw damaged(`a result is of two rules, ${result.ruleId.slice(0, 60)} and ${reference.id.slice(0, 60)}.`);
  if (index !== null) {
    const rule = (named ?? tool.driver).rules?.[index];
    if (rule === undefined) throw damaged(`a result is of rule number ${index}, and there is none.`);
    if (id !== undefined && !isTail(id, rule.id))
      throw damaged(`a result of ${id.slice(0, 60)} leads to rule number ${index}, which is ${rule.id.slice(0, 60)}.`);
    return { id: rule.id, rule };
  }
  const places = named === null ? parts : [named];
  const byGuid = reference.guid === undefined ? undefined : ruleIn(places, (rule) => rule.guid === reference.guid);
  if (byGuid !== undefined) return { id: byGuid.id, rule: byGuid };
  if (id === undefined) return { id: 'unnamed', rule: null };
  for (let part = id; part !== ''; part = part.slice(0, Math.max(0, part.lastIndexOf('/')))) {
    const rule = ruleIn(places, (one) => one.id === part || (one.deprecatedIds ?? []).includes(part));
    if (rule !== undefined) return { id: rule.id, rule };
  }
  return { id, rule: null };
}

/**
 * The level of a result, by 3.27.10: its own, else what the invocation sets for the rule, else the rule's usual one, else a warning. Where
 * the result does not say which invocation found it, an override may only make it worse.
 */
export function levelOf(result: SarifResult, { rule }: FoundRule, run: SarifRun): Level {
  if (result.level !== undefined) return result.level;
  const usual = rule?.defaultConfiguration?.level ?? 'warning';
  if (rule === null) return usual;
  const which = valid(result.provenance?.invocationIndex);
  const invocations = run.invocations ?? [];
  const said = (which === null ? invocations : invocations.slice(which, which + 1)).flatMap((one) =>
    (one.ruleConfigurationOverrides ?? []).flatMap(({ configuration, descriptor }) =>
      configuration.level !== undefined && isOf(descriptor, rule, run) ? [configuration.level] : [],
    ),
  );
  if (which !== null) return said.at(-1) ?? usual;
  return [usual, ...said].reduce((worst, one) => (LEVELS.indexOf(one) > LEVELS.indexOf(worst) ? one : worst));
}

const LEVELS: readonly Level[] = ['none', 'note', 'warning', 'error'];

function isOf(descriptor: SarifReference, rule: SarifRule, run: SarifRun): boolean {
  return ruleOf({ message: {}, rule: descriptor }, run).rule === rule;
}

/** -1 stands for none in SARIF. */
function valid(index: number | undefined): number | null {
  return index === undefined || index === -1 ? null : index;
}

/** @throws Unreadable for a component that is not there. */
function componentOf(reference: SarifReference['toolComponent'], { driver, extensions = [] }: SarifRun['tool']): Component | null {
  if (reference === undefined) return null;
  const index = valid(reference.index);
  const all = [driver, ...extensions];
  const found =
    index !== null
      ? extensions[index]
      : reference.guid !== undefined
        ? all.find((one) => one.guid === reference.guid)
        : all.find((one) => one.name === reference.name);
  if (found === undefined) throw damaged('a result is of a rule of a component that is not there.');
  return found;
}

function ruleIn(parts: readonly Component[], isIt: (rule: SarifRule) => boolean): SarifRule | undefined {
  for (const part of parts) {
    const rule = part.rules?.find(isIt);
    if (rule !== undefined) return rule;
  }
  return undefined;
}

/** `CA1000/1` is one of `CA1000`. */
function isTail(id: string, of: string): boolean {
  return id === of || id.startsWith(`${of}/`);
}

function isSame(a: string, b: string): boolean {
  return isTail(a, b) || isTail(b, a);
}
