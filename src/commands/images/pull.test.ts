import { expect, it } from 'vitest'
import { fullReference } from './pull.ts'

it.each([
  ['busybox', 'docker.io', 'library/busybox', ':latest'],
  ['docker:dind', 'docker.io', 'library/docker', ':dind'],
  ['wingrunr21/alpine-heroku-cli', 'docker.io', 'wingrunr21/alpine-heroku-cli', ':latest'],
  ['ghcr.io/a/b:1.2', 'ghcr.io', 'a/b', ':1.2'],
  ['localhost:5000/a', 'localhost:5000', 'a', ':latest'],
  ['node@sha256:abcd', 'docker.io', 'library/node', '@sha256:abcd'],
  ['node:24@sha256:abcd', 'docker.io', 'library/node', ':24@sha256:abcd'],
  ['docker.io/library/node:24', 'docker.io', 'library/node', ':24'],
])('reads %s as Docker does', (name, host, repository, suffix) => {
  expect(fullReference(name)).toEqual({ host, repository, suffix })
})
