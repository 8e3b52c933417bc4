import type { Route } from './index.ts'

/** One way in which a request can end without the app's answer. `description` is Heroku's text in the log line. */
export interface Code {
  code: string
  description: string
  status: number
  /** `at=` of the log line. */
  at: 'info' | 'error'
  title: string
  meaning: string
  next: string
}

const error = (
  code: string,
  description: string,
  status: number,
  title: string,
  meaning: string,
  next: string,
): Code => ({ code, description, status, at: 'error', title, meaning, next })

const seeLog = 'If it is your app, look at its log: the last lines of the web process say why.'

/** https://devcenter.heroku.com/articles/error-codes */
export const codes = {
  H10: error(
    'H10',
    'App crashed',
    503,
    'This app has crashed',
    'The web process ended, or it failed to start.',
    seeLog,
  ),
  H11: error(
    'H11',
    'Backlog too deep',
    503,
    'This app is overloaded',
    'More requests are waiting than the app can take.',
    'Try again in a moment. If it is your app, run more web processes.',
  ),
  H12: error(
    'H12',
    'Request timeout',
    503,
    'This app took too long to answer',
    'The web process did not send the first byte of an answer within 30 seconds.',
    'Try again. If it is your app, move long work out of the request, or start to answer earlier.',
  ),
  H13: error(
    'H13',
    'Connection closed without response',
    503,
    'This app closed the connection without an answer',
    'The web process accepted the request and hung up before it answered.',
    seeLog,
  ),
  H14: error(
    'H14',
    'No web dynos running',
    503,
    'This app has no web process',
    'Its web process is scaled to zero.',
    'If it is your app, scale it up: web=1.',
  ),
  H15: error(
    'H15',
    'Idle connection',
    503,
    'This app stopped in the middle of its answer',
    'The web process sent nothing for 55 seconds.',
    seeLog,
  ),
  H17: error(
    'H17',
    'Poorly formatted HTTP response',
    503,
    'This app answered with something that is not HTTP',
    'The answer of the web process cannot be passed on.',
    seeLog,
  ),
  H18: error(
    'H18',
    'Server Request Interrupted',
    503,
    'This app broke off its answer',
    'The web process closed the connection before its answer was complete.',
    seeLog,
  ),
  H19: error(
    'H19',
    'Backend connection timeout',
    503,
    'This app does not accept connections',
    'No connection to the web process could be opened in time.',
    'Try again in a moment. If it is your app, see whether its event loop or its workers are busy.',
  ),
  H20: error(
    'H20',
    'App boot timeout',
    503,
    'This app is still starting',
    'Its web process has not begun to listen yet.',
    `Try again in a moment. ${seeLog}`,
  ),
  H21: error(
    'H21',
    'Backend connection refused',
    503,
    'This app refuses connections',
    'Nothing listens on the port that the web process was given.',
    'If it is your app, make it listen on 0.0.0.0 and the port in $PORT, and look at its log.',
  ),
  H27: error(
    'H27',
    'Client Request Interrupted',
    499,
    'The request was broken off',
    'The client closed the connection before the answer was complete.',
    'Nothing to do.',
  ),
  H28: error(
    'H28',
    'Client Connection Idle',
    499,
    'The client stopped sending or reading',
    'Nothing came from the client for 55 seconds.',
    'Send the request again.',
  ),
  H80: {
    ...error(
      'H80',
      'Maintenance mode',
      503,
      'Back soon',
      'This app is down for maintenance.',
      'Try again later.',
    ),
    at: 'info',
  },
  H81: {
    ...error(
      'H81',
      'Blank app',
      502,
      'Nothing here yet',
      'This app exists, and nothing has been released to it.',
      'If it is your app, push its code, or release an image as its web process.',
    ),
    at: 'info',
  },
  H99: error(
    'H99',
    'Platform error',
    503,
    'The platform cannot serve this app right now',
    'The router is shutting down, or could not pass on the request.',
    'Try again in a moment.',
  ),
} as const satisfies Record<string, Code>

export type CodeName = keyof typeof codes

/** What a route without a process to go to answers. */
export const codeOfState: Readonly<Record<Route['state'], CodeName>> = {
  up: 'H14',
  crashed: 'H10',
  none: 'H14',
  booting: 'H20',
  maintenance: 'H80',
  blank: 'H81',
}

/** What is answered before a route is known, so without a line in any app's log. */
export const refusals = {
  unknownHost: {
    code: 'H31',
    status: 404,
    title: 'There is no app here',
    meaning: 'No app has this address.',
    next: 'Check the spelling. If it is your app, see whether it was renamed or its domain removed.',
  },
  badRequest: {
    code: 'bad-request',
    status: 400,
    title: 'This request is malformed',
    meaning: 'It can be read in more than one way, so it is not passed on.',
    next: 'Send one Host, and one of Content-Length and Transfer-Encoding: chunked.',
  },
  badMethod: {
    code: 'method',
    status: 405,
    title: 'This method is not passed on',
    meaning: 'CONNECT and TRACE end at the router.',
    next: 'Use another method.',
  },
} as const
