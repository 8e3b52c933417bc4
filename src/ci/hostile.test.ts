/** Input that means harm: S-14 to S-18 of the negative tests. Time limits leave room for a busy machine; bench/ci.ts measures. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compile } from './compile.ts'
import { simulatedContext } from './lint/index.ts'

const repeat = (count: number, make: (index: number) => string, joiner = '\n') =>
  Array.from({ length: count }, (_, index) => make(index)).join(joiner)

const job = '\nj: {script: x}\n'

const refused: Record<string, string> = {
  'an alias bomb of lists': `a0: &a0 [x]\n${repeat(40, i => `a${i + 1}: &a${i + 1} [${repeat(9, () => `*a${i}`, ',')}]`)}${job}`,
  'an alias bomb of mappings': `.a0: &a0 {script: x}\n${repeat(40, i => `.a${i + 1}: &a${i + 1} {x: *a${i}, y: *a${i}}`)}${job}`,
  'a reference bomb': `.a0: [x]\n${repeat(40, i => `.a${i + 1}: [!reference [.a${i}], !reference [.a${i}]]`)}\nj: {script: !reference [.a40]}`,
  'flow nested 200 deep': `a: ${'{a: '.repeat(200)}1${'}'.repeat(200)}`,
  'brackets nested 100000 deep': `a: ${'['.repeat(100_000)}`,
  'blocks nested 1900 deep': repeat(1900, i => `${' '.repeat(i)}a:`),
  'dashes nested 20000 deep': `a:\n  ${'- '.repeat(20_000)}x`,
  '50 MB': 'x'.repeat(50 * 1024 * 1024),
  'a merge that contains itself': 'a: &a\n  <<: *a\n  script: x',
  'an alias inside its own anchor': 'a: &a {script: [*a]}',
}

describe('bombs (S-16)', () => {
  it.each(Object.entries(refused))('%s is refused at once', async (_title, text) => {
    const started = performance.now()
    const { problems, pipeline } = await compile(text, simulatedContext({}))
    expect(performance.now() - started).toBeLessThan(600)
    expect(pipeline).toBeUndefined()
    expect(problems[0]?.message).toMatch(/too big/)
  })

  it('takes prototype keys as ordinary ones', async () => {
    const text =
      '__proto__: {script: x}\nconstructor: {script: y, variables: {__proto__: z, toString: q}}'
    const { pipeline, problems } = await compile(text, simulatedContext({}))
    expect(problems).toEqual([])
    expect(pipeline?.jobs.map(one => one.name)).toEqual(['__proto__', 'constructor'])
    expect(Object.keys(pipeline!.jobs[1]!.variables)).toEqual(['__proto__', 'toString'])
    expect(({} as Record<string, unknown>)['script']).toBeUndefined()
  })

  it('takes duplicate and other keys', async () => {
    const text = 'j: {script: a, script: b, stage: test}\n? [x]\n: y\n'
    const { problems } = await compile(text, simulatedContext({}))
    expect(problems.map(one => one.message)).toEqual(['Invalid configuration format'])
  })
})

describe('expressions, interpolation and names (S-17, S-18)', () => {
  it('matches a catastrophic pattern in linear time', async () => {
    const text = `variables: {V: ${'a'.repeat(20_000)}b}\nj: {script: x, rules: [{if: '$V =~ /^(a+)+$/'}]}`
    const started = performance.now()
    const { reason } = await compile(text, simulatedContext({}))
    expect(performance.now() - started).toBeLessThan(1_000)
    expect(reason).toBeDefined()
  })

  it('reads 100000 openings of interpolation', async () => {
    const text = `spec: {inputs: {a: {default: x}}}\n---\nj: {script: "${'$[['.repeat(100_000)}"}`
    const started = performance.now()
    const { pipeline } = await compile(text, simulatedContext({}))
    expect(performance.now() - started).toBeLessThan(2_000)
    expect(pipeline?.jobs[0]?.script[0]).toHaveLength(300_000)
  })

  it('bounds variables that double', async () => {
    const text = `variables:\n${repeat(60, i => `  V${i}: $V${i + 1}$V${i + 1}`)}\n  V60: xxxxxxxxxx\nj: {script: x, rules: [{if: $V0}]}`
    const { pipeline } = await compile(text, simulatedContext({}))
    expect(pipeline?.jobs).toHaveLength(1)
  })

  it.each(['[]:[]:[]', 'a/b c', 'ünï', "it's", '1/2', '$(rm -rf /)'])(
    'takes %s as a job name',
    async name => {
      const text = `${JSON.stringify(name)}: {script: x}`
      const { pipeline } = await compile(text, simulatedContext({}))
      expect(pipeline?.jobs[0]?.name).toBe(name)
    },
  )
})

describe('includes (S-14, S-15)', () => {
  const asked: string[] = []
  const reader = {
    read: async () => undefined,
    paths: async () => [],
    project: async () => 'no_project' as const,
    remote: async (url: string) => {
      asked.push(url)
      return { reason: 'the address being private' }
    },
    template: async () => undefined,
  }

  it.each(['file:///etc/passwd.yml', 'gopher://x/y.yml', 'ftp://x/y.yml', '//x/y.yml'])(
    'never asks for %s',
    async url => {
      asked.length = 0
      const { problems } = await compile(
        `include: {remote: "${url}"}${job}`,
        simulatedContext({ reader }),
      )
      expect(problems[0]?.message).toBe(`Remote file \`${url}\` does not have a valid address!`)
      expect(asked).toEqual([])
    },
  )

  it('leaves the judgement of addresses to the port, and shows nothing of the answer', async () => {
    const text = `include: http://169.254.169.254/x.yml${job}`
    const { problems } = await compile(text, simulatedContext({ reader }))
    expect(problems[0]?.message).toBe(
      'Remote file `http://169.254.169.254/x.yml` could not be fetched because of the address being private!',
    )
  })

  it('hides masked values in messages', async () => {
    const context = simulatedContext({ reader })
    context.variables.push({ key: 'S', value: 'hunter22', origin: 'settings', masked: true })
    const { problems } = await compile(`include: "$S.yml"${job}`, context)
    expect(problems[0]?.message).toBe('Local file `xxxxxxxx.yml` does not exist!')
  })
})

/** Text that looks like configuration, broken in many ways. */
const configurations = fc
  .array(
    fc.constantFrom(
      'stages: [a, b]',
      'job:',
      '  script: x',
      '  script:',
      '    - a',
      '  needs: [job]',
      '  rules:',
      '    - if: $A',
      '      when: manual',
      'image: x',
      '&a',
      '*a',
      '<<: *a',
      '!reference [a, b]',
      '  extends: .x',
      '.x: {script: y}',
      '{',
      '}',
      '[',
      ']',
      '- ',
      ': ',
      '---',
      '"',
      "'",
      '|',
      '>',
      '  only: [main]',
      'include: x.yml',
      'spec:',
      '  inputs:',
      '$[[ inputs.a ]]',
      'workflow: {rules: [{when: always}]}',
      '  parallel: {matrix: [{A: [1]}]}',
      '\t',
      '# c',
      'variables: {A: $B}',
      '1: 2',
      'null',
      '~: x',
      '  when: delayed',
      'default:',
      '  cache: {key: {files: [a]}}',
      '  environment: {name: $A}',
      '  trigger: {include: x}',
      '\u0000',
      '\uD800',
      'é: 1',
    ),
    { maxLength: 25 },
  )
  .chain(lines => fc.constantFrom(lines.join('\n'), lines.join(' '), lines.join('\n  ')))

describe('any text', () => {
  it('never makes the compiler throw, and every problem has a place', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof({ weight: 3, arbitrary: configurations }, { weight: 1, arbitrary: fc.string() }),
        async text => {
          const { problems } = await compile(text, simulatedContext({}))
          for (const problem of problems) {
            expect(problem.line).toBeGreaterThan(0)
            expect(problem.column).toBeGreaterThan(0)
            expect(problem.message).not.toBe('')
          }
        },
      ),
      { numRuns: 600 },
    )
  })
})
