import { embeddedEdge } from './embedded.ts';

/** Every edge there is, by the name environments ask for. A test compares it with this folder. */
export const edges = {
  embedded: embeddedEdge,
} as const;

export type EdgeKind = keyof typeof edges;
export { createEdges, type Edges } from './per-environment.ts';
