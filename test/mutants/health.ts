import type { Mutant } from './mutant.ts';

const PORT_OWNER = 'src/adapters/platform/processes/port-owner.ts';
const NEXT = 'src/core/rollout/next.ts';
const PROOF_SPEC = 'src/core/rollout/proof.spec.ts';
const PORT_OWNER_SPEC = 'src/adapters/platform/processes/port-owner.spec.ts';

export default [
  {
    name: 'healthy stands for instances that were not asked',
    file: 'src/engine/perform/verify.ts',
    from: 'health.evidence.instances >= wanted',
    to: 'health.evidence.instances >= 0',
    spec: 'src/engine/perform/verify.spec.ts',
    title: 'not when %i of its instances were asked',
  },
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
    file: 'src/config/schema/values.ts',
    from: 'from === undefined || Number(from) > Number(to) ?',
    to: 'from === undefined ?',
    spec: 'src/config/schema/values.spec.ts',
    title: 'the status',
  },
  {
    name: 'a release goes on before the edge has answered after a shift',
    file: 'src/core/rollout/evolve.ts',
    from: 'return toProve ? next : pastShift(next, at);',
    to: 'return pastShift(next, at);',
    spec: PROOF_SPEC,
    title: 'and nothing goes on before it has answered',
  },
  {
    name: 'the edge is not asked again after the soak',
    file: NEXT,
    from: "if (isUnproven(rollout, endsAt)) return probe(state, rollout, now, 'probe-soaked', endsAt);",
    to: '',
    spec: PROOF_SPEC,
    title: 'the edge is asked again after the soak, then health is looked at',
  },
  {
    name: 'what another version answers counts as a proof',
    file: 'src/core/rollout/evolve.ts',
    from: "if (restoring || version !== rollout.candidate?.id || rollout.edgeProof.state === 'none') return rollout;",
    to: "if (restoring || rollout.edgeProof.state === 'none') return rollout;",
    spec: PROOF_SPEC,
    title: 'and what another version answers proves nothing',
  },
  {
    name: 'old versions are stopped on proofs of an hour ago',
    file: 'src/core/release/runbook/next.ts',
    from: 'return stale.length === 0 ? null :',
    to: 'return stale.length < 99 ? null :',
    spec: PROOF_SPEC,
    title: 'proofs that have grown old while it waited for others are given anew',
  },
  {
    name: 'a version that has crashed since it was first healthy may finish',
    file: 'src/core/rollout/evolve.ts',
    from: 'restarts > rollout.restarts) {',
    to: 'restarts > rollout.restarts + 99) {',
    spec: PROOF_SPEC,
    title: 'a version that has ended by itself since it was first seen healthy fails, however well it is now',
  },
  {
    name: 'the guard lets the old version go before the edge was asked',
    file: 'src/core/release/runbook/guards.ts',
    from: "rollout.edgeProof.state === 'open')",
    to: "rollout.edgeProof.state === 'proven' && rollout.edgeProof.since < 0)",
    spec: PROOF_SPEC,
    title: 'the guard refuses to stop the old version while the edge has not been asked',
  },
  {
    name: '502 through the edge is an answer of the app',
    file: 'src/core/edge/served.ts',
    from: 'new Set([502, 503, 504])',
    to: 'new Set([503, 504])',
    spec: 'src/core/edge/served.spec.ts',
    title: 'only answers of an app count as served, whatever it says',
  },
] satisfies readonly Mutant[];
