import { jsonSchema } from './json-schema.ts';

interface Node {
  readonly $ref?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly anyOf?: readonly Node[];
  readonly oneOf?: readonly Node[];
  readonly allOf?: readonly Node[];
  readonly items?: Node;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Node | boolean;
}

interface Root extends Record<string, unknown>, Node {
  readonly definitions: Readonly<Record<string, Node>>;
}

/** `docs/config.md`: an introduction and every option, all from the schema that checks the configuration. */
export function configReference(): string {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is a JSON Schema, of which only these parts are read
  const root = jsonSchema() as Root;
  const order = ['App', 'Environment'];
  const means = (value: Node): string => value.description ?? root.definitions[nameOf(value) ?? '']?.description ?? '';
  const names = [
    ...order,
    ...Object.keys(root.definitions)
      .filter((name) => !order.includes(name))
      .toSorted(),
  ];
  const sections = names.map((name) => section(name, root.definitions[name] ?? {}, means));
  return (
    [INTRODUCTION, '## Top level\n', table(root, means), ...sections]
      .join('\n')
      .replaceAll(/\n{3,}/g, '\n\n')
      .trimEnd() + '\n'
  );
}

type Means = (value: Node) => string;

function section(name: string, node: Node, means: Means): string {
  if (name === 'Overrides')
    return `## Overrides\n\n${node.description ?? ''} Everything an [App](#app) has, except \`path\`, \`dependsOn\`, \`checks\` and \`gates\`.\n`;
  const objects = forms(node).filter((form) => form.properties !== undefined);
  const short = forms(node).filter((form) => form.properties === undefined);
  const values = short.length === 0 || name === 'Command' || name === 'Duration' ? '' : `Short forms: ${short.map(kind).join(', ')}.\n`;
  const tables = objects.map((form) => {
    const title = form.properties?.['kind'];
    return title?.const === undefined
      ? table(form, means)
      : `### ${name} \`${typeof title.const === 'string' ? title.const : ''}\`\n\n${title.description ?? ''}\n\n${table(form, means, 'kind')}`;
  });
  return [`## ${name}\n`, `${node.description ?? ''}\n`, objects.length === 0 ? '' : values, ...tables].join('\n');
}

/** The ways in which a value may be written. */
function forms(node: Node): readonly Node[] {
  return (node.anyOf ?? node.oneOf ?? [node]).flatMap((form) =>
    form.anyOf === undefined && form.oneOf === undefined ? [form] : forms(form),
  );
}

function table(node: Node, means: Means, except = ''): string {
  const rows = Object.entries(node.properties ?? {}).filter(([name]) => name !== except);
  if (rows.length === 0) return '';
  const required = new Set(node.required);
  const lines = rows.map(
    ([name, value]) =>
      `| \`${name}\`${required.has(name) ? ' (required)' : ''} | ${cell(means(value))} | ${cell(kind(value))} | ${cell(said(value.default))} |`,
  );
  return ['| key | what it means | value | default |', '|---|---|---|---|', ...lines, ''].join('\n');
}

function said(value: unknown): string {
  return value === undefined ? '' : `\`${JSON.stringify(value)}\``;
}

function kind(node: Node): string {
  if (node.$ref !== undefined) return linkTo(node.$ref);
  if (node.allOf !== undefined) return node.allOf.map(kind).join(', ');
  if (node.const !== undefined) return `\`${JSON.stringify(node.const)}\``;
  if (node.enum !== undefined) return node.enum.map((value) => `\`${JSON.stringify(value)}\``).join(', ');
  const alternatives = node.anyOf ?? node.oneOf;
  if (alternatives !== undefined) return alternatives.map(kind).join(' or ');
  switch (node.type) {
    case 'array':
      return `list of ${kind(node.items ?? {})}`;
    case 'object':
      return typeof node.additionalProperties === 'object'
        ? `name → ${kind(node.additionalProperties)}`
        : `{ ${Object.keys(node.properties ?? {}).join(', ')} }`;
    case 'integer':
      return 'whole number';
    case 'string':
      return 'text';
    case 'boolean':
      return '`true`, `false`';
    default:
      return node.type ?? '';
  }
}

/** Of the definition that a value refers to. */
function nameOf(node: Node): string | undefined {
  return (node.$ref ?? node.allOf?.[0]?.$ref)?.split('/').at(-1);
}

function linkTo(ref: string): string {
  const name = ref.split('/').at(-1) ?? '';
  return `[${name}](#${name.toLowerCase()})`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}

const INTRODUCTION = `# Configuration

<!-- Made from src/config/schema/workspace.ts: npx tsx src/config/reference/generate.ts -->

A workspace has one configuration at its root: \`sluice.config.ts\` (or \`.mts\`, \`.js\`, \`.mjs\`), \`sluice.config.json\` or
\`sluice.config.yaml\`. All say the same things; TypeScript completes and checks them as you type, and
\`schema/sluice.schema.json\` does that for the others.

\`\`\`ts
import { defineConfig } from 'sluice';

export default defineConfig({
  workspace: 'shop',
  apps: {
    api: {
      path: 'apps/api',
      build: { command: ['npm', 'run', 'build'], output: 'dist' },
      run: { command: ['node', 'server.js'], instances: 2, env: { DATABASE_URL: { fromEnv: 'SHOP_DATABASE_URL' } } },
      health: '/up',
      routes: ['/api'],
      strategy: 'canary',
    },
    mailer: { path: 'apps/mailer', run: 'node mailer.js', strategy: 'recreate', dependsOn: ['api'] },
  },
  environments: {
    development: { strategy: 'allAtOnce' },
    production: { apps: { api: { run: { instances: 4 } } }, edge: { kind: 'haproxy', port: 80 } },
  },
});
\`\`\`

The same in YAML:

\`\`\`yaml
workspace: shop
apps:
  api:
    path: apps/api
    build: { command: npm run build, output: dist }
    run: { command: node server.js, instances: 2, env: { DATABASE_URL: { fromEnv: SHOP_DATABASE_URL } } }
    health: /up
    routes: [/api]
    strategy: canary
  mailer: { path: apps/mailer, run: node mailer.js, strategy: recreate, dependsOn: [api] }
environments:
  development: { strategy: allAtOnce }
  production: { apps: { api: { run: { instances: 4 } } }, edge: { kind: haproxy, port: 80 } }
\`\`\`

## How it is read

- \`import … from 'sluice'\` needs no installation in the workspace: it is always the Sluice that reads the file.
- A configuration in TypeScript or JavaScript is run in a process of its own, each time a plan is made, and has 30 seconds.
  Only plain data counts.
- All mistakes are reported at once (\`CONFIG_INVALID\`), each with its place, what was found, what is allowed, and what was
  probably meant.
- Nothing is guessed: a key that is not listed below is a mistake.

## Which value counts

From weak to strong: the default below, the environment (\`concurrency\`, \`env\`, \`edge.sticky\`), the app, the app in the environment
(\`environments.production.apps.api\`). Objects are merged key by key; lists, commands, strategies and \`sticky\` are replaced as a whole. An environment's
\`strategy\` replaces the apps' own, except that an app with \`recreate\` keeps it, and what stands below the environment's \`apps\` counts more.

## Values that stand in no file of the repository

\`{ fromEnv: 'NAME' }\` takes a value from \`.env\` files or from the shell that deploys; [secrets.md](secrets.md) says from where first, who
keeps it and where it is hidden. A configuration in TypeScript or JavaScript itself sees no such value: of the environment it gets \`PATH\`,
\`HOME\`, \`USER\`, \`SHELL\`, \`LANG\`, \`TZ\`, \`TMPDIR\`, proxies and certificates, \`CI\`, \`NODE_ENV\`, and what \`SLUICE_CONFIG_ENV=NAME,PREFIX_*\`
allows where Sluice is started.

## What makes an app part of a deploy

Its sources or build settings changed (also those of an app it depends on), its run or health settings changed, the value of one of its \`fromEnv\` variables changed, it has never been
deployed there, or it was asked for by name or by force. A version that failed or was rolled back is held: it is left out until its
sources, its settings or a value change, or \`--lift-hold\` takes it as it is. What is built is a commit, never the folder as it happens to be; \`development\` also takes
uncommitted changes, by recording them first (see \`uncommitted\`).

What cannot be read affects everything it could concern, and \`affected\`, \`affected --explain\`, \`plan\` and \`--json\` name it: a manifest that is no
JSON or TOML, says a key twice, holds conflict markers or bytes that are not UTF-8, is a link or a pointer to Git LFS makes its project, and those
that may depend on it, part of any change until it is mended. A lockfile whose format is not known, or that does not say what becomes of
something asked for, counts whole. A byte order mark is skipped. Every path above a manifest's own folder that it names counts; what only a
program knows can be named in \`inputs\`. Of a Go module at the root, texts (\`*.md\`), licences and dot files do not count, nor do folders of
other languages, except their Go files.

`;
