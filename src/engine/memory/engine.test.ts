import { engineContract } from '../../../test/contract/engine.ts'
import { createMemoryEngine } from './index.ts'

engineContract('memory', {
  open: () => createMemoryEngine(),
  async prepare(engine, reference) {
    await engine.importImage((async function* () {})(), reference, ['ENV PATH=/bin'])
  },
  command: given => [...given],
  missing: { reference: 'slipway-contract/nowhere:1', code: 'not_found' },
})
