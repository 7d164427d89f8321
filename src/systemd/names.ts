// The names of the units: promises to everybody who orders a service after one of them (contract 1.9).
import { unitPart } from './text.ts'

export const renewalService = (cert: string): string => `acme-${unitPart(cert)}.service`
export const renewalTimer = (cert: string): string => `acme-${unitPart(cert)}.timer`
export const selfsignedService = (cert: string): string => `acme-selfsigned-${unitPart(cert)}.service`
export const finishedTarget = (cert: string): string => `acme-finished-${unitPart(cert)}.target`

export const selfsignedCaService = 'acme-selfsigned-ca.service'
export const permissionsService = 'acme-fixperms.service'
export const lockFilesService = 'acme-lockfiles.service'
export const pollService = 'acme-poll.service'
export const pollTimer = 'acme-poll.timer'
export const dueService = 'acme-due.service'
export const challengeSocket = (kind: 'http' | 'tls'): string => `acme-${kind}.socket`
export const challengeService = (kind: 'http' | 'tls'): string => `acme-${kind}.service`
export const slice = 'acme.slice'
