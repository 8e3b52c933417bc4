/** The parts of the Docker Engine API's answers that Slipway reads (API 1.41, docs.docker.com/engine/api). */

export interface WireImage {
  Id: string
  RepoDigests?: string[] | null
  Size: number
  Config?: {
    Entrypoint?: string[] | null
    Cmd?: string[] | null
    Env?: string[] | null
    User?: string
    WorkingDir?: string
    ExposedPorts?: Record<string, object> | null
  } | null
}

export interface WireContainer {
  Id: string
  Name: string
  Config: { Image: string; Labels?: Record<string, string> | null; Tty: boolean }
  State: {
    Status: string
    ExitCode: number
    OOMKilled: boolean
    StartedAt: string
    FinishedAt: string
  }
  NetworkSettings: { Networks?: Record<string, { IPAddress?: string }> | null }
}

export interface WireNetwork {
  Id: string
  Name: string
  Labels?: Record<string, string> | null
}

export interface WireVolume {
  Name: string
  Labels?: Record<string, string> | null
}

export interface WireInfo {
  Name: string
  ServerVersion: string
  OperatingSystem: string
  NCPU: number
  MemTotal: number
  ContainersRunning: number
}

/** One line of a pull or an import. */
export interface WireProgress {
  id?: string
  status?: string
  progressDetail?: { current?: number; total?: number } | null
  error?: string
  errorDetail?: { message?: string }
}

export interface WireEvent {
  Action: string
  Actor: { ID: string; Attributes?: Record<string, string> | null }
  time: number
  timeNano: number
}
