import type { Mutant } from './mutant.ts';

const UNREADABLE = 'src/adapters/manifests/unreadable.property.spec.ts';
const EDGES = 'src/app-affected-edges.spec.ts';

export default [
  {
    name: 'what cannot be read makes nobody depend on the whole workspace',
    file: 'src/adapters/manifests/doubts.ts',
    from: "node.inputs.push({ path: '.', via: path });",
    to: '',
    spec: UNREADABLE,
    title: 'with %s in any manifest: affects no less, and is named',
  },
  {
    name: 'a member with an unknown name is asked for by no other member',
    file: 'src/adapters/manifests/node.ts',
    from: 'doubtMembers(reading, manifests, rootOf);',
    to: '',
    spec: UNREADABLE,
    title: 'with %s in any manifest: affects no less, and is named',
  },
  {
    name: 'markers of a conflict are taken for text',
    file: 'src/adapters/manifests/trouble.ts',
    from: "return 'it holds conflict markers of a merge';",
    to: 'return null;',
    spec: UNREADABLE,
    title: 'with %s in any manifest: affects no less, and is named',
  },
  {
    name: 'a key that is said twice is not noticed',
    file: 'src/adapters/manifests/trouble.ts',
    from: "if (written !== members(value)) throw new Error('a key is said twice');",
    to: 'if (written < members(value)) throw new Error();',
    spec: UNREADABLE,
    title: 'with %s in any manifest: affects no less, and is named',
  },
  {
    name: 'a byte order mark spoils a manifest',
    file: 'src/adapters/manifests/draft.ts',
    from: 'const text = withoutMark(written);',
    to: 'const text = withoutMark === null ? "" : written;',
    spec: UNREADABLE,
    title: 'with a byte order mark in any manifest: is read as its tools read it',
  },
  {
    name: 'a version of a lockfile that is not known is read as if it were',
    file: 'src/adapters/manifests/locks/lock.ts',
    from: 'if (known.includes(version as number | string | undefined)) return;',
    to: 'if (known !== null) return;',
    spec: EDGES,
    title: '%s: all members are affected by any change of it, and it is named',
  },
  {
    name: 'what a lockfile does not resolve is taken for nothing',
    file: 'src/adapters/manifests/locks/lock.ts',
    from: 'if (id === undefined && isNeeded) return digest(text);',
    to: 'if (id === undefined && isNeeded && text === "") return digest(text);',
    spec: EDGES,
    title: 'what it does not resolve makes it count whole',
  },
  {
    name: 'the identity of a Python package is that of its dependencies alone',
    file: 'src/adapters/manifests/locks/python.ts',
    from: 'own: `${one.name} ${one.own}`, dependsOn',
    to: "own: '', dependsOn",
    spec: EDGES,
    title: 'uv.lock: a direct dependency alone',
  },
  {
    name: 'settings of a base that cannot be read count as unchanged',
    file: 'src/app-affected.ts',
    from: 'before === null ? unknown : declaredAnywhere(before)',
    to: 'before === null ? declared : unknown.length < 0 ? unknown : declaredAnywhere(before)',
    spec: EDGES,
    title: 'that was wrong at the base: every app counts as affected',
  },
] satisfies readonly Mutant[];
