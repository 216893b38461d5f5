import type { Mutant } from './mutant.ts';

const answers = 'src/core/analysis/answers.spec.ts';
const routes = 'src/core/analysis/routes.spec.ts';
const rollout = 'src/core/analysis/sequential/rollout.spec.ts';

export default [
  {
    name: 'status classes that are worse are noted and fail nothing',
    file: 'src/core/analysis/answers.ts',
    from: 'const worse = before?.worse ?? worseClass(classes) ??',
    to: 'const worse = before?.worse ??',
    spec: answers,
    title: 'fail: ',
  },
  {
    name: 'the newest answers may be of any class, as long as those before were well',
    file: 'src/core/analysis/class-watch.ts',
    from: 'for (const { candidate, baseline } of stretchesOf(recent)) {',
    to: 'for (const { candidate, baseline } of stretchesOf(recent).slice(3)) {',
    spec: answers,
    title: 'does not pass where next to all its newest answers are 4xx: from look',
  },
  {
    name: 'a source that stops telling classes goes on being believed',
    file: 'src/core/analysis/class-watch.ts',
    from: 'if (candidate.requests > 0 && mine === null)',
    to: 'if (candidate.requests < 0 && mine === null)',
    spec: answers,
    title: 'hold where they were told and are told no longer',
  },
  {
    name: 'routes are told by the edge and looked at by no judge',
    file: 'src/core/analysis/routes.ts',
    from: 'if (routes === undefined && (strata === null || strata.size < 2)) return undefined;',
    to: 'if (routes === undefined || strata === null) return undefined;',
    spec: routes,
    title: 'with 0.3 % of the traffic is found within 400 of its requests, at any rate and from any moment on',
  },
  {
    name: 'the newest requests of a route may fail, as long as it has not been shown to be broken',
    file: 'src/core/analysis/sequential/verdict.ts',
    from: 'return uncleanOf(policy, state) ?? uncleanRoute(state.routes);',
    to: 'return uncleanOf(policy, state);',
    spec: routes,
    title: 'never passes, from whichever moment on, as long as thirty of its requests are left to show it',
  },
  {
    name: 'every route has all that is bet on routes',
    file: 'src/core/analysis/routes.ts',
    from: 'return logSumExp(unknown > 0 ? [...logs, Math.log(unknown)] : logs) - Math.log(MOST_ROUTES);',
    to: 'return logSumExp([...logs, Math.log(MOST_ROUTES)]);',
    spec: routes,
    title: 'have no evidence before there is any, and share what is bet between them, however many are told',
  },
  {
    name: 'what does not exist is counted as a route',
    file: 'src/core/edge/told-routes.ts',
    from: "const isWell = outcome === '2xx';",
    to: "const isWell = outcome !== '5xx';",
    spec: 'src/core/edge/told-routes.spec.ts',
    title: 'that does not exist takes no room, however many are asked for',
  },
  {
    name: 'the newest requests are not looked at again before a bake passes',
    file: 'src/core/analysis/sequential/verdict.ts',
    from: '(isPassed(policy, state) ? unclean(policy, state) :',
    to: '(isPassed(policy, state) ? null :',
    spec: rollout,
    title: 'never passes: ',
  },
  {
    name: 'the evidence of earlier bakes is forgotten',
    file: 'src/core/analysis/sequential/state.ts',
    from: '    fail: before.fail,\n',
    to: '',
    spec: rollout,
    title: 'carries on what speaks against the candidate, and has it shown anew that all is well',
  },
  {
    name: 'errors of the first minute are not judged',
    file: 'src/core/analysis/sequential/observe.ts',
    from: "const shown = test.name === 'latency' && !isWarm ? []",
    to: 'const shown = !isWarm ? []',
    spec: rollout,
    title: 'errors are judged from the first request on',
  },
] satisfies readonly Mutant[];
