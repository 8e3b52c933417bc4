import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type CiHouse, type HandRunner, handRunner, openCi, sha } from '../../test/support/ci.ts'
import type { JobPayload } from '../protocol/index.ts'
import type { SettingVariable } from './model.ts'

let house: CiHouse
let runner: HandRunner

beforeEach(async () => {
  house = await openCi()
  runner = await handRunner(house, { tags: ['docker'] })
})
afterEach(() => house.close())

function setting(key: string, value: string, more: Partial<SettingVariable> = {}): SettingVariable {
  const plain = { protected: false, masked: false, hidden: false, raw: false }
  return { key, value, type: 'env_var', ...plain, environmentScope: '*', ...more }
}

async function payloadOf(yaml: string, request: object = {}): Promise<JobPayload> {
  await house.push(yaml, request)
  return (await runner.take())!
}

function valuesOf(job: JobPayload): Record<string, string> {
  return Object.fromEntries(job.variables.map(variable => [variable.key, variable.value]))
}

const full = `
default:
  before_script: [echo before]
release:
  stage: deploy
  image: { name: "docker:latest", entrypoint: [""] }
  services:
    - { name: "docker:dind", alias: docker, variables: { DEEP: "1" } }
  variables: { DOCKER_HOST: "tcp://docker:2375", DOCKER_TLS_CERTDIR: "" }
  script: [docker build ., docker push x]
  after_script: [echo after]
  environment: { name: production, url: https://example.com }
  timeout: 10 minutes
  cache: { key: deps, paths: [node_modules] }
  artifacts: { paths: [out], expire_in: 1 week, reports: { junit: [report.xml] } }
  tags: [docker]
`

describe('the payload', () => {
  test('says everything that the runner needs', async () => {
    const job = await payloadOf(full)
    expect({ ...job, variables: [] }).toEqual({
      id: 1,
      token: job.token,
      allow_git_fetch: true,
      job_info: {
        name: 'release',
        stage: 'deploy',
        project_id: 3,
        project_name: 'student-list',
        project_full_path: 'pozos/student-list',
        pipeline_id: 1,
        user_id: 1,
        time_in_queue_seconds: 0,
        project_jobs_running_on_instance_runners_count: '0',
      },
      git_info: {
        repo_url: `http://gitlab-ci-token:${job.token}@slipway.internal/pozos/student-list.git`,
        repo_object_format: 'sha1',
        ref: 'master',
        sha,
        before_sha: '0'.repeat(40),
        ref_type: 'branch',
        refspecs: [
          '+refs/pipelines/1:refs/pipelines/1',
          '+refs/heads/master:refs/remotes/origin/master',
        ],
        depth: 20,
        protected: true,
      },
      runner_info: { uuid: '', timeout: 600 },
      variables: [],
      steps: [
        {
          name: 'script',
          script: ['echo before', 'docker build .', 'docker push x'],
          timeout: 600,
          when: 'on_success',
          allow_failure: false,
        },
        {
          name: 'after_script',
          script: ['echo after'],
          timeout: 600,
          when: 'always',
          allow_failure: true,
        },
      ],
      image: { name: 'docker:latest', entrypoint: [''] },
      services: [
        {
          name: 'docker:dind',
          alias: 'docker',
          variables: [{ key: 'DEEP', value: '1', public: true, masked: false }],
        },
      ],
      artifacts: [
        {
          untracked: false,
          paths: ['out'],
          when: 'on_success',
          artifact_type: 'archive',
          artifact_format: 'zip',
          expire_in: '1 week',
        },
        {
          name: 'junit.xml',
          paths: ['report.xml'],
          when: 'always',
          artifact_type: 'junit',
          artifact_format: 'gzip',
          expire_in: '1 week',
        },
      ],
      cache: [
        {
          key: 'deps-protected',
          untracked: false,
          policy: 'pull-push',
          paths: ['node_modules'],
          when: 'on_success',
        },
      ],
      credentials: [
        {
          type: 'registry',
          url: 'registry.slipway.internal',
          username: 'gitlab-ci-token',
          password: job.token,
        },
      ],
      dependencies: [],
      features: job.features,
    })
  })

  test('has the predefined variables of a branch', async () => {
    const job = await payloadOf(full)
    const values = valuesOf(job)
    expect(values).toMatchObject({
      CI: 'true',
      GITLAB_CI: 'true',
      CI_SERVER_URL: 'http://slipway.internal',
      CI_SERVER_HOST: 'slipway.internal',
      CI_SERVER_PORT: '80',
      CI_SERVER_VERSION_MAJOR: '17',
      CI_API_V4_URL: 'http://slipway.internal/api/v4',
      CI_PROJECT_ID: '3',
      CI_PROJECT_NAME: 'student-list',
      CI_PROJECT_PATH: 'pozos/student-list',
      CI_PROJECT_NAMESPACE: 'pozos',
      CI_DEFAULT_BRANCH: 'master',
      CI_REGISTRY: 'registry.slipway.internal',
      CI_REGISTRY_IMAGE: 'registry.slipway.internal/pozos/student-list',
      CI_REGISTRY_USER: 'gitlab-ci-token',
      CI_PIPELINE_ID: '1',
      CI_PIPELINE_IID: '1',
      CI_PIPELINE_SOURCE: 'push',
      CI_PIPELINE_URL: 'http://localhost:10080/pozos/student-list/-/pipelines/1',
      CI_COMMIT_SHA: sha,
      CI_COMMIT_SHORT_SHA: 'aaaaaaaa',
      CI_COMMIT_BRANCH: 'master',
      CI_COMMIT_REF_NAME: 'master',
      CI_COMMIT_REF_SLUG: 'master',
      CI_COMMIT_REF_PROTECTED: 'true',
      CI_COMMIT_TITLE: 'Add the list',
      CI_COMMIT_DESCRIPTION: 'With ages.',
      CI_COMMIT_AUTHOR: 'Ada Byron <ada@example.com>',
      CI_JOB_ID: '1',
      CI_JOB_NAME: 'release',
      CI_JOB_STAGE: 'deploy',
      CI_NODE_TOTAL: '1',
      CI_ENVIRONMENT_NAME: 'production',
      CI_ENVIRONMENT_SLUG: 'production',
      CI_ENVIRONMENT_TIER: 'production',
      CI_RUNNER_TAGS: '["docker"]',
      GITLAB_USER_LOGIN: 'ada',
      DOCKER_HOST: 'tcp://docker:2375',
      DOCKER_TLS_CERTDIR: '',
    })
    expect(values['CI_COMMIT_TAG']).toBeUndefined()
    const secret = job.variables.filter(variable => variable.value.includes(job.token))
    expect(secret.map(({ key, public: shown }) => [key, shown])).toEqual([
      ['CI_JOB_TOKEN', false],
      ['CI_REGISTRY_PASSWORD', false],
      ['CI_REPOSITORY_URL', false],
    ])
    expect(job.variables.every(variable => typeof variable.value === 'string')).toBe(true)
  })

  test('names a tag, the whole history and a free cache where they are asked for', async () => {
    const job = await payloadOf(full.replace('DOCKER_TLS', 'GIT_DEPTH: "0", DOCKER_TLS'), {
      ref: 'refs/tags/v1.0',
    })
    expect(job.git_info).toMatchObject({ ref: 'v1.0', ref_type: 'tag', depth: 0, protected: false })
    expect(job.git_info.refspecs).toContain('+refs/heads/*:refs/remotes/origin/*')
    expect(job.cache[0]!.key).toBe('deps-non_protected')
    const values = valuesOf(job)
    expect([values['CI_COMMIT_TAG'], values['CI_COMMIT_BRANCH']]).toEqual(['v1.0', undefined])
  })
})

describe('variables of the settings', () => {
  const yaml = `
job: { script: [make], variables: { COLOR: yaml, CI_COMMIT_TITLE: yaml, GITLAB_USER_LOGIN: yaml, WHO: "I am $NAME$$" } }
`
  test('beat the file, the run beats them, and the user is nobody else', async () => {
    await house.pipelines.setVariable(3, setting('COLOR', 'settings'))
    await house.pipelines.setVariable(3, setting('SIZE', 'settings'))
    await house.pipelines.setVariable(3, setting('NAME', 'Ada'))
    const job = await payloadOf(yaml, { variables: [{ key: 'SIZE', value: 'run' }] })
    expect(valuesOf(job)).toMatchObject({
      COLOR: 'settings',
      SIZE: 'run',
      CI_COMMIT_TITLE: 'yaml',
      GITLAB_USER_LOGIN: 'ada',
      WHO: 'I am Ada$$',
    })
  })

  test('are masked, files and raw as they were set', async () => {
    await house.pipelines.setVariable(3, setting('KEY', 'abcd1234', { masked: true }))
    await house.pipelines.setVariable(3, setting('CERT', 'a\nb', { type: 'file', raw: true }))
    const { variables } = await payloadOf(yaml)
    const found = variables.filter(({ key }) => key === 'KEY' || key === 'CERT')
    expect(found).toEqual([
      { key: 'CERT', value: 'a\nb', public: false, masked: false, file: true, raw: true },
      { key: 'KEY', value: 'abcd1234', public: false, masked: true },
    ])
  })

  test('that are protected stay on the default branch', async () => {
    await house.pipelines.setVariable(3, setting('KEY', 'x', { protected: true }))
    expect(valuesOf(await payloadOf(yaml))['KEY']).toBe('x')
    expect(valuesOf(await payloadOf(yaml, { ref: 'refs/heads/testing' }))['KEY']).toBeUndefined()
    expect(valuesOf(await payloadOf(yaml, { ref: 'refs/tags/master' }))['KEY']).toBeUndefined()
  })

  test('follow the environment, the closest scope first', async () => {
    for (const scope of ['*', 'review/*', 'review/a*', 'production']) {
      await house.pipelines.setVariable(3, setting('WHERE', scope, { environmentScope: scope }))
    }
    const where = async (environment: string, sha: string) => {
      const job = await payloadOf(
        `job: { script: [make], tags: [docker], environment: ${environment} }`,
        { sha },
      )
      return valuesOf(job)['WHERE']
    }
    expect(await where('production', '1'.repeat(40))).toBe('production')
    expect(await where('review/abc', '2'.repeat(40))).toBe('review/a*')
    expect(await where('review/xyz', '3'.repeat(40))).toBe('review/*')
    expect(await where('staging', '4'.repeat(40))).toBe('*')
  })

  test.each([
    [{ key: '' }, 'key'],
    [{ key: 'A-B' }, 'key'],
    [{ key: 'A'.repeat(256) }, 'key'],
    [{ value: 'short', masked: true }, 'value'],
    [{ value: 'with some spaces', masked: true }, 'value'],
    [{ value: 'line\nline\nline', masked: true, raw: true }, 'value'],
    [{ value: 'dollar$sign$', masked: true }, 'value'],
    [{ value: 'x'.repeat(10_001) }, 'value'],
    [{ environmentScope: 'a;b' }, 'environment_scope'],
  ])('with %j are refused by field', async (change, field) => {
    const answer = house.pipelines.setVariable(3, setting('KEY', 'value', change))
    await expect(answer).rejects.toMatchObject({
      code: 'invalid',
      details: { [field]: expect.any(Array) },
    })
    expect(await house.pipelines.variables(3)).toEqual([])
  })

  test('may hold a dollar when they are masked and raw; deletes ask for the scope when there are two', async () => {
    const both = [setting('KEY', 'dollar$sign$', { masked: true, raw: true })]
    both.push({ ...both[0]!, environmentScope: 'production' })
    for (const one of both) await house.pipelines.setVariable(3, one)
    expect(await house.pipelines.variables(3)).toEqual(both)
    const vague = house.pipelines.deleteVariable(3, 'KEY')
    await expect(vague).rejects.toMatchObject({ code: 'conflict' })
    await house.pipelines.deleteVariable(3, 'KEY', 'production')
    await house.pipelines.deleteVariable(3, 'KEY')
    const gone = house.pipelines.deleteVariable(3, 'KEY')
    await expect(gone).rejects.toMatchObject({ code: 'not_found' })
  })
})
