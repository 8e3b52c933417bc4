import { engineContract, type Step } from '../../../test/contract/engine.ts'
import { importBusybox } from '../../../test/support/busybox.ts'
import { connectionFrom, createDockerEngine } from './index.ts'

engineContract('docker', {
  open: () => createDockerEngine(connectionFrom(process.env)),
  async prepare(engine, reference) {
    await importBusybox(engine, reference)
  },
  command: steps => ['sh', '-c', steps.map(shell).join('\n')],
  // no registry listens there, on any machine
  missing: { reference: '127.0.0.1:1/nowhere:1', code: 'unavailable' },
})

function shell(step: Step): string {
  const [name, ...words] = step.split(' ')
  const word = words.join(' ')
  switch (name) {
    case 'print':
      return `echo '${word}'`
    case 'put':
      return `printf '%s' '${word}'`
    case 'warn':
      return `echo '${word}' >&2`
    case 'env':
      return `printf '%s\\n' "$${word}"`
    case 'read':
      return `cat '${word}'`
    case 'sleep':
      return `sleep ${Number(word) / 1000}`
    case 'hang':
      return 'trap "exit 143" TERM; while :; do sleep 60 & wait $!; done'
    case 'deaf':
      return 'trap "" TERM; while :; do sleep 60; done'
    case 'oom':
      return 'exec tail /dev/zero'
    case 'serve':
      return 'exec httpd -f -p $PORT -h /tmp'
    default:
      return step
  }
}
