import type { Migration } from './migrate.ts'

/** Columns as SQLite holds them: booleans are 0 and 1, instants ms since the epoch. */
export interface AccountTables {
  users: {
    id: number
    uuid: string
    username: string
    name: string
    email: string
    admin: number
    state: string
    created_at: number
    password_hash: string
  }
  namespaces: {
    id: number
    kind: string
    name: string
    full_path: string
    parent_id: number | null
    owner_id: number | null
    created_at: number
  }
  projects: {
    id: number
    namespace_id: number
    name: string
    path: string
    full_path: string
    description: string
    visibility: string
    default_branch: string
    creator_id: number
    created_at: number
    updated_at: number
  }
  members: { project_id: number; user_id: number; level: number }
  tokens: {
    id: number
    user_id: number
    name: string
    scopes: string
    hash: string
    created_at: number
    expires_at: number | null
    last_used_at: number | null
  }
  job_tokens: { job_id: number; project_id: number; user_id: number; hash: string }
  sessions: { hash: string; user_id: number; created_at: number; expires_at: number }
}

export const accountMigrations: readonly Migration[] = [
  {
    name: 'accounts-1',
    up: [
      `create table users (
        id integer primary key autoincrement, uuid text not null unique,
        username text not null collate nocase unique, name text not null,
        email text not null collate nocase unique, admin integer not null, state text not null,
        created_at integer not null, password_hash text not null) strict`,
      `create table namespaces (
        id integer primary key autoincrement, kind text not null, name text not null,
        full_path text not null collate nocase unique,
        parent_id integer references namespaces (id), owner_id integer references users (id),
        created_at integer not null) strict`,
      `create table projects (
        id integer primary key autoincrement, namespace_id integer not null references namespaces (id),
        name text not null, path text not null, full_path text not null collate nocase unique,
        description text not null, visibility text not null, default_branch text not null,
        creator_id integer not null references users (id),
        created_at integer not null, updated_at integer not null) strict`,
      `create table members (
        project_id integer not null references projects (id) on delete cascade,
        user_id integer not null references users (id) on delete cascade,
        level integer not null, primary key (project_id, user_id)) strict, without rowid`,
      'create index members_by_user on members (user_id)',
      `create table tokens (
        id integer primary key autoincrement,
        user_id integer not null references users (id) on delete cascade,
        name text not null, scopes text not null, hash text not null unique,
        created_at integer not null, expires_at integer, last_used_at integer) strict`,
      'create index tokens_by_user on tokens (user_id)',
      `create table job_tokens (
        job_id integer primary key,
        project_id integer not null references projects (id) on delete cascade,
        user_id integer not null references users (id) on delete cascade,
        hash text not null unique) strict`,
      `create table sessions (
        hash text primary key, user_id integer not null references users (id) on delete cascade,
        created_at integer not null, expires_at integer not null) strict, without rowid`,
    ],
  },
]
