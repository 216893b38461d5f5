import { embeddedEdge } from './embedded.ts';
import { haproxyEdge } from './haproxy/haproxy.ts';

/** Every edge there is, by the name environments ask for. A test compares it with this folder. */
export const edges = {
  embedded: embeddedEdge,
  haproxy: haproxyEdge,
} as const;

export type EdgeKind = keyof typeof edges;
export { createEdges } from './per-environment.ts';
export { type Edges } from '../../ports/edges.ts';
