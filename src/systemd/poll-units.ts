// The units that renew when the CA wants it (RFC 9773): a poller without keys or privileges, which marks what is due, and a
// root that starts it, which has neither network nor capabilities. Marks are looked at when the poller has ended: no path unit watches the folder, so nobody who writes there can make systemd run in circles.
import { exitStatuses } from '../errors.ts'
import { defaultRoots, dueDir, renewalInfoDir } from '../job/paths.ts'
import type { MachineUnits } from './machine-units.ts'
import { dueService, pollService, pollTimer, slice } from './names.ts'
import { serviceSection } from './service.ts'
import { installedIn, type Unit } from './text.ts'
import { startsWithoutLimit, unitSection } from './unit-section.ts'

/** Seconds: more than the poller takes itself (src/commands/poll.ts). */
const pollSeconds = 900
const dueSeconds = 300

export const pollUnits = (of: MachineUnits): Unit[] => [poller(of), timer(), starter(of)]

function poller({ config, program, systemdVersion }: MachineUnits): Unit {
  const online = 'network-online.target'
  return {
    name: pollService,
    sections: [
      unitSection('Ask when ACME certificates are to be renewed', [
        startsWithoutLimit,
        ['After', `network.target ${online} nss-lookup.target`],
        ['Wants', online],
        ['OnSuccess', dueService],
      ]),
      serviceSection({
        program,
        systemdVersion,
        useRoot: config.useRoot,
        group: config.useRoot ? 'root' : 'acme',
        groups: [],
        run: ['poll'],
        network: 'network',
        seconds: pollSeconds,
        staysActive: false,
        state: [],
        stateMode: '0750',
        writable: [renewalInfoDir(defaultRoots), dueDir(defaultRoots)],
        readable: [...new Set(config.certs.flatMap(({ caCertificates }) => caCertificates))].sort(),
        extra: [
          ['Slice', slice],
          'No CA could be reached: which is told, passes, and keeps nothing from being started that is due by what is known.',
          ['SuccessExitStatus', String(exitStatuses.unavailable)],
          'The jobs, whose hooks may hold secrets.',
          ['InaccessiblePaths', `-${defaultRoots.jobs}`],
        ],
      }),
    ],
  }
}

/**
 * wakeEvery of src/renewal/renewal-info.ts. The delay is this machine's own and always the same: the machines of the world do
 * not come all at once, and one that comes is never late.
 */
const timer = (): Unit => ({
  name: pollTimer,
  sections: [
    unitSection('Ask when ACME certificates are to be renewed', []),
    {
      name: 'Timer',
      lines: [
        ['OnCalendar', '*:0/15'],
        ['OnBootSec', '2min'],
        ['AccuracySec', '1min'],
        ['RandomizedDelaySec', '10min'],
        ['FixedRandomDelay', 'yes'],
      ],
    },
    installedIn('timers.target'),
  ],
})

function starter({ program, systemdVersion }: MachineUnits): Unit {
  return {
    name: dueService,
    sections: [
      unitSection('Start ACME renewals that are due', [
        startsWithoutLimit,
        'Whenever nothing is marked, not even Node is started.',
        ['ConditionDirectoryNotEmpty', dueDir(defaultRoots)],
      ]),
      serviceSection({
        program,
        systemdVersion,
        useRoot: true,
        group: 'root',
        groups: [],
        run: ['start-due'],
        network: 'no network',
        seconds: dueSeconds,
        staysActive: false,
        state: [],
        stateMode: '0750',
        writable: [dueDir(defaultRoots)],
        readable: [],
        extra: [['Slice', slice]],
      }),
    ],
  }
}
