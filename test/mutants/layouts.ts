import type { Mutant } from './mutant.ts';

const LAYOUTS = 'src/core/init/layouts.spec.ts';
const MIXTURE = 'has the apps and no library as apps, each with its own folder, and names all the rest';
const GLOB = 'src/core/text/glob.spec.ts';

export default [
  {
    name: 'a module named app.py in a package of Python is an app',
    file: 'src/core/init/python.ts',
    from: "return !path.includes('/') && (isRun || !isOfPackage(look, folder));",
    to: 'return isRun || !isOfPackage(look, folder) || true;',
    spec: LAYOUTS,
    title: MIXTURE,
  },
  {
    name: 'what is passed over is not named',
    file: 'src/core/init/detect.ts',
    from: '      ...passedOver(look, known, runtimeOf),\n',
    to: '',
    spec: LAYOUTS,
    title: MIXTURE,
  },
  {
    name: 'an image of the whole workspace is an app beside its parts',
    file: 'src/core/init/detect.ts',
    from: "return framework === 'Dockerfile' && one.dockerfile === null && apps > 1 && holdsOthers(look, one.folder);",
    to: "return framework === 'none' && one.dockerfile === null && apps > 1 && holdsOthers(look, one.folder);",
    spec: LAYOUTS,
    title: MIXTURE,
  },
  {
    name: 'the whole workspace is the folder of a service of compose',
    file: 'src/core/init/candidates.ts',
    from: 'if (!holdsOthers(look, context)) return context;',
    to: 'if (context !== dockerfile) return context;',
    spec: LAYOUTS,
    title: 'an image of the whole, made for a service in a folder of its own',
  },
  {
    name: 'what compose starts on demand is found again by its Dockerfile',
    file: 'src/core/init/detect.ts',
    from: 'aside.includes(folder) && !hasOwnStart(look, folder)',
    to: 'aside.includes(folder) && hasOwnStart(look, folder)',
    spec: LAYOUTS,
    title: 'services that compose starts on demand, and a compose file for an editor',
  },
  {
    name: 'a server of which nothing tells how it starts is not named',
    file: 'src/core/init/detect.ts',
    from: '      ...unstarted(look, known),\n',
    to: '',
    spec: LAYOUTS,
    title: 'a program below src, and one whose start nothing tells',
  },
  {
    name: 'settings of pnpm make one package a workspace',
    file: 'src/core/init/node.ts',
    from: "strings(yaml(look.texts.get('pnpm-workspace.yaml'))['packages']).length > 0;",
    to: "look.paths.has('pnpm-workspace.yaml');",
    spec: LAYOUTS,
    title: 'one package with settings of pnpm, and a root that only hands on',
  },
  {
    name: 'a link out of the workspace is nothing to tell',
    file: 'src/services/init/look.ts',
    from: 'return real === root || real.startsWith(root + sep) ? null',
    to: 'return real !== path ? null',
    spec: 'src/services/init/look.spec.ts',
    title: 'names links that lead outside of the workspace, %s, and not those within it',
  },
  {
    name: 'letters that are not known are replaced by others',
    file: 'src/lib/plain-text.ts',
    from: '{ fatal: true }',
    to: '{ fatal: false }',
    spec: 'src/config/load/load.spec.ts',
    title: 'in an encoding of one byte a letter, cut off, or in UTF-16 without a mark is refused',
  },
  {
    name: 'an empty group of a log line is 0 ms',
    file: 'src/adapters/metrics/logs.ts',
    from: "if (said !== '' && Number.isFinite(ms) && ms >= 0)",
    to: 'if (Number.isFinite(ms) && ms >= 0)',
    spec: 'src/adapters/metrics/logs.spec.ts',
    title: 'no time, and no time that is no number, is none',
  },
  {
    name: 'two stars stop at the end of a line',
    file: 'src/core/text/glob.ts',
    from: "return takes === 'any' ||",
    to: "return (takes === 'any' && letter !== '\\n') ||",
    spec: GLOB,
    title: '%j fits %j: %s',
  },
  {
    name: 'a choice in braces takes its first part alone',
    file: 'src/core/text/glob.ts',
    from: 'else stateAt(group.start).also.push((at = add()));',
    to: 'else at = add();',
    spec: GLOB,
    title: 'means what it says, whatever it is made of',
  },
] satisfies readonly Mutant[];
