import { parse } from 'smol-toml';
import { UserError } from '../errors.ts';
import { patternOfRe2 } from './re2.ts';
import type { Allow, RuleSet, SecretRule } from './rule.ts';

type Table = Readonly<Record<string, unknown>>;

/**
 * A user's `.gitleaks.toml`: its rules beside our own (`extend.useDefault`, or no rules of its own) or instead of them, and what it allows.
 * A rule of the same id takes the place of ours.
 * @throws UserError `GITLEAKS_INVALID` with the rule that cannot be read.
 */
export function withGitleaks(text: string, own: RuleSet): RuleSet {
  const config = read(text);
  const extend = table(config['extend']);
  const rules = tables(config['rules']).map(ruleOf);
  const disabled = new Set(strings(extend['disabledRules']));
  const keepsOwn = extend['useDefault'] === true || rules.length === 0;
  const replaced = new Set(rules.map((rule) => rule.id));
  return {
    rules: [...(keepsOwn ? own.rules.filter((rule) => !replaced.has(rule.id) && !disabled.has(rule.id)) : []), ...rules],
    allow: [...own.allow, ...allowsOf(config, 'the file')],
  };
}

function read(text: string): Table {
  try {
    return parse(text);
  } catch (error) {
    throw invalid(error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'it is no TOML', error);
  }
}

function ruleOf(rule: Table): SecretRule {
  const id = typeof rule['id'] === 'string' ? rule['id'] : '(without an id)';
  const { regex, path, entropy, secretGroup } = rule;
  if (typeof regex !== 'string' && typeof path !== 'string') throw invalid(`rule ${id} has no regex`);
  return {
    id,
    description: typeof rule['description'] === 'string' ? rule['description'] : id,
    keywords: strings(rule['keywords'])
      .map((word) => word.toLowerCase())
      .filter((word) => /^[\u0000-\u007F]+$/.test(word)),
    pattern: typeof regex === 'string' ? pattern(regex, `rule ${id}`) : /\S[^\n]*/g,
    group: typeof secretGroup === 'number' ? secretGroup : 0,
    entropy: typeof entropy === 'number' ? entropy : 0,
    // Generic by their nature: a name and anything that looks random.
    isGeneric: /generic/.test(id),
    path: typeof path === 'string' ? tester(path, `rule ${id}`) : null,
    allow: allowsOf(rule, `rule ${id}`),
  };
}

function allowsOf(owner: Table, where: string): Allow[] {
  const all = [...tables(owner['allowlists']), ...(owner['allowlist'] === undefined ? [] : [table(owner['allowlist'])])];
  return all.map((one) => ({
    paths: strings(one['paths']).map((source) => tester(source, where)),
    patterns: strings(one['regexes']).map((source) => tester(source, where)),
    target: one['regexTarget'] === 'line' ? 'line' : one['regexTarget'] === 'match' ? 'match' : 'secret',
    stopwords: strings(one['stopwords']).map((word) => word.toLowerCase()),
    needsAll: one['condition'] === 'AND',
  }));
}

function pattern(source: string, where: string): RegExp {
  try {
    return patternOfRe2(source);
  } catch (error) {
    throw invalid(`a pattern of ${where} cannot be read: ${error instanceof Error ? error.message : ''}`, error);
  }
}

/** A global pattern remembers where it was; one that only tests must not. */
function tester(source: string, where: string): RegExp {
  return new RegExp(pattern(source, where).source);
}

function invalid(what: string, cause?: unknown): UserError {
  return new UserError(
    'GITLEAKS_INVALID',
    `.gitleaks.toml: ${what}`,
    'Correct it, or leave the rule out: nothing is scanned with half of the rules.',
    cause,
  );
}

function table(value: unknown): Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Table) : {};
}

function tables(value: unknown): Table[] {
  return Array.isArray(value) ? value.map(table) : [];
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
