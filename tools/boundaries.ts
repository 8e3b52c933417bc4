/**
 * Checks that the code keeps to the module table in ARCHITECTURE.md: who imports whom, who touches the operating system,
 * front doors only, no cycles, no module that the table doesn't know. Prints each breach with its place; exit code 1 if there is one.
 */
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { cruise, type ICruiseOptions, type ICruiseResult } from 'dependency-cruiser'

interface ModuleRow {
  name: string
  imports: string[]
  touches: string[]
}

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
/** The facilities that a module needs leave for; `node:crypto`, `node:stream` and the like are free. */
const facilities = [
  'fs',
  'net',
  'http',
  'https',
  'http2',
  'tls',
  'dgram',
  'child_process',
  'cluster',
  'worker_threads',
  'os',
]

/** The rows of ARCHITECTURE.md's table, `any` as `*`. */
export function moduleTable(markdown: string): ModuleRow[] {
  const words = (cell: string) =>
    cell.includes('any') ? ['*'] : [...cell.matchAll(/`([^`]+)`/g)].map(match => match[1]!)
  return [...markdown.matchAll(/^\| `(\w+)` \|[^|]*\|([^|]*)\|([^|]*)\|$/gm)].map(row => ({
    name: row[1]!,
    imports: words(row[2]!),
    touches: words(row[3]!),
  }))
}

/** dependency-cruiser's rules for the table. */
export function rulesFor(table: ModuleRow[]): NonNullable<ICruiseOptions['ruleSet']> {
  // the helper's programs run in a container of their own, not in this process
  const notTest = { pathNot: '\\.(test|docker)\\.ts$|^src/runner/helper/' }
  const forbidden = table
    .filter(row => !row.imports.includes('*'))
    .flatMap(row => {
      const allowed = [row.name, ...row.imports].join('|')
      const denied = facilities.filter(one => !row.touches.includes(one))
      return [
        {
          name: `${row.name} may import only ${row.imports.join(', ') || 'nothing'}`,
          severity: 'error' as const,
          from: { path: `^src/${row.name}/`, ...notTest },
          to: { path: '^src/', pathNot: `^src/(${allowed})/` },
        },
        {
          name: `${row.name} may touch only ${row.touches.join(', ') || 'nothing'}`,
          severity: 'error' as const,
          from: { path: `^src/${row.name}/`, ...notTest },
          to: {
            path: denied.flatMap(core => [`^(node:)?${core}$`, `^(node:)?${core}/promises$`]),
            dependencyTypesNot: ['type-only' as const],
          },
        },
      ]
    })
  const frontDoor = table.map(row => ({
    name: `${row.name} is entered through index.ts`,
    severity: 'error' as const,
    from: {
      path: '^(src|test)/',
      pathNot: `^src/main\\.ts$|^src/(${row.name}|commands)/|\\.(test|docker|e2e)\\.ts$|^test/`,
    },
    to: {
      path: `^src/${row.name}/`,
      pathNot: `^src/${row.name}/(index|ports)\\.ts$|^src/(blobs|engine)/\\w+/index\\.ts$`,
    },
  }))
  return {
    forbidden: [
      ...forbidden,
      ...frontDoor,
      {
        name: 'flow.ts joins modules, never adapters',
        severity: 'error',
        from: { path: '^src/flow\\.ts$' },
        to: {
          path: '^src/',
          pathNot:
            '^src/(lib|accounts|git|ci|registry|apps|router|logs)/index\\.ts$|^src/push-output\\.ts$',
        },
      },
      {
        name: 'no cycles',
        severity: 'error',
        from: {},
        to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
      },
    ],
  }
}

async function check(): Promise<string[]> {
  const table = moduleTable(readFileSync(path.join(root, 'ARCHITECTURE.md'), 'utf8'))
  const folders = readdirSync(path.join(root, 'src'), { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(entry => entry.name)
  const problems = [
    ...folders
      .filter(name => !table.some(row => row.name === name))
      .map(name => `src/${name} is not in ARCHITECTURE.md's table`),
    ...table
      .filter(row => !folders.includes(row.name))
      .map(row => `ARCHITECTURE.md names \`${row.name}\`, which src/ doesn't have`),
  ]
  process.chdir(root)
  const result = await cruise(['src'], {
    ruleSet: rulesFor(table),
    validate: true,
    tsPreCompilationDeps: 'specify' as never,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.json'] },
    doNotFollow: { path: 'node_modules' },
  })
  const output = result.output as ICruiseResult
  const files = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(
    file => file.endsWith('.ts'),
  ).length
  const cruised = output.modules.filter(module => module.source.startsWith('src/')).length
  // dependency-cruiser reports success over nothing when it can't load a TypeScript compiler
  if (cruised < files)
    problems.push(
      `only ${cruised} of ${files} files were looked at: is the package \`typescript\` below 7?`,
    )
  for (const violation of output.summary.violations)
    problems.push(`${violation.from} → ${violation.to}: ${violation.rule.name}`)
  return problems
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problems = await check()
  for (const problem of problems) console.error(problem)
  if (problems.length > 0) process.exit(1)
  console.log('boundaries: ok')
}
