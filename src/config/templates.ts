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
    const template = templates[name];
    if (!isObject(template)) {
      const known = Object.keys(templates).join(', ');
      mistakes.push({
        path: [...path, 'template'],
        message: `there is no template "${name}"; there ${known === '' ? 'are none' : `are ${known}`}.`,
      });
      return own;
    }
    return { ...filledIn(template, isObject(args) ? args : {}), ...own };
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
  const result = { ...value, apps: each(apps, ['apps']), ...(environments === undefined ? {} : { environments: places }) };
  return { value: result, mistakes };
}

/** The template's texts with the arguments in them; `{{app}}` and the like, which nobody gave, stay for the source. */
function filledIn(part: unknown, args: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const fill = (value: unknown): unknown => {
    if (typeof value === 'string')
      return value.replaceAll(/\{\{\s*(\w+)\s*\}\}/g, (whole, name: string) => {
        const given = args[name];
        return typeof given === 'string' || typeof given === 'number' ? String(given) : whole;
      });
    if (Array.isArray(value)) return value.map(fill);
    return isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fill(inner)])) : value;
  };
  return isObject(part) ? Object.fromEntries(Object.entries(part).map(([key, value]) => [key, fill(value)])) : {};
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
