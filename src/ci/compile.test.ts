import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { compile } from './compile.ts'
import { fromPlain } from './config/interpolate.ts'
import { deepMerge } from './config/merge.ts'
import { type MapNode, sourceFile, toPlain } from './config/node.ts'
import { lintMerged, simulatedContext } from './lint/index.ts'

const context = simulatedContext({})

describe('problems', () => {
  it('all of a file come at once, each with its place, job and hint', async () => {
    const text = [
      'stages: [build]',
      'a:',
      '  stage: biuld',
      '  scirpt: x',
      '  script: y',
      'b:',
      '  stage: build',
      '  script: [{x: y}]',
    ].join('\n')
    const { problems, pipeline } = await compile(text, context)
    expect(pipeline).toBeUndefined()
    expect(problems).toEqual([
      {
        severity: 'error',
        file: '.gitlab-ci.yml',
        line: 4,
        column: 3,
        job: 'a',
        message: 'jobs:a config contains unknown keys: scirpt',
        hint: 'did you mean `script`?',
      },
      {
        severity: 'error',
        file: '.gitlab-ci.yml',
        line: 8,
        column: 12,
        job: 'b',
        message:
          'jobs:b:script config should be a string or a nested array of strings up to 10 levels deep',
        hint: "this is a mapping because of the `: `: quote it, as in 'x: y'",
      },
      {
        severity: 'error',
        file: '.gitlab-ci.yml',
        line: 3,
        column: 10,
        job: 'a',
        message:
          'a job: chosen stage biuld does not exist; available stages are .pre, build, .post',
        hint: 'did you mean `build`?',
      },
    ])
  })
})

describe('the plan', () => {
  it('expands what GitLab expands: environment, resource group, tags; not scripts', async () => {
    const text = `
variables: {REGION: eu}
deploy:
  script: echo $REGION
  tags: [$REGION-runner]
  resource_group: $REGION/$CI_COMMIT_REF_SLUG
  environment: {name: review/$CI_COMMIT_REF_SLUG, url: "https://$CI_COMMIT_REF_SLUG.example.com"}`
    const { pipeline } = await compile(text, simulatedContext({ ref: 'Feature/X' }))
    expect(pipeline?.jobs[0]).toMatchObject({
      script: ['echo $REGION'],
      tags: ['eu-runner'],
      resourceGroup: 'eu/feature-x',
      environment: {
        name: 'review/feature-x',
        url: 'https://feature-x.example.com',
        action: 'start',
      },
    })
  })

  it('takes settings above YAML, by environment scope', async () => {
    const scoped = {
      ...context,
      variables: [
        ...context.variables,
        { key: 'A', value: 'setting', origin: 'settings' as const, environmentScope: '*' },
        { key: 'A', value: 'scoped', origin: 'settings' as const, environmentScope: 'review/*' },
      ],
    }
    const text = `
variables: {A: yaml}
a: {script: x, rules: [{if: $A == "setting"}]}
b: {script: x, environment: review/1, rules: [{if: $A == "scoped"}]}`
    const { pipeline } = await compile(text, scoped)
    expect(pipeline?.jobs.map(one => one.name)).toEqual(['a', 'b'])
  })

  it('computes cache keys from files as git names their blobs', async () => {
    const reader = {
      read: async (path: string) => (path === 'lock' ? 'hello\n' : undefined),
      paths: async () => ['lock'],
      project: async () => 'no_project' as const,
      remote: async () => ({ reason: 'x' }),
      template: async () => undefined,
    }
    const text =
      'a: {script: x, cache: [{key: {files: [lock]}}, {key: {files: [gone], prefix: p}}]}'
    const { pipeline } = await compile(text, simulatedContext({ reader }))
    expect(pipeline?.jobs[0]?.cache.map(one => one.key)).toEqual([
      // SHA-1 of "ce013625030ba8dba906f756967f9e9ca394464a", the blob id of "hello\n".
      '0-126780f1d4ae55fc826963e2e5d7ba7916e8903f',
      'p-default',
    ])
  })

  it('is the same when a large file is compiled on a thread', async () => {
    const jobs = Array.from(
      { length: 600 },
      (_, at) => `job-${at}: {script: [echo ${at}], rules: [{changes: ["src/*"]}]}`,
    )
    const small = `include: part.yml\n${jobs.slice(0, 5).join('\n')}`
    const large = `include: part.yml\n${jobs.join('\n')}`
    const reader = {
      read: async (path: string) =>
        path === 'part.yml' ? 'part: {script: from a file}' : undefined,
      paths: async () => [],
      project: async () => 'no_project' as const,
      remote: async () => ({ reason: 'x' }),
      template: async () => undefined,
    }
    const simulated = simulatedContext({ reader, changed: ['src/a'] })
    const [here, there] = await Promise.all([compile(small, simulated), compile(large, simulated)])
    expect(large.length).toBeGreaterThan(32 * 1024)
    expect(there.pipeline?.jobs).toHaveLength(601)
    const named = (name: string) => there.pipeline?.jobs.find(one => one.name === name)
    for (const one of here.pipeline!.jobs) expect(named(one.name)).toEqual(one)
  })

  it('starts over on a thread when an included file is large', async () => {
    const part = Array.from(
      { length: 600 },
      (_, at) => `job-${at}: {script: [echo ${'x'.repeat(40)} ${at}]}`,
    ).join('\n')
    const reader = {
      read: async (path: string) => (path === 'part.yml' ? part : undefined),
      paths: async () => [],
      project: async () => 'no_project' as const,
      remote: async () => ({ reason: 'x' }),
      template: async () => undefined,
    }
    const { pipeline } = await compile('include: part.yml', simulatedContext({ reader }))
    expect(pipeline?.jobs).toHaveLength(600)
  })
})

const mark = { file: sourceFile('x', ''), offset: 0 }
// One key, one kind: where a mapping meets a scalar the later one wins whole, and order matters then.
const leaf = fc.oneof(fc.integer(), fc.constant(null), fc.array(fc.string(), { maxLength: 2 }))
const values = fc.letrec(tie => ({
  map: fc.record(
    { a: leaf, ['__proto__']: leaf, b: tie('map'), c: tie('map') },
    { requiredKeys: [], noNullPrototype: true },
  ),
}))
const maps = values.map.map(value => fromPlain(value, mark) as MapNode)

describe('merge laws', () => {
  const plain = (a: MapNode, b: MapNode) => toPlain(deepMerge(a, b))
  it('is associative and idempotent, and the empty mapping is neutral', () => {
    const empty: MapNode = { kind: 'map', entries: new Map(), mark }
    fc.assert(
      fc.property(maps, maps, maps, (a, b, c) => {
        expect(plain(deepMerge(a, b), c)).toEqual(plain(a, deepMerge(b, c)))
        expect(plain(a, a)).toEqual(toPlain(a))
        expect(plain(a, empty)).toEqual(toPlain(a))
        expect(plain(empty, a)).toEqual(toPlain(a))
      }),
    )
  })
})

const words = fc.constantFrom(
  'a',
  'yes',
  'no',
  '1',
  '0755',
  '1:30',
  '~',
  'null',
  ':x',
  '2024-01-31',
  'a: b',
  '# x',
  '- y',
  "it's",
  '',
  ' ',
  'line\nline\n',
  '$A',
  '*x',
  '&x',
  '!x',
  '1.10',
  '<<',
)
const jobs = fc.record(
  {
    script: fc.array(words, { minLength: 1, maxLength: 3 }),
    stage: fc.constantFrom('build', 'test'),
    variables: fc.dictionary(fc.constantFrom('A', 'B'), words),
    tags: fc.array(
      words.filter(word => word !== ''),
      { maxLength: 2 },
    ),
    when: fc.constantFrom('manual', 'always'),
  },
  { requiredKeys: ['script'] },
)

describe('compile(print(x)) = compile(x)', () => {
  it('holds for the merged configuration', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.constantFrom('one', 'two', '.three'), jobs, { minKeys: 1 }),
        async configuration => {
          const text = stringify(configuration, {
            version: '1.1',
            defaultStringType: 'QUOTE_DOUBLE',
            defaultKeyType: 'PLAIN',
          })
          const first = await lintMerged(text, context)
          if (first.mergedYaml === undefined) return
          const second = await lintMerged(first.mergedYaml, context)
          const stable = (report: typeof first.report) =>
            report.jobs.map(({ why: _, ...rest }) => rest)
          expect(stable(second.report)).toEqual(stable(first.report))
        },
      ),
      { numRuns: 150 },
    )
  })
})
