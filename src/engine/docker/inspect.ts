import { Failure } from '../../lib/index.ts'
import type { DockerClient } from './client.ts'
import type { WireContainer } from './wire.ts'

export function inspect(client: DockerClient, id: string): Promise<WireContainer | undefined> {
  return orUndefined(client.json<WireContainer>({ path: `${at(id)}/json` }))
}

export function at(id: string): string {
  return `/containers/${encodeURIComponent(id)}`
}

export function noContainer(id: string): Failure {
  return new Failure('not_found', `No such container: ${id}`)
}

/** What isn't there (or, if asked, isn't in a state for it) is done. */
export async function orUndefined<T>(
  work: Promise<T>,
  alsoFine?: Failure['code'],
): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (error instanceof Failure && (error.code === 'not_found' || error.code === alsoFine))
      return undefined
    throw error
  }
}
