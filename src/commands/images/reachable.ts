import { request } from 'undici'

/** Whether Docker Hub answers within `timeoutMs`; any answer counts, an anonymous one is 401. */
export async function reachesDockerHub(timeoutMs = 3000): Promise<boolean> {
  try {
    const { body } = await request('https://registry-1.docker.io/v2/', {
      signal: AbortSignal.timeout(timeoutMs),
    })
    await body.dump()
    return true
  } catch {
    return false
  }
}
