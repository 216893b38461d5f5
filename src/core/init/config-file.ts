import { LOOKED_FOR } from './elsewhere.ts';
import type { CheckCommand, Detected, DetectedApp } from './look.ts';
import { stamped } from './stamp.ts';

/** `sluice.config.ts` for what was found. It plans as it stands; what Sluice cannot do yet is said beside it. */
export function configFile(found: Detected): string {
  const lines = [
    "import { defineConfig } from 'sluice';",
    '',
    ...(found.leftOut.length === 0
      ? []
      : ['// Found, and not deployed by Sluice:', ...found.leftOut.map((what) => `// - ${oneLine(what)}`), '']),
    ...(found.decide.length === 0
      ? []
      : ['// To be decided before a deploy can work:', ...found.decide.map((what) => `// - ${oneLine(what)}`), '']),
    'export default defineConfig({',
    `  workspace: ${quoted(found.workspace)},`,
    ...(found.apps.length === 0
      ? ['  // No app was found. One needs a path and the command that starts it. Looked for:', `  // ${LOOKED_FOR}.`, '  apps: {},']
      : ['  apps: {', ...found.apps.flatMap(appLines), '  },']),
    '  environments: {',
    '    development: { edge: { port: 8080 } },',
    '    // One for all pull requests; see .github/workflows/sluice-preview.yml.',
    '    preview: { edge: { port: 8082 } },',
    '    staging: { edge: { port: 8081 } },',
    "    production: { edge: { port: 8090 }, uncommitted: 'refuse' },",
    '  },',
    '});',
    '',
  ];
  return stamped('//', lines.join('\n'));
}

function appLines(app: DetectedApp): string[] {
  const checks = Object.entries(app.checks);
  const env = Object.entries(app.env);
  return [
    `    // ${oneLine(app.framework)}${app.folder === app.path ? '' : `, ${app.folder}`}. ${app.notes.map(oneLine).join(' ')}`.trimEnd(),
    `    ${key(app.name)}: {`,
    `      path: ${quoted(app.path)},`,
    ...(app.inputs === undefined ? [] : [`      inputs: ${literal(app.inputs)},`]),
    ...(app.isWide === true
      ? [`      build: { ${app.build === null ? '' : `command: ${literal(app.build)}, `}output: '/' },`]
      : app.build === null
        ? []
        : [`      build: ${literal(app.build)},`]),
    `      run: ${literal(app.run)},`,
    ...(app.health === null ? [] : [`      health: ${quoted(app.health)},`]),
    ...(app.routes.length === 0
      ? []
      : [`      routes: ${literal(app.routes)},`, "      // strategy: 'canary', // a step at a time, once there is traffic to judge by"]),
    ...(app.routes.length === 0 && app.listens && app.health === null
      ? []
      : app.routes.length === 0
        ? ["      strategy: 'recreate',"]
        : []),
    ...(app.dependsOn.length === 0 ? [] : [`      dependsOn: ${literal(app.dependsOn)},`]),
    ...(env.length === 0
      ? []
      : [
          '      env: {',
          ...env.map(
            ([name, value]) => `        ${name}: ${typeof value === 'string' ? quoted(value) : `{ fromEnv: ${quoted(value.fromEnv)} }`},`,
          ),
          '      },',
        ]),
    ...(checks.length === 0
      ? []
      : ['      checks: {', ...checks.map(([name, check]) => `        ${key(name)}: ${checkText(check)},`), '      },']),
    '    },',
  ];
}

function checkText({ command, folder, needs, setup, env }: CheckCommand): string {
  const parts = [
    `command: ${literal(command)}`,
    ...(folder === undefined ? [] : [`folder: ${quoted(folder)}`]),
    ...(needs === undefined ? [] : [`needs: ${literal(needs)}`]),
    ...(setup === undefined ? [] : ['setup: true']),
    ...(env === undefined || Object.keys(env).length === 0
      ? []
      : [
          `env: { ${Object.entries(env)
            .map(([name, value]) => `${name}: ${quoted(value)}`)
            .join(', ')} }`,
        ]),
  ];
  return parts.length === 1 ? literal(command) : `{ ${parts.join(', ')} }`;
}

function literal(words: readonly string[]): string {
  return `[${words.map(quoted).join(', ')}]`;
}

/** Text as TypeScript; JSON's escapes are a part of TypeScript's. */
function quoted(text: string): string {
  if (!/['\\\n\r\u2028\u2029]/.test(text)) return `'${text}'`;
  return JSON.stringify(text)
    .replaceAll('\u2028', String.raw`\u2028`)
    .replaceAll('\u2029', String.raw`\u2029`);
}

function key(name: string): string {
  return /^[a-z]\w*$/.test(name) ? name : quoted(name);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}
