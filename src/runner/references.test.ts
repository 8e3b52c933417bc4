import { expect, it } from 'vitest'
import { matchesImage, normaliseReference, serviceAliases } from './references.ts'

it('writes references out', () => {
  const cases: [string, string][] = [
    ['docker', 'docker.io/library/docker:latest'],
    ['docker:dind', 'docker.io/library/docker:dind'],
    ['a/b:1', 'docker.io/a/b:1'],
    ['index.docker.io/library/x', 'docker.io/library/x:latest'],
    ['registry.x:4999/a/b', 'registry.x:4999/a/b:latest'],
    ['localhost/a', 'localhost/a:latest'],
    ['a@sha256:0', 'docker.io/library/a@sha256:0'],
  ]
  for (const [short, full] of cases) expect(normaliseReference(short)).toBe(full)
})

it('lets a pattern mean no more than it says', () => {
  const cases: [image: string, pattern: string, matches: boolean][] = [
    ['docker:dind', 'docker:*dind*', true],
    ['docker:28-dind-rootless', 'docker:*dind*', true],
    ['docker', 'docker:*dind*', false],
    ['docker:latest', 'docker:*', true],
    ['docker', 'docker', true],
    ['docker.io/library/docker:dind', 'docker:*', true],
    ['evil/docker:dind', 'docker:*', false],
    ['docker.evil.com/library/docker:dind', 'docker:*', false],
    ['dockerx:dind', 'docker:*', false],
    ['docker/evil:dind', 'docker*', false],
    ['registry.x/tools/a/b:1', 'registry.x/tools/**', true],
    ['registry.x/tools/a/b:1', 'registry.x/tools/*', false],
    ['docker@sha256:00', 'docker:*', false],
  ]
  for (const [image, pattern, matches] of cases)
    expect(matchesImage(image, pattern), `${image} ${pattern}`).toBe(matches)
})

it('names services as GitLab does', () => {
  const cases: [string, string | undefined, string[]][] = [
    ['docker:dind', undefined, ['docker']],
    ['registry.x:4999/tutum/wordpress:1', undefined, ['tutum__wordpress', 'tutum-wordpress']],
    ['postgres:15@sha256:0', 'db, database', ['postgres', 'db', 'database']],
    ['postgres', '-bad $(x) ok', ['postgres', 'ok']],
  ]
  for (const [image, alias, names] of cases) expect(serviceAliases(image, alias)).toEqual(names)
})
