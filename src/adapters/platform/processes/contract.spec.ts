import { platformContract } from '../../../../test/contracts/platform.ts';
import { processesWorld } from '../../../../test/worlds/processes.ts';

platformContract('processes', processesWorld);
