import { parse } from 'smol-toml';
import { UserError } from '../errors.ts';
import { goPattern, goTester } from './go-pattern.ts';
import type { Tester } from './pattern.ts';
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
  for (const name of ['path', 'url']) if (extend[name] !== undefined) throw invalid(`extend.${name} is not followed`);
  const disabled = new Set(strings(extend['disabledRules']));
  const keepsOwn = extend['useDefault'] === true || rules.length === 0;
  const replaced = new Set(rules.map((rule) => rule.id));
  const kept = keepsOwn ? own.rules.filter((rule) => !replaced.has(rule.id) && !disabled.has(rule.id)) : [];
  const allow = allowTables(config).map((one) => ({ allow: allowsOf([one], 'the file'), targets: strings(one['targetRules']) }));
  return {
    // An allow list may be for some rules alone.
    rules: [...kept, ...rules].map((rule) => {
      const targeted = allow.flatMap((one) => (one.targets.includes(rule.id) ? one.allow : []));
      return targeted.length === 0 ? rule : { ...rule, allow: [...rule.allow, ...targeted] };
    }),
    allow: [...own.allow, ...allow.flatMap((one) => (one.targets.length === 0 ? one.allow : []))],
  };
}

function read(text: string): Table {
  try {
    return parse(text.replace(/^\uFEFF/, ''));
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
    // Keywords are looked for among bytes.
    keywords: keywords(rule['keywords'], id).map((word) => Buffer.from(word.toLowerCase(), 'utf8').toString('latin1')),
    pattern: typeof regex === 'string' ? compiled(goPattern, regex, `rule ${id}`) : null,
    // A keyword anywhere makes its rule tried on all of the file, as there.
    reach: 'file',
    group: typeof secretGroup === 'number' ? secretGroup : 0,
    entropy: typeof entropy === 'number' ? entropy : 0,
    // Generic by their nature: a name and anything that looks random.
    isGeneric: /generic/.test(id),
    path: typeof path === 'string' ? tester(path, `rule ${id}`, 'paths') : null,
    allow: allowsOf(allowTables(rule), `rule ${id}`),
  };
}

function allowTables(owner: Table): Table[] {
  return [...tables(owner['allowlists']), ...(owner['allowlist'] === undefined ? [] : [table(owner['allowlist'])])];
}

function allowsOf(all: readonly Table[], where: string): Allow[] {
  return all.flatMap((one) => {
    const needsAll = one['condition'] === 'AND';
    // Commits are not read: what is allowed only in some of them is allowed nowhere.
    if (needsAll && strings(one['commits']).length > 0) return [];
    return {
      paths: strings(one['paths']).map((source) => tester(source, where, 'paths')),
      patterns: strings(one['regexes']).map((source) => tester(source, where, 'bytes')),
      target: one['regexTarget'] === 'line' ? 'line' : one['regexTarget'] === 'match' ? 'match' : 'secret',
      stopwords: strings(one['stopwords']).map((word) => word.toLowerCase()),
      needsAll,
    };
  });
}

function tester(source: string, where: string, texts: 'bytes' | 'paths'): Tester {
  return compiled((text) => goTester(text, texts), source, where);
}

function compiled<T>(compile: (source: string) => T, source: string, where: string): T {
  try {
    return compile(source);
  } catch (error) {
    throw invalid(`a pattern of ${where} cannot be read: ${error instanceof Error ? error.message : ''}`, error);
  }
}

function keywords(value: unknown, id: string): string[] {
  if (value !== undefined && (!Array.isArray(value) || value.some((word) => typeof word !== 'string')))
    throw invalid(`keywords of rule ${id} are no list of words`);
  return strings(value).filter((word) => word !== '');
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
