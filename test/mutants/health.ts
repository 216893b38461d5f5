import type { Mutant } from './mutant.ts';

const PORT_OWNER = 'src/adapters/platform/processes/port-owner.ts';
const PORT_OWNER_SPEC = 'src/adapters/platform/processes/port-owner.spec.ts';

export default [
  {
    name: 'an answer of a program that has taken the port stands for the app',
    file: PORT_OWNER,
    from: '!own.has(inode))',
    to: '!own.has(inode) && own.size > 99)',
    spec: PORT_OWNER_SPEC,
    title: 'is the app itself only where every socket that the kernel may choose is its own',
  },
  {
    name: 'a socket whose owner cannot be seen counts as the app',
    file: PORT_OWNER,
    from: 'owner === null ? foreign.uid === hiddenUid',
    to: 'owner === null ? true',
    spec: PORT_OWNER_SPEC,
    title: 'own only if the app has such a process of that user',
  },
  {
    name: 'a range of statuses that ends before it begins is taken',
    file: 'src/config/values.ts',
    from: 'from === undefined || Number(from) > Number(to) ?',
    to: 'from === undefined ?',
    spec: 'src/config/values.spec.ts',
    title: 'the status',
  },
] satisfies readonly Mutant[];
