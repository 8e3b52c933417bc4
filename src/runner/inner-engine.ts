import type { Files } from './archive.ts'
import { trustDirectory, trustEnvironment } from './trust.ts'

/**
 * A Docker Engine that runs as a service (docker:dind): its containers must find the platform's names and trust its CA too, without a
 * word in the pipeline or the images. Both come by the inner engine's own configuration:
 *
 * - `dns`: the helper, which answers for the names and forwards the rest;
 * - an OCI runtime that adds the CA to a container's specification and then is runc. It mounts it below `/dev`, which is a tmpfs of the
 *   container: no layer of an image ever sees it. BuildKit doesn't ask the daemon's configuration for its runtime but a variable.
 */
const wrapperPath = '/etc/slipway/runc'
const nestedDirectory = '/dev/slipway-ca'

const configurationPath = 'etc/docker/daemon.json'

/** Files for `/` of the service. `existing` is the image's own daemon.json, whose keys stay. */
export function innerEngineFiles(service: {
  dnsAddress: string
  trusted: boolean
  command: readonly string[]
  existing: string | undefined
}): Files {
  const configuration = parseObject(service.existing)
  // dockerd refuses to start when a setting stands on its command line and in the file.
  const says = (flag: string) => service.command.some(word => word.split('=')[0] === flag)
  if (!says('--dns')) configuration['dns'] ??= [service.dnsAddress]
  if (service.trusted && !says('--default-runtime') && !configuration['default-runtime']) {
    configuration['default-runtime'] = 'slipway'
    configuration['runtimes'] = {
      ...(configuration['runtimes'] as object | undefined),
      slipway: { path: wrapperPath },
    }
  }
  return {
    [configurationPath]: { content: JSON.stringify(configuration) },
    ...(service.trusted ? { [wrapperPath.slice(1)]: { content: wrapper(), mode: 0o755 } } : {}),
  }
}

/** For the service's own environment. */
export function innerEngineEnvironment(): Record<string, string> {
  return { DOCKER_BUILDKIT_RUNC_COMMAND: wrapperPath }
}

export const innerEngineConfiguration = `/${configurationPath}`

function parseObject(text: string | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? '{}')
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

/** POSIX sh and sed only: that is what a docker:dind has. The specification is one line of JSON as Go writes it. */
function wrapper(): string {
  const variables = Object.entries(trustEnvironment(nestedDirectory))
    .map(([key, value]) => `"${key}=${value}",`)
    .join('')
  const mount = JSON.stringify({
    destination: nestedDirectory,
    type: 'bind',
    source: trustDirectory,
    options: ['rbind', 'ro'],
  })
  return `#!/bin/sh
# Gives the containers of this engine the certificate authority of Slipway, then is runc.
bundle=
previous=
for word in "$@"; do
  case $previous in --bundle | -b) bundle=$word ;; esac
  case $word in --bundle=*) bundle=\${word#--bundle=} ;; esac
  previous=$word
done
specification=$bundle/config.json
if [ -n "$bundle" ] && [ -f "$specification" ]; then
  sed -i \\
    -e 's#"env":\\[#"env":[${variables}#' \\
    -e 's#{"destination":"/dev","type":"tmpfs"[^}]*}#&,${mount}#' \\
    "$specification"
fi
exec runc "$@"
`
}
