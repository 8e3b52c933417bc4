/** What a pusher, and a person who looks, meets when things go wrong: each ends with what happened, where, and what to do. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { containersOf, removeInstance, seedImages } from '../support/engine.ts'
import { git } from '../support/programs.ts'
import { ciFile, createProject, type TestProject } from '../support/project.ts'
import { startServer, type TestServer, until } from '../support/server.ts'

let server: TestServer
const projects: TestProject[] = []

async function project(name: string): Promise<TestProject> {
  const made = await createProject(server, `root/${name}`)
  projects.push(made)
  return made
}

beforeAll(async () => {
  server = await startServer()
  await seedImages(server, ['busybox'])
})

afterAll(async () => {
  for (const one of projects) one.remove()
  await server.stop()
  expect(await containersOf(server)).toEqual([])
  await removeInstance(server.data, server.port)
  await server.remove()
})

describe('a push', () => {
  it('makes the project, runs the pipeline and tells its address', async () => {
    const demo = await project('demo')
    const pushed = await demo.push({
      '.gitlab-ci.yml': ciFile({ hello: { script: ['echo "hello from $CI_COMMIT_REF_NAME"'] } }),
    })
    expect(pushed.exitCode).toBe(0)
    expect(pushed.stderr).toMatch(new RegExp(`remote:.*${server.url}/root/demo/-/pipelines/\\d+`))
    const pipeline = await demo.pipeline('master')
    expect(pipeline.status).toBe('success')
    const [job] = await demo.jobs(pipeline.id)
    const trace = await demo.trace(job!.id)
    expect(trace).toContain('hello from master')
    expect(trace).toContain('Job succeeded')
  })

  it('names the line and column of broken YAML', async () => {
    const broken = await project('broken')
    const pushed = await broken.push({ '.gitlab-ci.yml': 'test:\n  script: [echo\n' })
    expect(pushed.exitCode).toBe(0)
    expect(pushed.stderr).toMatch(/remote:.*\.gitlab-ci\.yml:\d+:\d+: error/)
  })

  it('names an unknown stage with its line', async () => {
    const stage = await project('stage')
    const pushed = await stage.push({
      '.gitlab-ci.yml': 'stages: [build]\ntest:\n  stage: tset\n  script: echo\n',
    })
    expect(pushed.stderr).toMatch(/remote:.*\.gitlab-ci\.yml:3:\d+: error:.*tset/)
  })

  it('says why there is no pipeline', async () => {
    const none = await project('none')
    expect((await none.push({ README: 'no pipeline here\n' })).stderr).toMatch(
      /remote: No pipeline for master/,
    )
    expect(
      (await none.push({ '.gitlab-ci.yml': ciFile({ only: { script: 'true', only: ['tags'] } }) }))
        .stderr,
    ).toMatch(/remote: No pipeline for master/)
  })

  it('is refused with a wrong password, and tells nobody that a project exists', async () => {
    const demo = await project('demo')
    const wrong = await git(
      demo.directory,
      'ls-remote',
      `http://root:wrong@localhost:${server.port}/root/demo.git`,
    )
    const absent = await git(
      demo.directory,
      'ls-remote',
      `http://root:wrong@localhost:${server.port}/root/absent.git`,
    )
    expect(wrong.exitCode).not.toBe(0)
    expect(wrong.stderr.replaceAll('demo', 'absent')).toBe(absent.stderr)
  })

  it('wins or loses whole when two come at once', async () => {
    const one = await project('race')
    await one.push({ a: '1\n' })
    const two = await createProject(server, 'root/race')
    projects.push(two)
    await git(two.directory, 'pull', '-q', two.remote, 'master')
    const both = await Promise.all([one.push({ b: '1\n' }), two.push({ c: '1\n' })])
    expect(both.map(pushed => pushed.exitCode === 0).sort()).toEqual([false, true])
    const winner = both.find(pushed => pushed.exitCode === 0)!
    const head = await git(one.directory, 'ls-remote', one.remote, 'refs/heads/master')
    expect(head.stdout).toContain(winner.sha)
  })
})

describe('a job', () => {
  it('fails with its exit code, and the later stages are skipped', async () => {
    const fails = await project('fails')
    await fails.push({
      '.gitlab-ci.yml': ciFile({
        stages: ['test', 'deploy'],
        unit: {
          stage: 'test',
          script: ['echo before', 'exit 3', 'echo never-printed'],
          after_script: ['echo "status $CI_JOB_STATUS"'],
        },
        ship: { stage: 'deploy', script: 'true' },
      }),
    })
    const pipeline = await fails.pipeline('master')
    expect(pipeline.status).toBe('failed')
    const jobs = await fails.jobs(pipeline.id)
    expect(jobs.map(job => [job.name, job.status]).sort()).toEqual([
      ['ship', 'skipped'],
      ['unit', 'failed'],
    ])
    const trace = await fails.trace(jobs.find(job => job.name === 'unit')!.id)
    expect(trace).toContain('exit code 3')
    expect(trace).toContain('status failed')
    expect(trace).not.toContain('never-printed\n')
  })

  it('says which image is missing and what to do', async () => {
    const image = await project('image')
    await image.push({
      '.gitlab-ci.yml': JSON.stringify({ t: { image: 'no-such-image:1', script: 'true' } }),
    })
    const job = await image.job('t')
    expect(job).toMatchObject({ status: 'failed', failure_reason: 'image_pull_failure' })
    expect(await image.trace(job.id)).toMatch(/no-such-image:1/)
  })

  it('goes on when a service never listens, with a warning', async () => {
    const service = await project('service')
    await service.push({
      '.gitlab-ci.yml': ciFile({
        variables: { WAIT_FOR_SERVICES_TIMEOUT: '2' },
        t: {
          services: [{ name: 'busybox:latest', alias: 'mute', command: ['sleep', '100'] }],
          script: 'echo went-on',
        },
      }),
    })
    const job = await service.job('t')
    expect(job.status).toBe('success')
    expect(await service.trace(job.id)).toContain('went-on')
  })

  it('is canceled within seconds, its containers gone', async () => {
    const slow = await project('slow')
    await slow.push({ '.gitlab-ci.yml': ciFile({ t: { script: ['echo started', 'sleep 600'] } }) })
    const job = await slow.job('t', 'running')
    await until('its first line', async () => (await slow.trace(job.id)).includes('started\n'))
    await server.api('POST', `/projects/root%2Fslow/jobs/${job.id}/cancel`)
    await slow.job('t', 'canceled', 15_000)
    await until('no container left', async () => (await containersOf(server)).length === 0, 15_000)
  })

  it('never shows a masked variable', async () => {
    const masked = await project('masked')
    await masked.push({ README: 'x\n' })
    await server.api('POST', '/projects/root%2Fmasked/variables', {
      key: 'SECRET',
      value: 'hunter22-hunter22',
      masked: true,
    })
    await masked.push({
      '.gitlab-ci.yml': ciFile({
        t: { script: ['echo "it is $SECRET"', 'printf hunter22-; printf "hunter22\\n"'] },
      }),
    })
    const job = await masked.job('t')
    const trace = await masked.trace(job.id)
    expect(trace).toContain('it is [MASKED]')
    expect(trace).not.toContain('hunter22-hunter22')
  })
})
