import type { Mistake } from './problems.ts';

/**
 * Every analysis that names a template, with what the template says put under what it says itself. Works on what was
 * read, before it is checked: so the checks see what will count.
 */
export function withTemplates(value: unknown): { readonly value: unknown; readonly mistakes: readonly Mistake[] } {
  if (!isObject(value)) return { value, mistakes: [] };
  const templates = isObject(value['templates']) ? value['templates'] : {};
  const mistakes: Mistake[] = [];
  const one = (analysis: unknown, path: PropertyKey[]): unknown => {
    if (!isObject(analysis) || typeof analysis['template'] !== 'string') return analysis;
    const { template: name, with: args, ...own } = analysis;
    const template = Object.hasOwn(templates, name) ? templates[name] : undefined;
    if (!isObject(template)) {
      const known = Object.keys(templates).join(', ');
      mistakes.push({
        path: [...path, 'template'],
        message: `there is no template "${name}"; there ${known === '' ? 'are none' : `are ${known}`}.`,
      });
      return own;
    }
    const filled = { ...filledIn(template, isObject(args) ? args : {}), ...own };
    const missing = [...new Set(Object.entries(filled).flatMap(([key, part]) => askedIn(part, key)))];
    if (missing.length > 0)
      mistakes.push({ path: [...path, 'with'], message: `the template "${name}" asks for ${missing.join(', ')}, which it is not given.` });
    return settled(filled);
  };
  const settings = (app: unknown, path: PropertyKey[]): unknown => {
    if (!isObject(app)) return app;
    const { analysis, analyses } = app;
    return {
      ...app,
      ...(analysis === undefined ? {} : { analysis: one(analysis, [...path, 'analysis']) }),
      ...(Array.isArray(analyses) ? { analyses: analyses.map((each, i) => one(each, [...path, 'analyses', i])) } : {}),
    };
  };
  const each = (apps: unknown, path: PropertyKey[]): unknown =>
    isObject(apps) ? Object.fromEntries(Object.entries(apps).map(([name, app]) => [name, settings(app, [...path, name])])) : apps;
  const { apps, environments } = value;
  const places = isObject(environments)
    ? Object.fromEntries(
        Object.entries(environments).map(([name, place]) => {
          const path = ['environments', name];
          const filled = settings(place, path);
          return [
            name,
            isObject(filled) && filled['apps'] !== undefined ? { ...filled, apps: each(filled['apps'], [...path, 'apps']) } : filled,
          ];
        }),
      )
    : environments;
  // What waits for arguments is checked where it has them.
  const whole = Object.fromEntries(Object.entries(templates).map(([name, part]) => [name, isObject(part) ? settled(part) : part]));
  const result = {
    ...value,
    ...(isObject(value['templates']) ? { templates: whole } : {}),
    apps: each(apps, ['apps']),
    ...(environments === undefined ? {} : { environments: places }),
  };
  return { value: result, mistakes };
}

const ARGUMENT = /\{\{\s*(\w+)\s*\}\}/g;
/** What sources fill in themselves. */
const OF_SOURCES: readonly string[] = ['app', 'environment', 'version', 'from', 'to'];

/** Names in a part of an analysis that nobody has given. */
function askedIn(part: unknown, key: string): string[] {
  if (typeof part === 'string')
    return [...part.matchAll(ARGUMENT)].flatMap(([, name = '']) => (key === 'source' && OF_SOURCES.includes(name) ? [] : [name]));
  if (Array.isArray(part)) return part.flatMap((one) => askedIn(one, key));
  return isObject(part) ? Object.values(part).flatMap((one) => askedIn(one, key)) : [];
}

/** An analysis without the parts that still wait for an argument. */
function settled(analysis: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(analysis).filter(([key, part]) => key === 'source' || askedIn(part, key).length === 0));
}

/**
 * The template with the arguments in its texts; `{{app}}` and the like, which nobody gave, stay for the source. A text
 * that is an argument and nothing else becomes what that is: a number stays one.
 */
function filledIn(part: unknown, args: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const given = (name: string | undefined) => {
    const value = name === undefined || !Object.hasOwn(args, name) ? undefined : args[name];
    return typeof value === 'string' || typeof value === 'number' ? value : undefined;
  };
  const fill = (value: unknown): unknown => {
    if (typeof value === 'string') {
      const alone = given(/^\{\{\s*(\w+)\s*\}\}$/.exec(value)?.[1]);
      return alone ?? value.replaceAll(ARGUMENT, (whole, name: string) => String(given(name) ?? whole));
    }
    if (Array.isArray(value)) return value.map(fill);
    return isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fill(inner)])) : value;
  };
  return isObject(part) ? Object.fromEntries(Object.entries(part).map(([key, value]) => [key, fill(value)])) : {};
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
